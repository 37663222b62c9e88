"""Standard input and output as files of bytes."""

from __future__ import annotations

import sys

from jpegfilter.errors import InputError, OutputError

NAME = "-"
"""What stands for a stream in the place of a file name."""


def read() -> bytes:
    """Return all of standard input.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    try:
        if sys.stdin is None:
            raise InputError("standard input", "a closed one", "name a file")
        return sys.stdin.buffer.read()
    except OSError as error:
        raise InputError("standard input", error.strerror or str(error), "name a file") from error


def write(content: bytes) -> None:
    """Write to standard output, to its end.

    Raises:
        OutputError: there is none, or it takes no more.
        BrokenPipeError: whoever read it has left.
    """
    try:
        if sys.stdout is None:
            raise OutputError("standard output", "a closed one", "name a file")
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError("standard output", error.strerror or str(error), "name a file") from error
