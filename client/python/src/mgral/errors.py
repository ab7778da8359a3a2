"""What a call that fails raises."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any, Dict, Optional, Sequence, Tuple, Type, TypeVar

import grpc
from google.protobuf import message
from mgral.google_rpc import error_details_pb2, status_pb2

_Detail = TypeVar("_Detail", bound=message.Message)


@dataclasses.dataclass(frozen=True)
class FieldViolation:
    """One field of a request that was wrong."""

    field: str  # e.g. "labels[3].boxes[0].width"
    description: str


class MgralError(Exception):
    """Any failure of this package; the subclasses are what is worth telling apart.

    code: the gRPC status, e.g. "NOT_FOUND"; empty where no call failed (a dataset, a cycle).
    reason: a constant for one cause, e.g. "POOL_EXHAUSTED"; empty when the server gave none.
    violations: the fields that were wrong.
    resource: the name of what the error is about, e.g. the cycle that runs already; or empty.
    retry_after: how long the server asks to wait, or None.
    """

    def __init__(self, text: str, *, code: str = "", reason: str = "",
                 violations: Sequence[FieldViolation] = (), resource: str = "",
                 retry_after: Optional[datetime.timedelta] = None) -> None:
        super().__init__(text)
        self.message = text
        self.code = code
        self.reason = reason
        self.violations: Tuple[FieldViolation, ...] = tuple(violations)
        self.resource = resource
        self.retry_after = retry_after

    def __str__(self) -> str:
        lines = [f"{self.message} [{self.reason}]" if self.reason else self.message]
        lines += [f"  {one.field}: {one.description}" for one in self.violations
                  if one.field not in self.message or one.description not in self.message]
        return "\n".join(lines)


class InvalidArgument(MgralError):
    """A field of the request is wrong: see `violations`."""


class NotFound(MgralError):
    """There is no such pool, image, batch, cycle or model."""


class AlreadyExists(MgralError):
    """The pool is there, or a cycle runs: `resource` names it."""


class FailedPrecondition(MgralError):
    """Not in this state: the lease is over, the pool has too few images, there is no model yet."""


class Unauthenticated(MgralError):
    """No API key, or a wrong one."""


class PermissionDenied(MgralError):
    """The key does not allow this."""


class ResourceExhausted(MgralError):
    """The server is busy beyond its bounds, or a message is too large."""


class Unavailable(MgralError):
    """No server answers, or it is not ready, also after the retries."""


class DeadlineExceeded(MgralError):
    """No answer within the client's timeout."""


class ServerError(MgralError):
    """An error inside the server: its log says more."""


class DatasetError(MgralError, ValueError):
    """A dataset on this machine is not what it should be; names the file and the entry."""


class CycleFailed(MgralError):
    """A cycle that was waited for has failed or was canceled."""


class RefusedWarning(UserWarning):
    """Some items of a stream were refused; the report that was returned names them."""


_BY_CODE: Dict[str, Type[MgralError]] = {
    "INVALID_ARGUMENT": InvalidArgument, "OUT_OF_RANGE": InvalidArgument, "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists, "FAILED_PRECONDITION": FailedPrecondition,
    "UNAUTHENTICATED": Unauthenticated, "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": ResourceExhausted, "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded, "INTERNAL": ServerError, "UNKNOWN": ServerError,
    "DATA_LOSS": ServerError, "UNIMPLEMENTED": ServerError,
}


def make(code: str, text: str, **known: Any) -> MgralError:
    """The error of the class that belongs to the code; `known` as MgralError takes it."""
    return _BY_CODE.get(code, MgralError)(text or code, code=code, **known)


def from_rpc(error: grpc.RpcError, target: str = "") -> MgralError:
    """Reads the google.rpc details that the server sent along. Never fails on what it finds."""
    code = str(error.code().name)
    text = str(error.details() or "")
    details = _details(error)
    if details is None:
        if code == "UNAVAILABLE":  # gRPC's own: a server of ours says why it is unavailable
            text = f"no mgral-server answers at {target} ({text})"
        return make(code, text)
    info = _detail(details, error_details_pb2.ErrorInfo)
    request = _detail(details, error_details_pb2.BadRequest)
    retry = _detail(details, error_details_pb2.RetryInfo)
    resource = _detail(details, error_details_pb2.ResourceInfo)
    return make(
        code, text, reason=info.reason if info else "",
        violations=[FieldViolation(one.field, one.description)
                    for one in request.field_violations] if request else [],
        resource=resource.resource_name if resource else "",
        retry_after=_delay(retry) if retry else None)


def _details(error: grpc.RpcError) -> Optional[status_pb2.Status]:
    metadata: Any = error.trailing_metadata()
    for key, value in metadata or ():
        if key == "grpc-status-details-bin":
            try:
                return status_pb2.Status.FromString(value)
            except message.DecodeError:
                return None
    return None


def _detail(status: status_pb2.Status, kind: Type[_Detail]) -> Optional[_Detail]:
    # By the public name: ours is a private copy of the same message.
    wanted = f"/google.rpc.{kind.DESCRIPTOR.name}"
    for packed in status.details:
        if packed.type_url.endswith(wanted):
            try:
                return kind.FromString(packed.value)
            except message.DecodeError:
                return None
    return None


def _delay(retry: error_details_pb2.RetryInfo) -> datetime.timedelta:
    seconds = retry.retry_delay.seconds + retry.retry_delay.nanos * 1e-9
    return datetime.timedelta(seconds=min(max(seconds, 0.0), 3600.0))
