"""When a call that failed is made again, and after how long."""

from __future__ import annotations

import dataclasses
import random
import time
import uuid
from typing import Callable

from mgral import errors


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """Only calls that are safe to repeat are: reads, and calls with a request_id."""

    max_attempts: int = 5  # the first one included; 1 never retries
    initial_backoff: float = 0.2  # seconds
    max_backoff: float = 10.0
    # A stream or a watch that has been working gives up when its server is away for this long:
    # seconds from its first break after an answer, those of attempts that hang included.
    reconnect_patience: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic  # seconds; for reconnect_patience and wait()

    def is_retryable(self, error: errors.MgralError) -> bool:
        """RESOURCE_EXHAUSTED without a hint is a message over a limit, which stays so."""
        return error.code == "UNAVAILABLE" or (
            error.code == "RESOURCE_EXHAUSTED" and error.retry_after is not None)

    def is_broken_stream(self, error: errors.MgralError) -> bool:
        """Also what a server's end or a proxy's reset looks like: going on is safe there."""
        return self.is_retryable(error) or error.code in ("DEADLINE_EXCEEDED", "CANCELLED",
                                                          "ABORTED") or (
            error.code in ("INTERNAL", "UNKNOWN") and not error.reason)

    def delay(self, error: errors.MgralError, attempt: int) -> float:
        """Seconds before attempt `attempt` + 1: what the server asks for, or an exponential
        backoff; spread, so that clients that failed together don't come back together."""
        if error.retry_after is not None:
            return error.retry_after.total_seconds() * random.uniform(1.0, 1.1)
        backoff = min(self.max_backoff, self.initial_backoff * 2.0 ** min(attempt - 1, 30))
        return backoff * random.uniform(0.5, 1.0)


def new_request_id() -> str:
    """A fresh value for `request_id`: a repeated call with the same one does nothing new."""
    return uuid.uuid4().hex
