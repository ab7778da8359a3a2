"""What `run` and `pools` share: their datasets, a private server, and `mgral simulate` against it."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any, Dict, Iterator, List, Optional

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "support")]

import derive  # noqa: E402
import live_server  # noqa: E402
from experiments import ROOT, Experiment  # noqa: E402

SKIPPED = 77


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


def counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def dataset_folder(experiment: Experiment, mgral: str) -> pathlib.Path:
    if experiment.synth is not None:
        folder = ROOT / "out/results/data" / experiment.dataset
        if not (folder / "annotations.json").exists():
            say(f"drawing {folder}")
            subprocess.run([mgral, "synth", "--out", str(folder), *experiment.synth], check=True)
        return folder
    data = os.environ.get("MGRAL_DATA")
    folder = pathlib.Path(data or "MGRAL_DATA") / experiment.dataset
    if not data or not folder.is_dir():
        why = f"there is no {folder}" if data else "MGRAL_DATA, the folder of data sets, is not set"
        print(f"SKIPPED: {experiment.name} was NOT run: {why}", file=sys.stderr)
        raise SystemExit(SKIPPED)
    if experiment.derive is None:
        return folder.resolve()
    stem, _, level = experiment.name.partition("/")
    out = ROOT / "out/results/data" / stem / f"{experiment.dataset}-{level or stem}"
    derive.derive(folder.resolve(), experiment.splits, experiment.derive, out)
    return out


def read_results(out: pathlib.Path) -> Dict[str, Any]:
    file = out / "results.json"
    found: Dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"runs": []}
    return found


@contextlib.contextmanager
def private_server(image_root: pathlib.Path, threads: Optional[int]) -> Iterator[str]:
    """Its address, while it and a PostgreSQL of its own run. `threads`: one per core if None."""
    trunk = ROOT / "build/weights/efficientnet_lite0.pth"
    flags: List[str] = []
    if trunk.exists():
        flags.append(f"--trunk_weights={trunk}")
    else:
        say(f"no pretrained trunk in {trunk}: detectors start untrained")
    if threads is not None:
        flags.append(f"--threads={threads}")
    with live_server.PostgresCluster() as postgres, \
            live_server.LiveServer(postgres.create_database("mgral"), *flags,
                                   image_root=str(image_root)) as server:
        yield server.target


def simulate(mgral: str, target: str, out: pathlib.Path, log: pathlib.Path,
             options: List[str]) -> str:
    """Goes on with a simulation. Empty, or why it failed: the same call goes on from there."""
    command = [*live_server.DIE_WITH_PARENT, mgral, f"--server={target}", "simulate", "--resume",
               "--out", str(out), *options]
    with log.open("ab") as output:
        done = subprocess.run(command, check=False, stdout=output,
                              stderr=None if sys.stderr.isatty() else output)
    if done.returncode == 0:
        return ""
    tail = log.read_text(errors="replace").splitlines()[-5:]
    return "\n".join(["mgral simulate failed; the same command goes on from here", *tail,
                      f"log: {log}"])
