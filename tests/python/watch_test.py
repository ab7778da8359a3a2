"""Cycles that are watched and waited for, through broken streams."""

import datetime
import threading

import grpc
import pytest
from fake_server import UNAVAILABLE, Clock, FakeServer, Failure, client_of

import mgral
from mgral.v1 import cycle_service_pb2, pool_service_pb2


def cycle(state, stage=0, fraction=0.0):
    message = cycle_service_pb2.Cycle(name="pools/p/cycles/1", state=state, stage=stage,
                                      error="out of memory" if state == 4 else "")
    message.stages.add(stage=stage, fraction=fraction)
    return cycle_service_pb2.WatchCycleResponse(cycle=message)


def cycle_server(watch):
    return FakeServer(
        GetPool=lambda request, context: pool_service_pb2.Pool(name="pools/p"),
        StartCycle=lambda request, context: cycle(1).cycle, WatchCycle=watch)


def test_a_watch_goes_on_after_a_break():
    streams = [[cycle(2, 1, 0.5), UNAVAILABLE], [], [cycle(2, 3, 0.25), cycle(3, 6, 1.0)]]

    def watch(request, context):
        for answer in streams.pop(0):
            if isinstance(answer, Failure):
                raise answer
            yield answer

    sleeps = []
    with cycle_server(watch) as server:
        seen = list(client_of(server, sleeps).pool("p").start_cycle().watch())
    assert [(one.state, one.stage, one.fraction) for one in seen] == [
        ("RUNNING", "TRAIN", 0.5), ("RUNNING", "PROBE", 0.25), ("SUCCEEDED", "PUBLISH", 1.0)]
    assert len(sleeps) == 2


def test_a_cycle_that_fails_raises_with_the_reason():
    with cycle_server(lambda request, context: iter([cycle(4)])) as server:
        with pytest.raises(mgral.CycleFailed, match="FAILED: out of memory"):
            client_of(server).pool("p").start_cycle().wait()


def test_waiting_has_an_end():
    over = threading.Event()

    def watch(request, context):
        yield cycle(2, 1, 0.1)
        over.wait(20)

    with cycle_server(watch) as server:
        started = client_of(server).pool("p").start_cycle()
        with pytest.raises(TimeoutError, match="it goes on"):
            started.wait(timeout=datetime.timedelta(seconds=0.3))
        over.set()


def started_cycle(server, clock, **policy):
    retry = mgral.RetryPolicy(sleep=clock.sleep, clock=clock, **policy)
    return mgral.Client(server.target, retry=retry).pool("p").start_cycle()


def test_a_watch_counts_the_time_of_attempts_that_hang():
    clock, opened = Clock(), []

    def watch(request, context):
        opened.append(clock.now)
        if len(opened) == 1:
            yield cycle(2, 1, 0.5)
        else:
            clock.now += 120.0  # until the deadline
        raise UNAVAILABLE

    with cycle_server(watch) as server:
        with pytest.raises(mgral.Unavailable):
            list(started_cycle(server, clock, reconnect_patience=300.0).watch())
    assert len(opened) == 4 and 360 <= clock.now < 370


def test_a_watch_that_was_quiet_for_long_is_not_given_up():
    clock, streams = Clock(), [[cycle(2, 1, 0.1)], [], [cycle(2, 1, 0.2)], [cycle(3, 6, 1.0)]]

    def watch(request, context):
        answers = streams.pop(0)
        yield from answers
        if answers:
            clock.now += 600.0
        raise UNAVAILABLE

    with cycle_server(watch) as server:
        seen = list(started_cycle(server, clock, reconnect_patience=300.0).watch())
    assert [one.state for one in seen] == ["RUNNING", "RUNNING", "SUCCEEDED"]


def test_waiting_ends_in_time_where_the_server_asks_for_a_longer_pause():
    clock = Clock()
    busy = Failure(grpc.StatusCode.UNAVAILABLE, "busy", "OVERLOADED", retry_seconds=2.0)

    def watch(request, context):
        yield cycle(2, 1, 0.1)
        raise busy

    with cycle_server(watch) as server:
        with pytest.raises(TimeoutError, match="it goes on"):
            started_cycle(server, clock).wait(timeout=datetime.timedelta(seconds=0.7))
    assert clock.sleeps == [pytest.approx(0.7)]
