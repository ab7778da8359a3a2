#!/usr/bin/python3
"""Runs the commands of a document as a reader would, and fails where one of them fails.

    run_document.py DOCUMENT[#section] [server] [show]

`server`: one is running when the document begins. `show`: print what each block writes, too.

The fenced blocks are run in order, in a fresh folder: ```sh in one bash session with `set -e`,
```python each as the continuation of one Python process that this session's python3 starts. So
`cd`, variables and an activated virtual environment hold for all that follows. Left out are blocks
of other languages (```console, ```text ...) and those with `<!-- not run: REASON -->` on the line
above. A block with `<!-- in a terminal of its own -->` above it runs beside the others until the
document ends; what follows waits for the server to answer.

The reader has: `mgral` and `mgral-server` in PATH (MGRAL_BINARY, MGRAL_SERVER_BINARY); the clone as
./mgral; a private PostgreSQL that libpq finds without being told, with an empty database `mgral`
(unless the document itself calls createdb). Ports are the kernel's choice: wherever the document
writes 127.0.0.1:50051 or 127.0.0.1:9464 (or localhost:), another is put in its place.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from typing import Dict, List, Optional

_HERE = pathlib.Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
sys.path[:0] = [str(_HERE), str(_ROOT / "tests/support")]

import fences  # noqa: E402
import live_server  # noqa: E402
import sessions  # noqa: E402

_SECONDS = 540  # for the whole document
_PASSED_ON = ("PATH", "LANG", "TMPDIR", "ASAN_OPTIONS", "TSAN_OPTIONS")
_PORTS = ("50051", "9464")


def _program(name: str, path: str, folder: pathlib.Path) -> None:
    wrapper = folder / name
    wrapper.write_text(f'#!/bin/sh\nexec "{path}" "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)


def _clone(target: pathlib.Path) -> None:
    """The sources as a reader has them. Copied is what a build may write beside."""
    target.mkdir()
    for entry in _ROOT.iterdir():
        if entry.name not in (".git", "build", "out", "client"):
            (target / entry.name).symlink_to(entry)
    shutil.copytree(_ROOT / "client", target / "client", symlinks=True,
                    ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))


def _free_ports() -> Dict[str, str]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return {"50051": str(one.getsockname()[1]), "9464": str(other.getsockname()[1])}


class Run:
    """One document in one folder."""

    def __init__(self, document: str, anchor: str, folder: pathlib.Path,
                 cluster: live_server.PostgresCluster, deadline: float) -> None:
        self._document = document
        self._deadline = deadline
        self._ports = _free_ports()
        text = (_ROOT / document).read_text()
        self._blocks = fences.blocks(text, fences.section(text, anchor) if anchor else None)
        if not self._blocks:
            raise fences.DocumentError("there is no block to run in it")
        if "createdb" not in text:
            cluster.create_database("mgral")
        programs, scratch, work = folder / "bin", folder / "blocks", folder / "reader"
        for part in (programs, scratch, work):
            part.mkdir()
        _program("mgral-server", live_server.server_binary(), programs)
        _program("mgral", os.environ.get("MGRAL_BINARY", str(_ROOT / "build/release/client/cpp/mgral")),
                 programs)
        _program("python3", "/usr/bin/python3", programs)
        _clone(work / "mgral")
        self._environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._environment.update(
            PATH=f"{programs}:{os.environ['PATH']}", HOME=str(folder), PGUSER="postgres",
            PGHOST=str(cluster.folder), PGPORT=str(cluster.port), MPLBACKEND="agg",
            MGRAL_LISTEN=f"127.0.0.1:{self._ports['50051']}",
            MGRAL_METRICS_LISTEN=f"127.0.0.1:{self._ports['9464']}",
            MGRAL_SERVER=f"127.0.0.1:{self._ports['50051']}")
        self._sessions = sessions.Sessions(work, scratch, self._environment, deadline)

    def start_server(self) -> None:
        self._sessions.run_beside('exec mgral-server --image_root="$PWD"\n')
        self._wait_for_server()

    def run(self, show: bool) -> bool:
        """Whether every block did what it should; says on standard output what did not."""
        for block in self._blocks:
            began = time.monotonic()
            try:
                self._run_block(block)
            except sessions.BlockFailed as failure:
                self._explain(block, failure)
                return False
            first = next((line for line in block.text.splitlines() if line.strip()), "")
            print(f"{self._document}:{block.line}: {time.monotonic() - began:5.1f} s  {first[:70]}",
                  flush=True)
            if show:
                print(self._sessions.output(), flush=True)
        return True

    def close(self) -> None:
        self._sessions.close()

    def _run_block(self, block: fences.Block) -> None:
        text = block.text
        for port in _PORTS:
            for host in ("127.0.0.1", "localhost"):
                text = text.replace(f"{host}:{port}", f"127.0.0.1:{self._ports[port]}")
        if block.own_terminal:
            self._sessions.run_beside(text)
            self._wait_for_server()
        elif block.language == "sh":
            self._sessions.run_shell(text)
        else:
            self._sessions.run_python(text, self._document, block.line)

    def _wait_for_server(self) -> None:
        ask = [live_server.server_binary(), "healthcheck",
               f"--target=127.0.0.1:{self._ports['50051']}"]
        while subprocess.run(ask, check=False, capture_output=True).returncode != 0:
            self._sessions.check_beside()
            if time.monotonic() > self._deadline:
                raise sessions.BlockFailed("the server does not answer")
            time.sleep(0.05)  # between looks, not instead of one

    def _explain(self, block: fences.Block, failure: sessions.BlockFailed) -> None:
        lines = block.text.splitlines()
        at = min(failure.line, len(lines))
        print(f"\nFAILED {self._document}:{block.line + at - 1}: {failure}")
        print(f"  command: {failure.command or lines[at - 1].strip()}")
        print("  the block:")
        for number, line in enumerate(lines, 1):
            print(f"  {'>' if number == at else ' '} {block.line + number - 1:4} {line}")
        print("  its output:")
        for line in self._sessions.output().splitlines()[-60:]:
            print(f"    {line}")


def main(arguments: List[str]) -> int:
    if not arguments or set(arguments[1:]) - {"server", "show"}:
        print(__doc__, file=sys.stderr)
        return 2
    document, _, anchor = arguments[0].partition("#")
    deadline = time.monotonic() + _SECONDS
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mgral-docs-"))
    run: Optional[Run] = None
    try:
        with live_server.PostgresCluster() as cluster:
            try:
                run = Run(document, anchor, folder, cluster, deadline)
                if "server" in arguments:
                    run.start_server()
                return 0 if run.run("show" in arguments) else 1
            finally:
                if run is not None:
                    run.close()
    except (fences.DocumentError, OSError) as error:
        print(f"FAILED {document}: {error}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
