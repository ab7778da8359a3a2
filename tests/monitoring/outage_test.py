"""What a server tells while its database is away."""

from __future__ import annotations

import contextlib

import metrics_page
from live_server import LiveServer, PostgresCluster
from prometheus_process import wait_until


def test_without_its_database_it_says_so_and_guesses_nothing() -> None:
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(contextlib.ExitStack())
        cluster = database.enter_context(PostgresCluster())
        server = stack.enter_context(LiveServer(cluster.create_database("outage"),
                                                "--expire_interval=100ms"))
        before = metrics_page.fetch(server.metrics_port)
        assert "mgral_database_up 1" in before and "mgral_api_serving 1" in before
        assert "mgral_jobs{" in before
        database.close()
        after = str(wait_until(lambda: "mgral_database_up 0" in (
            page := metrics_page.fetch(server.metrics_port)) and page, "it notices"))
        assert "mgral_api_serving 0" in after
        # An old figure would keep an alert silent, or firing.
        assert "mgral_jobs{" not in after and "mgral_pools" not in after
        assert "process_open_fds" in after and "mgral_artifact_free_bytes" in after
