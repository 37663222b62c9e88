"""How much a fit to one picture may cost, and where chance begins."""

from __future__ import annotations

from dataclasses import dataclass

from jpegfilter.errors import UsageError


@dataclass(frozen=True, slots=True)
class Effort:
    """What a fit may cost.

    Attributes:
        steps: optimizer steps at the most.
        seconds: time at the most; None leaves it to the steps, and makes results the same from run to run.
        seed: of all that is drawn by chance.
        views: mirror images whose results are averaged, before and after (see `engines.views`).
    """

    steps: int = 200
    seconds: float | None = None
    seed: int = 0
    views: int = 8

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError("at least one step", str(self.steps), "200 is usual")
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError("a time above 0 seconds", f"{self.seconds:g}", "leave it out to take all steps")
        if not 1 <= self.views <= 8:
            raise UsageError("1 to 8 views", str(self.views), "8 is best, 1 quickest")
