"""List calls, walked through page by page."""

from __future__ import annotations

from typing import Callable, Iterable, Iterator, Protocol, TypeVar

from mgral._stub_types import UnaryUnary
from mgral.connection import Connection


class PageRequest(Protocol):
    page_size: int
    page_token: str


class PageAnswer(Protocol):
    @property
    def next_page_token(self) -> str: ...


_Request = TypeVar("_Request", bound=PageRequest)
_Answer = TypeVar("_Answer", bound=PageAnswer)
_Item = TypeVar("_Item")


def pages(connection: Connection, method: UnaryUnary[_Request, _Answer], request: _Request,
          items: Callable[[_Answer], Iterable[_Item]]) -> Iterator[_Item]:
    """The items of all pages, each page fetched when it is needed."""
    while True:
        answer = connection.call(method, request)
        yield from items(answer)
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token
