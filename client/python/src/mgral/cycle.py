"""A cycle: what it does now, followed to its end."""

from __future__ import annotations

import datetime
from typing import Dict, Iterator, Optional, Tuple

import grpc
from mgral import errors, values
from mgral.connection import Connection
from mgral.progress import Bar
from mgral.v1 import cycle_service_pb2

_STAGES = 6
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
# Every so often a watch is opened anew: a connection that died silently is noticed by that.
_WATCH_SECONDS = 600.0


class Cycle:
    """A cycle as it was when the server was asked; watch(), wait() and refresh() give newer ones."""

    def __init__(self, connection: Connection, proto: cycle_service_pb2.Cycle) -> None:
        self._connection = connection
        self._proto = proto

    @property
    def name(self) -> str:
        """pools/{pool}/cycles/{cycle}"""
        return self._proto.name

    @property
    def state(self) -> str:
        """QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED."""
        return values.word(cycle_service_pb2.CycleState.Name(self._proto.state), "CYCLE_STATE_")

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED

    @property
    def stage(self) -> str:
        """TRAIN, EMBED, PROBE, TABLE, SELECTOR or PUBLISH; empty before the first."""
        name = values.word(cycle_service_pb2.CycleStage.Name(self._proto.stage), "CYCLE_STAGE_")
        return "" if name == "UNSPECIFIED" else name

    @property
    def fraction(self) -> float:
        """Of the stage that runs, from 0 to 1."""
        return self._proto.stages[-1].fraction if self._proto.stages else 0.0

    @property
    def metrics(self) -> Dict[str, float]:
        """Named figures of the stage that runs, e.g. loss."""
        return dict(self._proto.stages[-1].metrics) if self._proto.stages else {}

    @property
    def eta(self) -> Optional[datetime.datetime]:
        """When it will end, in UTC; None where that is unknown."""
        return values.moment(self._proto.eta) if self._proto.HasField("eta") else None

    @property
    def training_images(self) -> int:
        return self._proto.training_images

    @property
    def validation_images(self) -> int:
        return self._proto.validation_images

    @property
    def map50(self) -> float:
        """mAP@.5 on the labeled validation images, from 0 to 1."""
        return self._proto.map50

    @property
    def map(self) -> float:
        """mAP@[.5:.95] on the same."""
        return self._proto.map

    @property
    def model(self) -> str:
        """pools/{pool}/models/{model}; empty until it is published."""
        return self._proto.model

    @property
    def error(self) -> str:
        return self._proto.error

    @property
    def predicted_gain(self) -> float:
        """Of the batches labeled since the last cycle; beside `realised_gain`."""
        return self._proto.predicted_gain

    @property
    def realised_gain(self) -> Optional[float]:
        """What those batches brought; None where there were none."""
        return self._proto.realised_gain if self._proto.has_realised_gain else None

    @property
    def fidelity(self) -> Optional[float]:
        """Rank correlation of the table's estimates with measured gains, left out one by one; None
        where nothing was measured."""
        return self._proto.table.fidelity if self._proto.table.has_fidelity else None

    def __repr__(self) -> str:
        stage = "" if self.has_ended else f" {self.stage} {self.fraction:.0%}"
        return f"<Cycle {self.name} {self.state}{stage}>"

    def refresh(self) -> Cycle:
        request = cycle_service_pb2.GetCycleRequest(name=self.name)
        return Cycle(self._connection,
                     self._connection.call(self._connection.cycles.GetCycle, request))

    def cancel(self) -> Cycle:
        """It stops at its next step; what is published stays. No error where it has ended."""
        request = cycle_service_pb2.CancelCycleRequest(name=self.name)
        return Cycle(self._connection,
                     self._connection.call(self._connection.cycles.CancelCycle, request))

    def watch(self) -> Iterator[Cycle]:
        """The cycle now, then at every change, also through restarts of the server; the last one
        has ended, maybe as FAILED or CANCELLED."""
        return self._watch(None)

    def _watch(self, limit: Optional[float]) -> Iterator[Cycle]:
        retry = self._connection.retry
        attempt, ever_answered = 1, False
        broken_since: Optional[float] = None  # the first break after an answer
        while True:
            try:
                for answer in self._answers(limit):
                    attempt, broken_since, ever_answered = 1, None, True
                    cycle = Cycle(self._connection, answer.cycle)
                    yield cycle
                    if cycle.has_ended:
                        return
                error = errors.make("UNAVAILABLE", "the server ended the watch too early")
            except grpc.RpcError as broken:
                error = errors.from_rpc(broken, self._connection.target)
            now = retry.clock()
            if limit is not None and now >= limit:
                raise TimeoutError(f"{self.name} has not ended in time; it goes on")
            if not retry.is_broken_stream(error):
                raise error
            delay = retry.delay(error, attempt)
            if limit is not None:
                delay = min(delay, limit - now)
            broken_since = now if broken_since is None else broken_since
            if (now + delay - broken_since > retry.reconnect_patience if ever_answered
                    else attempt >= retry.max_attempts):
                raise error
            retry.sleep(delay)
            attempt += 1

    def wait(self, timeout: Optional[datetime.timedelta] = None,
             progress: Optional[bool] = None) -> Cycle:
        """The cycle when it has succeeded, with a bar on a terminal. Raises CycleFailed with the
        reason when it has not, and TimeoutError after `timeout`; the cycle then goes on."""
        limit = (None if timeout is None
                 else self._connection.retry.clock() + timeout.total_seconds())
        last = self
        with Bar(self.name.rpartition("/")[2], _STAGES, "", progress) as bar:
            for last in self._watch(limit):
                done, title = last._position()
                bar.set(done, title)
        if last.state != "SUCCEEDED":
            raise errors.CycleFailed(f"{last.name} is {last.state}"
                                     + (f": {last.error}" if last.error else ""))
        return last

    def _answers(self, limit: Optional[float]) -> Iterator[cycle_service_pb2.WatchCycleResponse]:
        seconds = _WATCH_SECONDS
        if limit is not None:
            seconds = min(seconds, max(0.0, limit - self._connection.retry.clock()))
        request = cycle_service_pb2.WatchCycleRequest(name=self.name)
        answers = self._connection.cycles.WatchCycle(request, timeout=seconds,
                                                     metadata=self._connection.metadata)
        try:
            yield from answers
        finally:  # also where the caller stops looking
            answers.cancel()

    def _position(self) -> Tuple[float, str]:
        """Stages done, and the title of a bar."""
        number = cycle_service_pb2.CycleStage.Value(f"CYCLE_STAGE_{self.stage or 'UNSPECIFIED'}")
        if self.state == "SUCCEEDED":
            return _STAGES, f"mAP@.5 {self.map50:.3f}"
        return max(0, number - 1) + self.fraction, self.stage.lower() or self.state.lower()
