"""What became of many files."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from jpegfilter.errors import JpegFilterError

Status = Literal["restored", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes:
        source: the input's name, "-" for standard input.
        target: the output's name, "-" for standard output.
        status: "restored", "skipped" (the output was there) or "failed".
        width: in samples; 0 where it failed.
        height: likewise.
        seconds: from opening the input to the finished output.
        notes: complaints about the input and losses in the output.
        error: why it failed.
    """

    source: str
    target: str
    status: Status
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    error: JpegFilterError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain values for JSON."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["notes"] = list(self.notes)
        values["seconds"] = round(self.seconds, 4)
        values["error"] = (
            None if self.error is None else {"kind": type(self.error).__name__, "message": str(self.error)}
        )
        return values


def summary(outcomes: list[Outcome]) -> dict[str, int]:
    """Return how many files were restored, skipped and failed."""
    return {status: sum(o.status == status for o in outcomes) for status in ("restored", "skipped", "failed")}
