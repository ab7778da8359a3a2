"""Runs a document's Python blocks as one program; started by sessions.py, in the reader's shell."""

import json
import os
import socket
import sys
import traceback


def main() -> None:
    orders = socket.socket(socket.AF_UNIX)
    orders.connect(sys.argv[1])
    namespace = {"__name__": "__main__"}
    sys.path.insert(0, os.getcwd())
    for line in orders.makefile():
        order = json.loads(line)
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        answer = {"ok": True, "line": 0}
        try:
            with open(order["script"]) as script:
                code = compile(script.read(), order["document"], "exec")
            exec(code, namespace)
        except BaseException as error:  # also SystemExit
            traceback.print_exc()
            at = [frame.lineno for frame, in zip(traceback.extract_tb(error.__traceback__))
                  if frame.filename == order["document"]]
            answer = {"ok": False, "line": at[-1] if at else getattr(error, "lineno", 0) or 0}
        sys.stdout.flush()
        sys.stderr.flush()
        orders.sendall(json.dumps(answer).encode())


main()
