"""What the runner of the documents promises, on documents that these tests write."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import fences  # noqa: E402


def run(tmp_path, text, *arguments):
    document = tmp_path / "page.md"
    document.write_text(text)
    # Paths are relative to the repository; an absolute one wins when joined.
    done = subprocess.run([sys.executable, str(HERE / "run_document.py"), str(document), *arguments],
                          capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr


def test_a_failing_command_is_named_with_its_line_and_output(tmp_path):
    code, said = run(tmp_path, "# Page\n\n```sh\necho before\nls /no/such/place\necho after\n```\n")
    assert code == 1
    assert "page.md:5: exit status 2" in said
    assert "command: ls /no/such/place" in said
    assert "before" in said and "No such file" in said
    assert "\n    after" not in said


def test_a_failing_line_of_python_is_named(tmp_path):
    code, said = run(tmp_path, "```python\nx = 1\n```\n\n```python\nx += 1\nraise SystemExit(x)\n```\n")
    assert code == 1
    assert "page.md:7: an exception" in said
    assert "SystemExit: 2" in said


def test_sessions_keep_their_state_and_the_server_answers(tmp_path):
    code, said = run(tmp_path, """
<!-- in a terminal of its own -->
```sh
mgral-server --artifact_dir=artifacts
```
```sh
mkdir sub && cd sub
export WORD=kept
mgral --server 127.0.0.1:50051 pool list
psql -XqAtc 'SELECT 1' mgral
test -x ../mgral/deploy/local/install
```
```python
import os
assert os.environ["WORD"] == "kept" and os.getcwd().endswith("/sub")
value = 6
```
<!-- not run: it would fail -->
```sh
false
```
```console
$ false
```
```sh
test "$WORD" = kept && cat </dev/stdin
```
```python
assert value == 6
```
""")
    assert code == 0, said


def test_a_server_that_does_not_start_is_the_failure(tmp_path):
    code, said = run(tmp_path, "<!-- in a terminal of its own -->\n```sh\nmgral-server --no-such\n```\n")
    assert code == 1
    assert "ended with exit status" in said and "no-such" in said


def test_a_section_is_run_alone_with_a_server_at_hand(tmp_path):
    text = "# A\n```sh\nfalse\n```\n## The one, in ten lines\n```sh\nmgral pool list\n```\n## C\n```sh\nfalse\n```\n"
    document = tmp_path / "page.md"
    document.write_text(text)
    done = subprocess.run([sys.executable, str(HERE / "run_document.py"),
                           f"{document}#the-one-in-ten-lines", "server"],
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text, complaint", [
    ("```sh\ntrue\n", "line 1: the block is not closed"),
    ("<!-- not run -->\n```sh\ntrue\n```\n", "gives no reason"),
])
def test_a_document_that_is_wrong_is_refused(text, complaint):
    with pytest.raises(fences.DocumentError, match=complaint):
        fences.blocks(text)


def test_every_listed_document_exists():
    for line in (HERE / "documents.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            path, _, anchor = line.split()[0].partition("#")
            text = (ROOT / path).read_text()
            assert fences.blocks(text, fences.section(text, anchor) if anchor else None), line


def test_nothing_is_left_behind(tmp_path):
    os.environ["TMPDIR"] = str(tmp_path)
    try:
        run(tmp_path, "```sh\nsleep 1000 &\n```\n")
    finally:
        del os.environ["TMPDIR"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.md"]
