"""What a generated stub's methods are, for the type checker: gRPC itself is untyped."""

from __future__ import annotations

from typing import Iterator, Optional, Protocol, Sequence, Tuple, TypeVar

Metadata = Sequence[Tuple[str, str]]

_Request = TypeVar("_Request", contravariant=True)
_Answer = TypeVar("_Answer", covariant=True)


class Answers(Protocol[_Answer]):
    """The answers of a stream as they come; raises grpc.RpcError when it breaks."""

    def __iter__(self) -> Iterator[_Answer]: ...

    def __next__(self) -> _Answer: ...

    def cancel(self) -> bool: ...


class UnaryUnary(Protocol[_Request, _Answer]):
    def __call__(self, request: _Request, timeout: Optional[float] = None,
                 metadata: Optional[Metadata] = None) -> _Answer: ...


class UnaryStream(Protocol[_Request, _Answer]):
    def __call__(self, request: _Request, timeout: Optional[float] = None,
                 metadata: Optional[Metadata] = None) -> Answers[_Answer]: ...


class StreamUnary(Protocol[_Request, _Answer]):
    def __call__(self, request_iterator: Iterator[_Request], timeout: Optional[float] = None,
                 metadata: Optional[Metadata] = None) -> _Answer: ...


class StreamStream(Protocol[_Request, _Answer]):
    def __call__(self, request_iterator: Iterator[_Request], timeout: Optional[float] = None,
                 metadata: Optional[Metadata] = None) -> Answers[_Answer]: ...
