"""Progress bars, where tqdm is installed and somebody looks at the terminal."""

from __future__ import annotations

import sys
from typing import Any, Optional


class Bar:
    """`show`: None shows it if standard error is a terminal. Without tqdm there is never one."""

    def __init__(self, title: str, total: Optional[float], unit: str,
                 show: Optional[bool] = None) -> None:
        self._bar: Any = None
        if show is None:
            show = sys.stderr.isatty()
        if not show:
            return
        try:
            import tqdm
        except ImportError:
            return
        form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}" if unit == "" else None
        self._bar = tqdm.tqdm(total=total, desc=title, unit=f" {unit}", bar_format=form)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def set(self, done: float, title: str = "") -> None:
        """`done` in all, not since the last time."""
        if self._bar is None:
            return
        if title:
            self._bar.set_description(title, refresh=False)
        self._bar.update(done - self._bar.n)
