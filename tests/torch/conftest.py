"""A server with the pretrained trunk, and a client of it."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import Iterator

import pytest

import mgral

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/python")]
import live_server  # noqa: E402


@pytest.fixture(scope="module")
def client() -> Iterator[mgral.Client]:
    trunk = f"--trunk_weights={os.environ['MGRAL_TRUNK_WEIGHTS']}"
    with live_server.PostgresCluster() as cluster:
        database = cluster.create_database("round_trip")
        with live_server.LiveServer(database, "--poll_interval=50ms", trunk) as server:
            with mgral.Client(server.target) as connected:
                yield connected
