"""Comments and documents refer only to files, headings, and equations that exist.

Read are the comments of sources and scripts, docstrings, and all text of Markdown files. A reference
is a path from the repository's root ("server/base/errors.h", also without its extension), the name
of a source file or document ("errors.h"), a relative Markdown link with its heading, or "equation 7",
which docs/method.md must number.
"""

from __future__ import annotations

import io
import pathlib
import re
import subprocess
import tokenize
from typing import Dict, Iterator, List, Set, Tuple

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
EQUATIONS = "docs/method.md"
MAP = "docs/README.md"

_PATH = re.compile(r"(?<![\w./$-])(?:server|client|docs|tests|deploy|docker|proto)/[\w./*-]*\w")
_NAME = re.compile(r"(?<![\w./<*-])(?:\w[\w-]*/)*\w[\w-]*\.(?:cc|h|md|proto)\b(?![/>\w-]|\.\w)")
_DESIGN = re.compile(r"\bDESIGN [\d§]")  # the notes that the first release was built from
_EQUATION = re.compile(r"\b[Ee]quations?\s+\(?(\d+)\)?(?:(?:,| to| and| or)\s+\(?(\d+)\)?)*")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ELSEWHERE = {"jerror.h", "jpeglib.h", "torch.h",  # installed by libraries
              "deploy/compose/.env", "deploy/compose/secrets"}  # made by deploy/compose/make-secrets
_GENERATED = ("build/", "out/", "node_modules/")


def repository_files(root: pathlib.Path) -> List[str]:
    """Tracked files and new ones that git does not ignore; every file where there is no git."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.split("\0") if name]
    else:
        names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return sorted(name for name in set(names)
                  if (root / name).is_file() and not name.startswith(_GENERATED))


def _after(mark: str, text: str) -> Iterator[Tuple[int, str]]:
    """The rest of each line after `mark`, unless a quotation mark is open before it."""
    for number, line in enumerate(text.splitlines(), 1):
        at = line.find(mark)
        while at >= 0 and (line[:at].count('"') % 2 or (at > 0 and line[at - 1] == ":")):
            at = line.find(mark, at + 1)
        if at >= 0:
            yield number, line[at + len(mark):]


def _python(text: str) -> Iterator[Tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (
                token.type == tokenize.STRING and token.string.startswith(('"""', 'r"""'))):
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line


def prose(name: str, text: str) -> Iterator[Tuple[int, str]]:
    """Lines (from 1) of what is written for people in the file."""
    kind = name.rpartition(".")[2] if "." in name.rpartition("/")[2] else ""
    if kind == "md":
        yield from enumerate(text.splitlines(), 1)
    elif kind in ("h", "cc", "proto"):
        yield from _after("//", text)
    elif kind in ("py", "pyi"):
        yield from _python(text)
    elif kind == "sql":
        yield from _after("--", text)
    elif kind in ("sh", "yml", "yaml", "txt", "cmake", "toml", "cuda", "") or "Dockerfile" in name:
        yield from _after("#", text)


def headings(text: str) -> Set[str]:
    """The anchors of a Markdown file's headings, as GitHub makes them."""
    found, fenced = set(), False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else re.match(r"#+ (.*)", line)
        if heading:
            found.add(re.sub(r"[^\w\- ]", "", heading[1].strip().lower()).replace(" ", "-"))
    return found


class Checker:
    """Finds what is wrong below one folder."""

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root
        self.files = repository_files(root)
        self._folders = {str(folder) for name in self.files
                         for folder in pathlib.PurePosixPath(name).parents}
        self._stems = {name.rpartition(".")[0] for name in self.files}
        method = root / EQUATIONS
        self._equations = {int(number) for number in re.findall(
            r"^\((\d+)\)", method.read_text() if method.exists() else "", re.MULTILINE)}

    def violations(self) -> List[str]:
        found: List[str] = []
        for name in self.files:
            try:
                text = (self._root / name).read_text()
            except UnicodeDecodeError:
                continue
            for number, line in prose(name, text):
                found += [f"{name}:{number}: {wrong}" for wrong in self._line(name, line)]
        return found

    def _line(self, name: str, line: str) -> Iterator[str]:
        if name.endswith(".md"):
            for link in _LINK.findall(line):
                wrong = self._link(name, link)
                if wrong:
                    yield wrong
            line = _LINK.sub("]", line)
        for path in _PATH.findall(line):
            if path not in _ELSEWHERE and not self._exists(path):
                yield f"no such file: {path}"
        for file_name in _NAME.findall(_PATH.sub("", line)):
            if file_name not in _ELSEWHERE and not self._named(file_name):
                yield f"no such file: {file_name}"
        if _DESIGN.search(line):
            yield "refers to a document outside the repository"
        for equation in _EQUATION.finditer(line):
            for number in re.findall(r"\d+", equation[0]):
                if int(number) not in self._equations:
                    yield f"{EQUATIONS} has no equation {number}"

    def _exists(self, path: str) -> bool:
        if "*" in path:
            pattern = re.compile(re.escape(path).replace(r"\*\*", ".*").replace(r"\*", "[^/]*"))
            return any(pattern.match(name) for name in self.files)
        return path in self._folders or path in self.files or path in self._stems

    def _named(self, file_name: str) -> bool:
        return any(name == file_name or name.endswith("/" + file_name) for name in self.files)

    def _link(self, name: str, link: str) -> str:
        if "://" in link or link.startswith("mailto:"):
            return ""
        path, _, anchor = link.partition("#")
        target = (self._root / name).parent / path if path else self._root / name
        if not target.exists():
            return f"no such file: {path}"
        if anchor and target.suffix == ".md" and anchor not in headings(target.read_text()):
            return f"{path or name} has no heading #{anchor}"
        return ""


def test_the_repository_refers_to_what_it_holds() -> None:
    checker = Checker(ROOT)
    assert len(checker.files) > 300
    assert "\n".join(checker.violations()) == ""


def test_every_page_is_on_the_map_of_documents_once() -> None:
    links = [(ROOT / "docs" / link).resolve().relative_to(ROOT) for link in
             _LINK.findall((ROOT / MAP).read_text()) if "://" not in link and "#" not in link]
    for page in sorted((ROOT / "docs").glob("**/*.md")):
        name = page.relative_to(ROOT)
        if str(name) != MAP and name.parent.name != "adr":
            assert links.count(name) == 1, name


PLANTED: Dict[str, Tuple[str, str, str]] = {
    "a moved file": ("server/a.cc", "// See server/gone/b.h.\n", "server/gone/b.h"),
    "a folder": ("tests/a.py", '"""Reads tests/gone/here."""\n', "tests/gone/here"),
    "after code": ("client/a.h", 'int x = 1;  // as docs/gone.md says\n', "docs/gone.md"),
    "a bare name": ("server/a.h", "// The layout is in gone.h.\n", "gone.h"),
    "part of a path": ("server/a.h", "// Measured with bench/gone.cc.\n", "bench/gone.cc"),
    "a script": ("deploy/run", "#!/bin/sh\n# deploy/gone starts it\n", "deploy/gone"),
    "a statement": ("server/a.sql", "SELECT 1;  -- as in server/gone.h\n", "server/gone.h"),
    "a proto": ("proto/a.proto", "// See docs/gone.md.\n", "docs/gone.md"),
    "a document's text": ("docs/a.md", "The rule is in `server/gone.cc`.\n", "server/gone.cc"),
    "a link": ("docs/a.md", "[there](gone.md)\n", "gone.md"),
    "a heading": ("docs/a.md", "# Here\n\n[there](#gone)\n", "no heading #gone"),
    "a paper": ("server/a.h", "// The table (DESIGN 3.4).\n", "outside the repository"),
    "an equation": ("server/a.h", "// Equations 1 and 9 of docs/method.md.\n", "no equation 9"),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_found(planted: Tuple[str, str, str], tmp_path: pathlib.Path) -> None:
    name, text, wrong = planted
    (tmp_path / "docs").mkdir()
    (tmp_path / EQUATIONS).write_text("(1)  a = b\n")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    found, = Checker(tmp_path).violations()
    assert found.startswith(f"{name}:") and wrong in found


def test_what_exists_is_accepted(tmp_path: pathlib.Path) -> None:
    files = {
        EQUATIONS: "# Method\n\n(1)  a = b\n\n[self](#method), [file](../server/a.h), https://x.example/docs/b.md\n",
        "server/a.h": "// Equation 1 of docs/method.md; see server/a, server/*.h, a.h, and <vector.h>.\n"
                      'const char* kUrl = "docs/gone.md";  // server/a.h\n',
        "server/b.py": 'PATH = "docs/gone.md"\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert "\n".join(Checker(tmp_path).violations()) == ""
