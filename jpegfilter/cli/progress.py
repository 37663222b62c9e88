"""A progress bar on a terminal, for one large picture or many files."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType

from jpegfilter.pipeline.plan import Job
from jpegfilter.pipeline.report import Outcome


class Silent:
    """A bar that shows nothing."""

    advance = None

    def finish(self, outcome: Outcome) -> None:
        """Take note of a finished file."""


@contextlib.contextmanager
def no_bar() -> Iterator[Silent]:
    """Lend a bar that shows nothing."""
    yield Silent()


class Bar:
    """A bar on standard error that counts files, and parts of files while they are worked on."""

    def __init__(self, files: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        if files == 1:
            del columns[2]
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("restoring", total=files)
        self._parts: dict[str, float] = {}
        self._done = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, job: Job, share: float) -> None:
        """Show that `share` of a file is done."""
        with self._lock:
            self._parts[str(job.source)] = min(share, 0.99)
            self._show()

    def finish(self, outcome: Outcome) -> None:
        """Take note of a finished file."""
        with self._lock:
            self._parts.pop(outcome.source, None)
            self._done += 1
            self._show()

    def _show(self) -> None:
        self._bar.update(self._task, completed=self._done + sum(self._parts.values()))
