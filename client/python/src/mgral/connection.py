"""The channel to a server: credentials, deadlines, retries."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
from typing import Any, Callable, List, Optional, Tuple, TypeVar, Union

import grpc
from mgral import errors
from mgral._stub_types import Metadata, UnaryUnary
from mgral.retry import RetryPolicy
from mgral.v1 import (cycle_service_pb2_grpc, label_service_pb2_grpc, model_service_pb2_grpc,
                      pool_service_pb2_grpc, prediction_service_pb2_grpc, selection_service_pb2_grpc)

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
_Page = TypeVar("_Page")

Path = Union[str, "os.PathLike[str]"]

_OPTIONS: List[Tuple[str, int]] = [
    ("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20),
    # gRPC's own 20 s and 120 s keep a client away long after the server is back.
    ("grpc.initial_reconnect_backoff_ms", 200), ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Finds a host that vanished under an open stream.
    ("grpc.keepalive_time_ms", 6 * 60 * 1000), ("grpc.keepalive_timeout_ms", 20 * 1000),
    # Retrying is ours, with the request_id kept.
    ("grpc.enable_retries", 0),
]

_KEY = re.compile(r"[!-~]{1,500}")
_LOCAL_SCHEME = re.compile(r"(unix|unix-abstract|dns|ipv4|ipv6):(///?)?(.*)", re.DOTALL)
_HOST_AND_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:/\[\]]*))(?::[0-9]+)?")


@dataclasses.dataclass(frozen=True)
class Tls:
    """Paths of PEM files. Without `ca` the system's authorities are trusted; `cert` and `key` are
    for a server that asks for the client's own certificate."""

    ca: Optional[Path] = None
    cert: Optional[Path] = None
    key: Optional[Path] = None


class Connection:
    """The stubs of one channel. Every call blocks at most `timeout` seconds per attempt; of a
    stream, that is the longest wait for an acknowledgment. Thread-safe."""

    def __init__(self, target: str, tls: Union[bool, Tls], api_key: Optional[str], timeout: float,
                 retry: RetryPolicy, allow_plaintext_key: bool) -> None:
        if not timeout > 0:
            raise ValueError("timeout: must be a positive number of seconds")
        api_key = None if api_key is None else _checked_key(api_key)
        loopback = is_loopback(target)
        if api_key and not tls and not allow_plaintext_key and not loopback:
            raise ValueError(
                f"api_key: {target} is reached without TLS, anyone on the way could read the key. "
                "Give tls=True (or tls=Tls(ca=...)); allow_plaintext_key=True sends it all the same")
        self.target = target
        self.timeout = timeout
        self.retry = retry
        self.metadata: Optional[Metadata] = (
            [("authorization", f"Bearer {api_key}")] if api_key else None)
        # By default $http_proxy counts for loopback too: the key would travel to the proxy.
        options = _OPTIONS + ([("grpc.enable_http_proxy", 0)] if loopback else [])
        self._channel = (grpc.secure_channel(target, _credentials(tls), options=options) if tls
                         else grpc.insecure_channel(target, options=options))
        self.pools = pool_service_pb2_grpc.PoolServiceStub(self._channel)
        self.selection = selection_service_pb2_grpc.SelectionServiceStub(self._channel)
        self.labels = label_service_pb2_grpc.LabelServiceStub(self._channel)
        self.cycles = cycle_service_pb2_grpc.CycleServiceStub(self._channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def call(self, method: UnaryUnary[_Request, _Answer], request: _Request,
             ignore_when_repeated: Optional[Callable[[errors.MgralError], Optional[_Answer]]] = None,
             ) -> _Answer:
        """One call that is safe to repeat. `ignore_when_repeated` may turn the error of a repeated
        call into its answer: the first attempt did the work, but its answer was lost."""
        attempt = 1
        while True:
            try:
                return method(request, timeout=self.timeout, metadata=self.metadata)
            except grpc.RpcError as broken:
                error = errors.from_rpc(broken, self.target)
            if attempt > 1 and ignore_when_repeated is not None:
                answer = ignore_when_repeated(error)
                if answer is not None:
                    return answer
            if attempt >= self.retry.max_attempts or not self.retry.is_retryable(error):
                raise error
            self.retry.sleep(self.retry.delay(error, attempt))
            attempt += 1


def is_loopback(target: str) -> bool:
    """Whether a gRPC target never leaves this machine; no, where it is not plain to see."""
    if "," in target or "%" in target:  # several addresses, or escapes that gRPC decodes
        return False
    scheme, rest = "", target
    found = _LOCAL_SCHEME.fullmatch(target)
    if found:
        scheme, slashes, rest = found.groups()
        if slashes == "//":  # scheme://authority/rest: the authority is asked what rest means
            return False
    if scheme.startswith("unix"):
        return True
    # An IPv6 address without brackets has no port: ::1:1 is not ::1.
    parts = _HOST_AND_PORT.fullmatch(rest)
    host = (parts[1] or parts[2] or "") if parts else ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_key(given: str) -> str:
    """gRPC puts a key that it cannot send into its error and its log: this never shows it."""
    key = given.strip()
    if not _KEY.fullmatch(key):
        raise ValueError("api_key: must be 1 to 500 bytes of printable ASCII without spaces, as "
                         "`mgral-server key` made it") from None
    return key


def _credentials(tls: Union[bool, Tls]) -> Any:
    files = tls if isinstance(tls, Tls) else Tls()
    if bool(files.cert) != bool(files.key):
        raise ValueError("tls: cert and key go together")

    def read(path: Optional[Path]) -> Optional[bytes]:
        if path is None:
            return None
        with open(path, "rb") as file:
            return file.read()

    return grpc.ssl_channel_credentials(read(files.ca), read(files.key), read(files.cert))
