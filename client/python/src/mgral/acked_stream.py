"""Streams whose answers acknowledge a growing prefix of what was sent."""

from __future__ import annotations

import collections
import threading
import time
from typing import (Callable, Deque, Generic, Iterable, Iterator, List, Optional, Protocol, Tuple,
                    TypeVar)

import grpc
from mgral import errors
from mgral._stub_types import Answers, StreamStream
from mgral.connection import Connection


class Sized(Protocol):
    """A protobuf message."""

    def ByteSize(self) -> int: ...


class Acknowledging(Protocol):
    """An answer: how many items of its stream are committed."""

    @property
    def acknowledged(self) -> int: ...


_Item = TypeVar("_Item", bound=Sized)
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer", bound=Acknowledging)

_CHUNK_BYTES = 8 << 20
_CHUNKS_IN_FLIGHT = 4


class AckedStream(Generic[_Item, _Request, _Answer]):
    """Sends `items` in chunks and keeps what is not acknowledged; when the stream breaks it opens
    another and sends that first. Holds few chunks in memory, however many the items are.

    begin(first): a new message, `first` of its stream. append: adds an item to a message.
    answered(answer, base): an answer of the stream whose first item is item number `base`.
    Used once. The items are pulled by a thread of gRPC; the callbacks run in that of run().
    """

    def __init__(self, connection: Connection, method: StreamStream[_Request, _Answer],
                 items: Iterable[_Item], begin: Callable[[bool], _Request],
                 append: Callable[[_Request, _Item], None],
                 answered: Callable[[_Answer, int], None], chunk_items: int = 500) -> None:
        self._connection = connection
        self._method = method
        self._source = iter(items)
        self._begin, self._append, self._answered = begin, append, answered
        self._chunk_items = chunk_items
        self.reconnects = 0
        self._source_lock = threading.Lock()  # held while pulling: that may take long
        self._changed = threading.Condition()  # guards all below
        self._pending: Deque[Tuple[_Item, int]] = collections.deque()  # with sizes, oldest first
        self._source_ended = False
        self._source_error: Optional[BaseException] = None
        self._acknowledged = 0  # of the source
        self._base = 0  # _acknowledged when this stream began
        self._sent = 0  # of this stream
        self._chunk_ends: Deque[int] = collections.deque()  # _sent after each unacknowledged chunk
        self._stream = 0  # counts the streams: the writer of an old one must stop
        self._stalled = False
        self._last_step = 0.0  # when something was sent or acknowledged

    def run(self) -> None:
        """Until the items end and all are acknowledged. Gives up after retry.max_attempts streams
        without a single acknowledgment, or, if there were some, after retry.reconnect_patience
        (while there is nothing to acknowledge, nobody is waiting: that time does not count).
        An exception of the items themselves is raised after what came before it is in."""
        retry = self._connection.retry
        if not self._pull(lambda: not self._pending):
            return self._raise_source_error()
        attempt = 1
        broken_since: Optional[float] = None  # the first break after an acknowledgment
        while True:
            before = self._acknowledged
            error = self._run_one_stream()
            with self._changed:
                idle = not self._pending
                if self._source_ended and idle:
                    break
            if not retry.is_broken_stream(error):
                raise error
            if self._acknowledged > before:
                attempt, broken_since = 1, None
            now = retry.clock()
            if broken_since is None or idle:
                broken_since = now
            delay = retry.delay(error, attempt)
            if (attempt >= retry.max_attempts if self._acknowledged == 0
                    else now + delay - broken_since > retry.reconnect_patience):
                raise error
            retry.sleep(delay)
            self.reconnects += 1
            attempt += 1
        self._raise_source_error()

    def _raise_source_error(self) -> None:
        if self._source_error is not None:
            raise self._source_error

    def _run_one_stream(self) -> errors.MgralError:
        """Why it ended; where everything is acknowledged, that does not matter."""
        with self._changed:
            self._stream += 1
            self._base, self._sent = self._acknowledged, 0
            self._chunk_ends.clear()
            self._last_step = time.monotonic()
            self._stalled = False
            stream = self._stream
        answers = self._method(self._chunks(stream), metadata=self._connection.metadata)
        over = threading.Event()
        watcher = threading.Thread(target=self._cancel_when_stalled, args=(answers, over),
                                   daemon=True)
        watcher.start()
        try:
            for answer in answers:
                self._take(answer)
            return errors.make("ABORTED", "the server ended the stream too early")
        except grpc.RpcError as broken:
            if self._stalled:
                return errors.make("DEADLINE_EXCEEDED",
                                   "the server acknowledged nothing within the timeout")
            return errors.from_rpc(broken, self._connection.target)
        finally:
            over.set()
            answers.cancel()
            with self._changed:
                self._stream += 1  # its writer stops
                self._changed.notify_all()

    def _cancel_when_stalled(self, answers: Answers[_Answer], over: threading.Event) -> None:
        limit = self._connection.timeout
        while not over.wait(min(1.0, limit / 4)):
            with self._changed:
                waiting = bool(self._chunk_ends) or self._source_ended
                stalled = waiting and time.monotonic() - self._last_step > limit
            if stalled:
                self._stalled = True
                answers.cancel()

    def _take(self, answer: _Answer) -> None:
        with self._changed:
            known = self._acknowledged - self._base
            if not known <= answer.acknowledged <= self._sent:
                raise errors.make("DATA_LOSS", "the server acknowledges items that were not sent, "
                                  "or takes an acknowledgment back")
            for _ in range(answer.acknowledged - known):
                self._pending.popleft()
            self._acknowledged = self._base + answer.acknowledged
            while self._chunk_ends and self._chunk_ends[0] <= answer.acknowledged:
                self._chunk_ends.popleft()
            self._last_step = time.monotonic()
            self._changed.notify_all()
        self._answered(answer, self._base)

    def _chunks(self, stream: int) -> Iterator[_Request]:
        """The messages of one stream, each when there is room for it."""
        first = True
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stream != stream
                                       or len(self._chunk_ends) < _CHUNKS_IN_FLIGHT)
            items = self._next_chunk(stream)
            if not items:
                return
            request = self._begin(first)
            for item in items:
                self._append(request, item)
            first = False
            yield request

    def _next_chunk(self, stream: int) -> List[_Item]:
        """The next unsent items, first those of a broken stream; none at the end."""
        items: List[_Item] = []
        total = 0
        while len(items) < self._chunk_items:
            if not self._pull(lambda: self._position(items) >= len(self._pending)):
                break
            with self._changed:
                if self._stream != stream:
                    return []
                item, size = self._pending[self._position(items)]
            if items and total + size > _CHUNK_BYTES:
                break
            items.append(item)
            total += size
        with self._changed:
            if self._stream != stream:
                return []
            if items:
                self._sent += len(items)
                self._chunk_ends.append(self._sent)
            self._last_step = time.monotonic()
        return items

    def _position(self, items: List[_Item]) -> int:
        """Where in `_pending` the next item is, after `items` of the chunk that is being filled."""
        return self._sent + len(items) - (self._acknowledged - self._base)

    def _pull(self, missing: Callable[[], bool]) -> bool:
        """Pulls an item from the source if there is none; false where the source has ended."""
        with self._source_lock:
            with self._changed:
                if not missing():  # there are unsent ones, or an old stream's writer was faster
                    return True
                if self._source_ended:
                    return False
            try:
                item = next(self._source)
                size = item.ByteSize()
            except StopIteration:
                self._source_ended = True
                return False
            except BaseException as error:
                self._source_error = error
                self._source_ended = True
                return False
            with self._changed:
                self._pending.append((item, size))
            return True
