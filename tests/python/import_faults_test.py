"""Imports of weights that are cut off in the middle leave nothing, and succeed when they are repeated."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import grpc
import live_server
import pytest
from weights import resnet18, temporary_files, write_safetensors

import mgral
from mgral import importing
from mgral.v1 import model_service_pb2, model_service_pb2_grpc

PIECE = 1 << 20
SENT = 3  # pieces, before the end

# Sends as many pieces of a file as it is told to, and then nothing more.
SENDER = """
import sys, threading
import grpc
from mgral.v1 import model_service_pb2, model_service_pb2_grpc
target, pool, path, size, pieces = sys.argv[1:]
def messages():
    yield model_service_pb2.ImportWeightsRequest(parent=pool, file_name="cut", size_bytes=int(size))
    with open(path, "rb") as file:
        for _ in range(int(pieces)):
            yield model_service_pb2.ImportWeightsRequest(data=file.read(1 << 20))
    threading.Event().wait()
model_service_pb2_grpc.ModelServiceStub(grpc.insecure_channel(target)).ImportWeights(messages())
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A trunk for pools of the profile small, 45 MB."""
    return write_safetensors(tmp_path_factory.mktemp("weights") / "resnet18.safetensors", resnet18())


@pytest.fixture
def pool(client, request):
    name = "".join(one if one.isalnum() else "-" for one in request.node.name.lower())[:60]
    return client.create_pool(name.strip("-"), classes=["disc"], profile="small")


def uploads(pid):
    """Sizes of the files that the server receives; they have no name in its folder."""
    sizes = []
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if "/artifacts/tmp/" in os.readlink(entry):
                sizes.append(entry.stat().st_size)
    return sizes


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between looks


def objects(artifacts):
    return {path for path in (artifacts / "objects").rglob("*") if path.is_file()}


class Sending:
    """A call that has sent `SENT` pieces to the server, and stays open until `end`."""

    def __init__(self, server, pool, file):
        self.end = threading.Event()
        self.channel = grpc.insecure_channel(server.target)
        self.call = model_service_pb2_grpc.ModelServiceStub(self.channel).ImportWeights.future(
            self._messages(pool, file))
        wait_until(lambda: SENT * PIECE in uploads(server.pid))

    def _messages(self, pool, file):
        yield model_service_pb2.ImportWeightsRequest(
            parent=pool.name, file_name="cut", size_bytes=file.stat().st_size, request_id="r")
        with open(file, "rb") as source:
            for _ in range(SENT):
                yield model_service_pb2.ImportWeightsRequest(data=source.read(PIECE))
        self.end.wait()


def half_close(sending):
    sending.end.set()
    assert sending.call.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert f"has {SENT * PIECE} bytes; size_bytes is " in sending.call.details()


def expect_nothing(pool, artifacts, stored):
    assert not list(pool.models())
    assert pool.refresh().start_model == "" and pool.published_model == ""
    assert objects(artifacts) == stored
    assert not temporary_files(artifacts)


@pytest.mark.parametrize("cut", [
    lambda sending: sending.call.cancel(), lambda sending: sending.channel.close(), half_close,
], ids=["canceled", "closed", "half-closed"])
def test_a_stream_that_its_client_cuts_off_leaves_nothing(client, server, pool, file, cut):
    artifacts = server.folder / "artifacts"
    stored = objects(artifacts)
    sending = Sending(server, pool, file)
    assert not temporary_files(artifacts)  # not even meanwhile
    cut(sending)
    wait_until(lambda: not uploads(server.pid))
    expect_nothing(pool, artifacts, stored)
    sending.end.set()
    imported = client.import_weights(pool.name, file, request_id="r")
    assert pool.refresh().start_model == imported.model.name == f"{pool.name}/models/1"


def test_a_client_that_is_killed_leaves_nothing(client, server, pool, file):
    artifacts = server.folder / "artifacts"
    stored = objects(artifacts)
    command = [*live_server.DIE_WITH_PARENT, sys.executable, "-c", SENDER, server.target, pool.name,
               str(file), str(file.stat().st_size), str(SENT)]
    with subprocess.Popen(command) as sender:
        wait_until(lambda: SENT * PIECE in uploads(server.pid))
        sender.kill()
    wait_until(lambda: not uploads(server.pid))
    expect_nothing(pool, artifacts, stored)
    assert client.import_weights(pool.name, file).model.version == 1


@pytest.fixture
def start(cluster, tmp_path, request):
    """Starts servers one after the other, on one database, artifact folder, and port."""
    conninfo = cluster.create_database(request.node.name)
    with contextlib.ExitStack() as running:
        def one_more(port=0):
            return running.enter_context(live_server.LiveServer(
                conninfo, f"--artifact_dir={tmp_path / 'artifacts'}", f"--listen=127.0.0.1:{port}"))
        yield one_more


def kill(server):
    os.kill(server.pid, signal.SIGKILL)
    server.wait()


def test_a_server_that_is_killed_leaves_nothing(start, file, tmp_path):
    first = start()
    with mgral.Client(first.target) as client:
        made = client.create_pool("p", classes=["disc"], profile="small")
    stored = objects(tmp_path / "artifacts")
    sending = Sending(first, made, file)
    kill(first)
    assert sending.call.code() == grpc.StatusCode.UNAVAILABLE
    sending.end.set()
    with mgral.Client(start().target) as client:
        pool = client.pool("p")
        expect_nothing(pool, tmp_path / "artifacts", stored)
        imported = client.import_weights("p", file, request_id="r")
        assert pool.refresh().start_model == imported.model.name == "pools/p/models/1"
        assert not temporary_files(tmp_path / "artifacts")


class KillsTheServer:
    """A file whose reader has the server killed when it comes to a piece in the middle."""

    def __init__(self, path, server):
        self._file, self._server, self._left = open(path, "rb"), server, SENT

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def read(self, size):
        self._left -= 1
        if self._left == 0:
            kill(self._server)
        return self._file.read(size)


def test_a_client_sends_the_file_again_when_the_server_is_back(start, file, monkeypatch):
    server = start()
    port = int(server.target.rpartition(":")[2])
    opened, waits = [], []

    def opens(path, mode):
        opened.append(path)
        # The first look is at the size; the second reads.
        return KillsTheServer(path, server) if len(opened) == 2 else open(path, mode)

    def restart_and_wait(seconds):
        waits.append(seconds)
        if len(waits) == 1:
            start(port)
        time.sleep(seconds)  # as the client does

    with mgral.Client(server.target, retry=mgral.RetryPolicy(sleep=restart_and_wait)) as client:
        pool = client.create_pool("p", classes=["disc"], profile="small")
        monkeypatch.setattr(importing, "open", opens, raising=False)
        imported = client.import_weights("p", file)
        assert imported.model.name == pool.refresh().start_model == "pools/p/models/1"
        assert [model.version for model in pool.models()] == [1]
    assert waits and len(opened) >= 3
