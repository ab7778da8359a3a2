"""One bash and one Python process that run a document's blocks one after another."""

from __future__ import annotations

import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import time
from typing import Dict, List, Optional

_PYTHON = pathlib.Path(__file__).with_name("python_session.py")


class BlockFailed(Exception):
    """`line` counts within the block, from 1; `command` is what failed, where that is known."""

    def __init__(self, message: str, line: int = 1, command: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.command = command


class Sessions:
    """The shell starts in `folder`; Python is started by the shell, with its variables and PATH."""

    def __init__(self, folder: pathlib.Path, scratch: pathlib.Path,
                 environment: Dict[str, str], deadline: float) -> None:
        self._scratch = scratch
        self._deadline = deadline
        self._environment = environment
        self._folder = folder
        self._blocks = 0
        self._python: Optional[socket.socket] = None
        self._beside: List[subprocess.Popen[bytes]] = []
        self._report, report_end = os.pipe()
        os.set_inheritable(report_end, True)
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env=environment, pass_fds=[report_end],
            stdin=subprocess.PIPE, start_new_session=True)
        os.close(report_end)
        # What fails is named on the report pipe, which the commands themselves don't get.
        self._tell(f"exec 9>&{report_end} {report_end}>&-; set -eE; "
                   "trap 'printf \"failed %s %s\\n\" \"$LINENO\" \"${BASH_COMMAND//$'\\''\\n'\\''/ }\" >&9' ERR")

    def close(self) -> None:
        if self._python is not None:
            self._python.close()
        for process in [*self._beside, self._bash]:
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
            try:  # what ignores SIGTERM, and what the shell left behind
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        os.close(self._report)

    def output(self) -> str:
        """What the last block wrote."""
        file = self._scratch / f"{self._blocks}.out"
        return file.read_text(errors="replace") if file.exists() else ""

    def run_shell(self, text: str) -> None:
        script = self._next(text)
        output = script.with_suffix(".out")
        self._tell(f"source {script} >{output} 2>&1 </dev/null 9>&9; printf 'done\\n' >&9")
        failed = ""
        while True:
            for line in self._reports():
                if line == "done":
                    return
                failed = line
            if self._bash.poll() is not None:
                where = failed.split(" ", 2)
                raise BlockFailed(f"exit status {self._bash.returncode}",
                                  int(where[1]) if len(where) > 1 else 1,
                                  where[2] if len(where) > 2 else "")

    def run_beside(self, text: str) -> None:
        """Runs it in a process of its own, with the environment of the document's beginning."""
        script = self._next(text)
        with script.with_suffix(".out").open("wb") as output:
            self._beside.append(subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-e", str(script)], cwd=self._folder,
                env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True))

    def check_beside(self) -> None:
        for process in self._beside:
            if process.poll() is not None:
                raise BlockFailed(f"ended with exit status {process.returncode}")

    def run_python(self, text: str, document: str, line: int) -> None:
        """Runs it as lines of `document` from `line` on, so that a traceback names them."""
        script = self._next("\n" * (line - 1) + text)
        if self._python is None:
            self._python = self._start_python()
        order = {"script": str(script), "output": str(script.with_suffix(".out")),
                 "document": document}
        self._python.settimeout(max(0.1, self._deadline - time.monotonic()))
        try:
            self._python.sendall(json.dumps(order).encode() + b"\n")
            answer = self._python.recv(4096)
        except socket.timeout:
            raise BlockFailed("the time is up") from None
        if not answer:
            raise BlockFailed("Python ended")
        outcome = json.loads(answer)
        if not outcome["ok"]:
            raise BlockFailed("an exception", max(1, int(outcome["line"]) - line + 1))

    def _next(self, text: str) -> pathlib.Path:
        self._blocks += 1
        script = self._scratch / str(self._blocks)
        script.write_text(text)
        return script

    def _start_python(self) -> socket.socket:
        address = str(self._scratch / "python.socket")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen()
            listener.settimeout(20)
            self._tell(f"python3 {_PYTHON} {address} </dev/null 9>&- &")
            try:
                return listener.accept()[0]
            except socket.timeout:
                raise BlockFailed("python3 did not start") from None

    def _tell(self, command: str) -> None:
        assert self._bash.stdin is not None
        try:
            self._bash.stdin.write(command.encode() + b"\n")
            self._bash.stdin.flush()
        except BrokenPipeError:
            raise BlockFailed("the shell has ended") from None

    def _reports(self) -> List[str]:
        if time.monotonic() > self._deadline:
            raise BlockFailed("the time is up")
        ready, _, _ = select.select([self._report], [], [], 0.1)
        return os.read(self._report, 65536).decode(errors="replace").splitlines() if ready else []
