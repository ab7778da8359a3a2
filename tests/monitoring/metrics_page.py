"""The text format of /metrics, as far as the tests need it."""

from __future__ import annotations

import re
import urllib.request
from typing import Dict, List, NamedTuple, Set


def fetch(port: int) -> str:
    """What /metrics says now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        return str(page.read().decode())


class Metric(NamedTuple):
    kind: str
    help: str
    labels: Set[str]


def parse(*pages: str) -> Dict[str, Metric]:
    """The metrics of several processes, by name; `le` of histograms is no label of theirs."""
    helps: Dict[str, str] = {}
    metrics: Dict[str, Metric] = {}
    for line in "\n".join(pages).splitlines():
        words = line.split(" ", 3)
        if line.startswith("# HELP"):
            helps[words[2]] = words[3]
        elif line.startswith("# TYPE"):
            metrics.setdefault(words[2], Metric(words[3], helps[words[2]], set()))
        elif line:
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            if name not in metrics:
                name = re.sub(r"_(bucket|sum|count)$", "", name)
            metrics[name].labels.update(set(re.findall(r'([a-z_]+)="', line)) - {"le"})
    return metrics


def names_in(expr: str) -> List[str]:
    """Our metrics, and those of the process, that an expression names."""
    bare = re.sub(r'"[^"]*"', "", expr)
    return sorted(set(re.findall(r"\b(?:mgral|process)_\w+|\bup\b", bare)))
