"""The exception tree. Each error says what was wanted, what came and what to do.

JpegFilterError
├── UsageError            an option, argument or recipe that cannot be followed
├── InputError            a file that cannot be read as what it should be
│   ├── NotAnImageError   no picture, or of a kind nothing here reads
│   ├── BrokenImageError  a picture damaged beyond reading
│   └── UnsupportedError  a valid picture of a kind that is refused (12 bits, lossless, too large)
├── OutputError           a result that cannot be written
├── DeviceError           a device that was asked for and does not work
└── WeightsError          a weight file that is missing, unknown or not what its card says
"""

from __future__ import annotations


class JpegFilterError(Exception):
    """Anything jpegfilter refuses to do.

    Args:
        wanted: what was needed.
        came: what was found instead.
        remedy: what the user can do about it; may be empty.
    """

    def __init__(self, wanted: str, came: str, remedy: str = "") -> None:
        self.wanted, self.came, self.remedy = wanted, came, remedy
        super().__init__(f"wanted {wanted}, got {came}" + (f"; {remedy}" if remedy else ""))


class UsageError(JpegFilterError):
    """An option, an argument or a recipe that cannot be followed."""


class InputError(JpegFilterError):
    """A file that cannot be read as what it should be."""


class NotAnImageError(InputError):
    """No picture, or of a kind that nothing here reads."""


class BrokenImageError(InputError):
    """A picture damaged beyond reading."""


class UnsupportedError(InputError):
    """A valid picture of a kind that is refused: 12 bits, lossless, too large."""


class OutputError(JpegFilterError):
    """A result that cannot be written."""


class DeviceError(JpegFilterError):
    """A device that was asked for and does not work."""


class WeightsError(JpegFilterError):
    """A weight file that is missing, unknown or not what its card says."""
