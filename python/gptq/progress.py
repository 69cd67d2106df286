"""Progress of long work: a bar of tqdm where it is installed, in terminals and notebooks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


class ProgressBar:
    """A bar from 0 to 100 %. Without tqdm, or when the output is neither a terminal nor a notebook, nothing is shown."""

    def __init__(self, description: str) -> None:
        self._bar: Any = None
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        shown = sys.stderr.isatty() or "ipykernel" in sys.modules
        self._bar = tqdm(
            total=100.0, desc=description, bar_format="{l_bar}{bar}| {elapsed}<{remaining}", disable=not shown
        )

    def update(self, phase: str, fraction: float) -> None:
        """``fraction``: of the whole work, 0 to 1."""
        if self._bar is None:
            return
        self._bar.set_description(phase, refresh=False)
        self._bar.update(100 * fraction - self._bar.n)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
