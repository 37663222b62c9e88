"""How a fit to a picture is followed from outside: how far it is, what there is so far, when it shall end."""

from __future__ import annotations

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
