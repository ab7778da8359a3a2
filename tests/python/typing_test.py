"""mypy --strict on the package, and on a program that uses it."""

import pathlib
import subprocess
import sys

import mgral

LIBRARY = pathlib.Path(mgral.__file__).resolve().parents[1]
SETTINGS = pathlib.Path(__file__).resolve().parents[2] / "client/python/pyproject.toml"

PROGRAM = """
import mgral

with mgral.Client("127.0.0.1:1", tls=mgral.Tls(ca="ca.pem")) as client:
    pool = client.pool("cells")
    with pool.query_batch(3) as batch:
        reveal_type(batch.images[0].predictions[0].x_min)
        batch.ingest({image.image_id: [mgral.Box("a", 0, 0, 1, 1)] for image in batch})
    reveal_type(pool.start_cycle().wait().map50)
    pool.query_batch("3")
"""


def mypy(tmp_path, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--config-file={SETTINGS}",
         f"--cache-dir={tmp_path}/cache", *arguments],
        cwd=LIBRARY, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_the_package_is_strictly_typed(tmp_path):
    said = mypy(tmp_path, "-p", "mgral")
    assert "Success: no issues found" in said, said


def test_a_program_sees_the_types(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    said = mypy(tmp_path, str(tmp_path / "program.py"))
    assert said.count('Revealed type is "builtins.float"') == 2, said
    assert 'Argument 1 to "query_batch" of "Pool" has incompatible type "str"' in said, said
    assert "Found 1 error" in said, said
