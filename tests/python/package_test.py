"""The package is built and installed as a user would: no network, no compiler."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **options):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment.update(CC="/bin/false", CXX="/bin/false", PIP_NO_INDEX="1",
                       PIP_DISABLE_PIP_VERSION_CHECK="1", **options.pop("environment", {}))
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env=environment, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The sources as they are in a clone; the build leaves its traces there and not in ours."""
    folder = tmp_path_factory.mktemp("clone")
    ignored = shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__", "v1", "google_rpc")
    shutil.copytree(ROOT / "client/python", folder / "client/python", ignore=ignored)
    shutil.copytree(ROOT / "proto", folder / "proto")
    return folder / "client/python"


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--system-site-packages", folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel(clone, venv):
    run(venv / "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", clone / "dist", clone)
    return next((clone / "dist").glob("*.whl"))


def test_the_wheel_holds_stubs_and_types(wheel):
    assert wheel.name == "mgral-0.1.0-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("mgral/py.typed", "mgral/v1/pool_service_pb2.py", "mgral/v1/pool_service_pb2.pyi",
                   "mgral/v1/pool_service_pb2_grpc.py", "mgral/v1/pool_service_pb2_grpc.pyi",
                   "mgral/google_rpc/error_details_pb2.py", "mgral/datasets/coco.py"):
        assert wanted in names
    assert not [name for name in names if not name.startswith(("mgral/", "mgral-0.1.0.dist-info/"))]


# A user may have googleapis-common-protos, whose file of the same name has more in it.
OTHERS = """
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="google/rpc/error_details.proto",
                                          package="google.rpc")
file.message_type.add(name="ErrorInfo")
descriptor_pool.Default().Add(file) if hasattr(descriptor_pool.Default(), "Add") else None
descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
import mgral, mgral.errors, mgral.curves
print(mgral.__version__, mgral.__file__)
"""


def test_the_wheel_is_installed_and_imported(wheel, venv, tmp_path):
    run(venv / "pip", "install", wheel)
    said = run(venv / "python", "-W", "ignore", "-c", OTHERS, cwd=tmp_path)
    assert said.startswith("0.1.0 ") and str(venv.parent) in said
    assert "mgral" in run(venv / "pip", "show", "mgral")


def test_it_imports_without_the_optional_packages(wheel, venv, tmp_path):
    hide = ("import sys\nfor name in ('tqdm', 'matplotlib', 'yaml', 'numpy', 'PIL'):\n"
            "    sys.modules[name] = None\nimport mgral\nimport mgral.curves\n"
            "from mgral.progress import Bar\nwith Bar('a', 1, 'b', True) as bar: bar.set(1)\n")
    run(venv / "pip", "install", "--force-reinstall", "--no-deps", wheel)
    run(venv / "python", "-c", hide, cwd=tmp_path)


def test_without_pytorch_it_says_what_to_install(wheel, venv, tmp_path):
    run(venv / "pip", "install", "--force-reinstall", "--no-deps", wheel)
    hide = ("import sys\nsys.modules['torch'] = None\nimport mgral\n"
            "try:\n    import mgral.torch\nexcept ModuleNotFoundError as error: print(error)\n")
    said = run(venv / "python", "-c", hide, cwd=tmp_path)
    assert said == "mgral.torch needs torch: pip install mgral[torch]\n"


def test_a_source_distribution_carries_the_protos(clone, venv, tmp_path):
    run(venv / "python", "setup.py", "-q", "sdist", "-d", tmp_path, cwd=clone)
    archive = next(tmp_path.glob("*.tar.gz"))
    with tarfile.open(archive) as files:
        assert "mgral-0.1.0/proto/mgral/v1/image.proto" in files.getnames()
        assert not [name for name in files.getnames() if name.endswith("_pb2.py")]
    run(venv / "pip", "install", "--force-reinstall", "--no-deps", "--no-build-isolation", archive)
    run(venv / "python", "-c", "import mgral", cwd=tmp_path)


def test_without_a_generator_it_says_what_to_install(clone, venv, tmp_path):
    done = subprocess.run([str(venv / "python"), "setup.py", "build", "--build-base", str(tmp_path)],
                          cwd=clone, capture_output=True, text=True, env={"PATH": "/nowhere"})
    assert done.returncode != 0
    assert "protobuf-compiler-grpc" in done.stderr
