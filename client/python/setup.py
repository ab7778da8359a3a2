"""Generates the messages and services from the protos when the package is built."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import List

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import service_types  # noqa: E402


def proto_folder() -> pathlib.Path:
    """The repository's, or the copy that a source distribution carries."""
    for folder in (HERE / "proto", HERE.parent.parent / "proto"):
        if (folder / "mgral" / "v1").is_dir():
            return folder
    raise SystemExit("mgral: the protos are missing: build in a clone, or from an sdist")


def generator() -> List[str]:
    """The start of a protoc command line: of grpc_tools, or else of the system's packages."""
    if importlib.util.find_spec("grpc_tools"):
        return [sys.executable, "-m", "grpc_tools.protoc"]
    plugin = shutil.which("grpc_python_plugin")
    if not shutil.which("protoc") or not plugin:
        raise SystemExit("mgral: building needs grpcio-tools, or protoc and grpc_python_plugin "
                         "(Debian: apt-get install protobuf-compiler protobuf-compiler-grpc)")
    return ["protoc", f"--plugin=protoc-gen-grpc_python={plugin}"]


def generate(target: pathlib.Path) -> None:
    """Writes mgral/v1 and mgral/google_rpc below `target`."""
    with tempfile.TemporaryDirectory() as temporary:
        sources = pathlib.Path(temporary)
        shutil.copytree(proto_folder() / "mgral", sources / "mgral")
        # google.rpc's messages under a name of our own: a process has one registry of proto files,
        # and googleapis-common-protos may be in it. On the wire they are the same.
        private = sources / "mgral" / "google_rpc"
        private.mkdir()
        for proto in (proto_folder() / "google" / "rpc").glob("*.proto"):
            text = proto.read_text().replace("package google.rpc;", "package mgral.google_rpc;")
            (private / proto.name).write_text(text)
        names = sorted(str(path.relative_to(sources)) for path in sources.rglob("*.proto"))
        descriptors = sources / "descriptors"
        subprocess.run([*generator(), f"-I{sources}", f"--python_out={target}",
                        f"--pyi_out={target}", f"--descriptor_set_out={descriptors}", *names],
                       check=True)
        services = [name for name in names if name.endswith("_service.proto")]
        subprocess.run([*generator(), f"-I{sources}", f"--grpc_python_out={target}", *services],
                       check=True)
        service_types.write(descriptors.read_bytes(), target)
    for package in ("v1", "google_rpc"):
        (target / "mgral" / package / "__init__.py").write_text('"""Generated from the protos."""\n')


class BuildPython(build_py):
    def run(self) -> None:
        super().run()
        editable = getattr(self, "editable_mode", False)
        generate(HERE / "src" if editable else pathlib.Path(self.build_lib))


class SourceDistribution(sdist):
    def make_release_tree(self, base_dir: str, files: List[str]) -> None:
        super().make_release_tree(base_dir, files)
        shutil.copytree(proto_folder(), os.path.join(base_dir, "proto"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildPython, "sdist": SourceDistribution})
