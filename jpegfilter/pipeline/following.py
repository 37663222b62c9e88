"""How a fit to a picture is followed from outside: how far it is, what there is so far, when it shall end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from jpegfilter.engines.contract import Engine
from jpegfilter.errors import UsageError
from jpegfilter.pipeline.restoration import Progress


@dataclass(frozen=True, slots=True)
class Follow:
    """How fits are followed from outside.

    Attributes:
        halted: asked after each step whether to end with what there is.
        preview_seconds: time between previews; None makes none.
    """

    halted: Callable[[], bool] | None = None
    preview_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.preview_seconds is not None and not self.preview_seconds > 0:
            raise UsageError("previews some seconds apart", f"{self.preview_seconds:g}", "30 is usual")

    @property
    def ended(self) -> bool:
        """Whether fits shall end with what there is, and no other begin."""
        return self.halted is not None and self.halted()


@dataclass(frozen=True, slots=True)
class Watch:
    """How the fit to one picture is followed.

    Attributes:
        follow: what holds for all.
        progress: told the share of the fit that is done.
        preview: given the engine as fitted so far.
    """

    follow: Follow = Follow()
    progress: Progress | None = None
    preview: Callable[[Engine], None] | None = None

    @property
    def shows(self) -> bool:
        """Whether there are previews."""
        return self.preview is not None and self.follow.preview_seconds is not None

    def noting(self) -> Callable[[float, Callable[[], Engine]], bool]:
        """Return what is told, after each step of a fit, the share that is done and how to have the engine so far.

        It reports, shows and returns whether to go on.
        """
        shown = time.monotonic()

        def note(share: float, engine: Callable[[], Engine]) -> bool:
            nonlocal shown
            if self.progress:
                self.progress(share)
            every = self.follow.preview_seconds
            if self.preview and every and time.monotonic() - shown > every:
                self.preview(engine())
                shown = time.monotonic()
            return not self.follow.ended

        return note
