"""One spelling everywhere, American: in code, comments, tests, scripts, and documents.

British spellings remain only where a name is fixed outside the source: by the wire, by stored data,
by users' dashboards and scripts, or by a library.
"""

from __future__ import annotations

import pathlib
import re
from typing import List

import pytest

from references_test import ROOT, repository_files

_IZE = ("author|capital|categor|character|custom|emphas|equal|final|general|harmon|initial|"
        "linear|local|material|maxim|memor|minim|modern|normal|optim|organ|parallel|penal|prior|"
        "priorit|quant|random|real|recogn|regular|serial|special|stabil|standard|summar|synchron|"
        "token|util|vector|visual")
_OUR = "behavi|col|endeav|fav|fl|harb|hon|hum|lab|neighb|rum|vap"
_DOUBLED = "cancel|channel|label|level|model|signal|total|travel|tunnel"
_BRITISH = re.compile(
    rf"(?:{_IZE})is(?:e(?!n)|ing|ation|able)"
    rf"|(?:{_OUR})our(?!ce|ly)"
    rf"|(?:{_DOUBLED})l(?:ed|ing|er)"
    r"|cent(?:re|ring)|metre|fibre|analys(?:ed|ing)|catalogue"
    r"|licence|defence|offence|pretence|artefact|judgement|acknowledgement|fulfil(?!l)|grey|whilst"
    r"|programme(?!d|r)|ageing|learnt", re.IGNORECASE)

# Fixed names, taken out of a line before it is read.
_FIXED = re.compile(
    r"(?:[a-z_]*[._])?(?:has_|set_|set_has_|mutable_|mgral_pool_)?realised_gain\w*"  # wire, columns
    r"|\\?\"realised\\?\"|\"optimiser\""  # of stored records and checkpoints
    r"|--empty-is-labelled"  # an option's second name
    r"|\w*CANCELLED|kCancelled|CancelledError|IsCancelled|\bcancelled\(\)")  # gRPC's and absl's
_NOT_OURS = ("tests/fault/release_0_1/", "proto/baseline.binpb")  # data that an older release wrote
_SELF = "tests/unit/structure/spelling_test.py"


def violations(name: str, text: str) -> List[str]:
    return [f"{name}:{number}: {found[0]!r} is British"
            for number, line in enumerate(text.splitlines(), 1)
            for found in _BRITISH.finditer(_FIXED.sub("", line))]


def test_the_repository_is_spelled_one_way() -> None:
    found: List[str] = []
    for name in repository_files(ROOT):
        if name == _SELF or name.startswith(_NOT_OURS):
            continue
        found += violations(name, name)
        try:
            found += violations(name, (ROOT / name).read_text())
        except UnicodeDecodeError:
            continue
    assert "\n".join(found) == ""


@pytest.mark.parametrize("text", [
    "// The labelled images.", "TEST_F(CycleTest, ACancelledCycleStops)", "kFewestRealised",
    "unlabelled", "Behaviour", "# the neighbours", "colour: #fff", "serialisation", "initialised",
    "`optimiser`", "optimising", "normalise", "the centre of a box", "modelling", "cataloguer",
    "licence", "artefacts", "cv::Mat grey", "analysed", "analysing", "honoured", "acknowledgement",
    "realised gain", "double realised = 1;", "utilisation", "prioritise", "levelled",
])
def test_a_british_word_is_found(text: str) -> None:
    assert len(violations("server/a.cc", text)) == 1


@pytest.mark.parametrize("text", [
    "labeled canceled cancellation cancellations center behavior neighbors color serialization",
    "controller, controlled, installed, filled, expelled", "four hours of your labor",
    "otherwise, precise, concise noise: raise, promise, exercise, supervise, advise, premise",
    "analysis, analyses, program, programmed, programmer, geometry, symmetrical, parameter, metric",
    "optimistic, realist, organism, minimum, specialist, resource, source, course, tour, contour",
    "cycle.set_has_realised_gain(true)", "SELECT c.realised_gain", "mgral_pool_realised_gain_ratio",
    'in.at("realised")', "CYCLE_STATE_CANCELLED", "absl::CancelledError(", "StatusCode::kCancelled",
    "stream.cancelled()", "--empty-is-labeled,--empty-is-labelled", "fulfill, signal, modeled",
])
def test_what_is_american_or_fixed_passes(text: str) -> None:
    assert violations("server/a.cc", text) == []
