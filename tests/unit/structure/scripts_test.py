"""What the scripts in deploy/local tell a newcomer: where they don't work, and how a build goes."""

from __future__ import annotations

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_install_refuses_other_systems_and_points_to_docker(tmp_path: pathlib.Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('ID=ubuntu\nVERSION_ID="24.04"\nID_LIKE=debian\n')
    done = subprocess.run([str(ROOT / "deploy/local/install")], check=False, capture_output=True,
                          text=True, env=dict(os.environ, MGRAL_OS_RELEASE=str(release)))
    assert done.returncode == 1
    assert "ubuntu 24.04" in done.stderr
    page = "docs/how-to/compose.md"
    assert page in done.stderr and (ROOT / page).exists()


def shown(ninja_output: str) -> str:
    script = f'source "{ROOT}/deploy/local/common.sh"; build_progress'
    return subprocess.run(["bash", "-c", script], input=ninja_output, check=True,
                          capture_output=True, text=True).stdout


def test_a_build_says_how_long_it_still_takes() -> None:
    assert shown("[1 4 0.5] a\n[2 4 20.0] b\n[3 4 21.0] c\n[4 4 90.2] link\n") == (
        "  2 of 4 steps after 0:20 min, about 0:20 min to go\n"
        "  4 of 4 steps after 1:30 min\n")


def test_errors_of_the_compiler_pass_through() -> None:
    output = shown("[1 9 0.5] a\nFAILED: b.o\nb.cc:3: error: no such thing\nninja: build stopped\n")
    assert output == "FAILED: b.o\nb.cc:3: error: no such thing\n"


def test_a_build_says_so_while_it_goes() -> None:
    script = f'source "{ROOT}/deploy/local/common.sh"; build_progress'
    with subprocess.Popen(["bash", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("[1 4 20.0] a\n")
        process.stdin.flush()  # and stays open: the build goes on
        assert process.stdout.readline() == "  1 of 4 steps after 0:20 min, about 1:00 min to go\n"
        process.stdin.close()
