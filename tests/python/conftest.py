"""A real server over a PostgreSQL of its own, one for each file of tests that asks for it."""

import pathlib
import sys

import pytest

import mgral

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import live_server  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    with live_server.PostgresCluster() as running:
        yield running


@pytest.fixture(scope="module")
def server(cluster):
    with live_server.LiveServer(cluster.create_database("live"), "--expire_interval=50ms",
                                "--poll_interval=50ms") as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with mgral.Client(server.target) as connected:
        yield connected
