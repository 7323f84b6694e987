"""Progress of a fit: a bar where tqdm is installed, lines where it is not."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

#: Seconds between two lines.
_EVERY = 2.0


class Progress:
    """Receives what the native fit reports, some twenty times a second."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._what: str | None = None
        self._bar: Any = None
        self._next = 0.0
        try:
            from tqdm.auto import tqdm
        except ImportError:
            tqdm = None
        self._tqdm: Any = tqdm

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def __call__(self, what: str, done: int, total: int, loss: float | None) -> None:
        if self._tqdm is None:
            self._line(what, done, total, loss)
            return
        if what != self._what:
            self._close()
            self._what = what
            self._bar = self._tqdm(total=total, desc=f"{self._name}: {what}")
        self._bar.total = max(total, done)
        if loss is not None:
            self._bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
        self._bar.update(done - self._bar.n)

    def _line(self, what: str, done: int, total: int, loss: float | None) -> None:
        now = time.monotonic()
        if what == self._what and now < self._next:
            return
        self._what, self._next = what, now + _EVERY
        tail = "" if loss is None else f", loss {loss:.4g}"
        print(f"{self._name}: {what} {done} of {total}{tail}", file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
