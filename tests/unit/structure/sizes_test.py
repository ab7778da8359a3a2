"""Every source can be read in one go: no file over 300 lines, no function over 60, in C++ and in
Python. And no fake of the tests answers UNIMPLEMENTED: a fake is complete, or gMock's."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
from typing import Iterator, List, Tuple

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60

_NOT_A_FUNCTION = re.compile(r"\s*(?:#|//|\}|(?:namespace|struct|class|enum|union|extern|using|public|"
                             r"private|protected|case|default|return|if|for|while|do|else|switch|"
                             r"try|INSTANTIATE_TEST_SUITE_P)\b)")
_INITIALIZER = re.compile(r"=\s*\{?$|=\s*\{")


def sources() -> List[pathlib.Path]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard",
         "server", "client", "tests"], capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        paths = [ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name]
    else:
        paths = sorted(path for folder in ("server", "client", "tests")
                       for path in (ROOT / folder).rglob("*"))
    return [path for path in paths if path.suffix in (".cc", ".h", ".py") and path.is_file()]


def cpp_functions(text: str) -> Iterator[Tuple[str, int]]:
    """(first line, lines) of each function, as clang-format lays them out: a definition begins at
    column 0, or at column 2 in a class, and ends with a brace alone at that column."""
    lines = text.splitlines()
    for indent in ("", "  "):
        start = None
        for number, line in enumerate(lines):
            if not line.startswith(indent) or not line[len(indent):len(indent) + 1].strip():
                continue  # deeper, or empty
            line = line.rstrip()
            if line == indent + "}" and start is not None and "(" in lines[start]:
                yield lines[start].strip(), number - start + 1
            if line == indent + "}" or line.endswith((";", "}")) or _INITIALIZER.search(line) or \
                    _NOT_A_FUNCTION.match(line):
                start = None
            elif start is None:
                start = number


def python_functions(text: str) -> Iterator[Tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def violations(name: str, text: str) -> List[str]:
    found = []
    count = len(text.splitlines())
    if count > MAX_FILE_LINES:
        found.append(f"{name}: {count} lines; at most {MAX_FILE_LINES}")
    functions = python_functions(text) if name.endswith(".py") else cpp_functions(text)
    for first, length in functions:
        if length > MAX_FUNCTION_LINES:
            found.append(f"{name}: {first!r} has {length} lines; at most {MAX_FUNCTION_LINES}")
    if name.startswith("tests/") and name.endswith((".cc", ".h")) and \
            "return absl::UnimplementedError" in text:
        found.append(f"{name}: a fake answers UNIMPLEMENTED")
    return found


def test_every_source_can_be_read_in_one_go() -> None:
    found = [problem for path in sources()
             for problem in violations(str(path.relative_to(ROOT)), path.read_text())]
    assert not found, "\n" + "\n".join(found)


_BODY = "".join(f"  Call({i});\n" for i in range(70))


@pytest.mark.parametrize("name, text", [
    ("server/a.cc", "// line\n" * 301),
    ("server/a.cc", "void Long() {\n" + _BODY + "}\n"),
    ("server/a.cc", "absl::Status Long(const std::string& first,\n                  int second) {\n"
     + _BODY + "}\n"),
    ("server/a.h", "class A {\n public:\n  void Long() {\n"
     + "".join("  " + line + "\n" for line in _BODY.splitlines()) + "  }\n};\n"),
    ("client/a.py", "def long():\n" + "    call()\n" * 61),
    ("tests/support/fake_store.h", "return absl::UnimplementedError(\"\");\n"),
])
def test_planted_violations_are_found(name: str, text: str) -> None:
    assert violations(name, text)


@pytest.mark.parametrize("text", [
    "void Short() {\n  Call();\n}\n\n" * 30,
    "namespace a {\n\n" + "int F() { return 1; }\n" * 100 + "\n}  // namespace a\n",
    "const std::vector<int>& Table() {\n  return t;\n}\nconstexpr int kTable[] = {\n"
    + "    1,\n" * 100 + "};\n",
])
def test_what_is_short_passes(text: str) -> None:
    assert not violations("server/a.cc", text)
