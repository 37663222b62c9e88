"""The door to libjpeg: quantized coefficients through jpeglib.

jpeglib's public reader parses the file twice, copies it to a temporary file and holds at most 50 application markers;
so its binding is called directly, on the file itself, into arrays of ours. Importing jpeglib loads libjpeg 6b; the
version used here, libjpeg-turbo, also decodes arithmetic coding. libjpeg prints its complaints to the process's
standard error; they are caught and returned.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from jpegfilter.errors import BrokenImageError
from jpegfilter.jpeg.types import Coefficients, Table

_LIBJPEG = "turbo210"
_COMPLAINTS = ("Premature end", "Corrupt JPEG", "Invalid ", "Inconsistent ", "Unsupported ", "Bogus ", "Warning",
               "Application transferred", "Huffman table", "Arithmetic table", "Quantization table",
               "Insufficient memory", "Image too big", "Unrecognized", "Missing ", "Unknown ", "Sampling factors",
               "Component index", "Maximum supported", "Not a JPEG", "Too many", "Empty ", "Wrong ")  # fmt: skip
"""How libjpeg's messages begin (jerror.h)."""
_PLAINLY = {
    "Premature end": "the file is cut short; what is there was restored",
    "Corrupt JPEG": "the file is damaged; some blocks are wrong",
}
"""The usual messages in words for people."""
_LOCK = threading.Lock()
"""Standard error belongs to the process: one reader at a time."""


class Store:
    """Memory for one component's coefficients that can be given back to the system piece by piece."""

    def __init__(self, rows: int, columns: int) -> None:
        self._row = columns * 64 * np.dtype(np.int16).itemsize
        self._memory = mmap.mmap(-1, rows * self._row)
        self._given_back = 0
        self.coefficients: Coefficients = np.frombuffer(self._memory, np.int16).reshape(rows, columns, 8, 8)

    def give_back(self, rows: int) -> None:
        """Return the memory of the first `rows` block rows to the system; they read as 0 from then on."""
        end = rows * self._row // mmap.PAGESIZE * mmap.PAGESIZE
        if end > self._given_back and hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED, self._given_back, end - self._given_back)
            self._given_back = end


@lru_cache(maxsize=1)
def _reader() -> Callable[..., int]:
    import jpeglib
    from jpeglib._bind import CJpegLib

    jpeglib.version.set(_LIBJPEG)
    reader: Callable[..., int] = CJpegLib.get().read_jpeg_dct
    return reader


@contextlib.contextmanager
def _caught_complaints(lines: list[str]) -> Iterator[None]:
    """Append what libjpeg prints to `lines`; anything else printed meanwhile goes on to standard error."""
    with _LOCK, tempfile.TemporaryFile() as caught:
        try:
            saved = os.dup(2)
        except OSError:  # the process has no standard error
            yield
            return
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(caught.fileno(), 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines(keepends=True):
                if line.startswith(_COMPLAINTS):
                    lines.append(line.strip())
                elif sys.stderr is not None:
                    sys.stderr.write(line)


def read(path: Path, shapes: Sequence[tuple[int, int]]) -> tuple[list[Store], dict[int, Table], list[str]]:
    """Return each component's coefficients, the tables by number, and libjpeg's complaints.

    Args:
        path: a JPEG whose header `markers.walk` has passed: libjpeg ends the process on some it has not.
        shapes: block rows and columns of each component, which must be those of the file.

    Raises:
        BrokenImageError: libjpeg gave up.
    """
    stores = [Store(rows, columns) for rows, columns in shapes]
    pointers: list[ctypes.c_void_p | None] = [store.coefficients.ctypes.data_as(ctypes.c_void_p) for store in stores]
    pointers += [None] * (4 - len(pointers))
    tables = np.zeros((4, 8, 8), np.uint16)
    numbers = (ctypes.c_short * 4)()
    complaints: list[str] = []
    reader = _reader()
    with _caught_complaints(complaints):
        done = reader(os.fsencode(path), *pointers, tables.ctypes.data_as(ctypes.c_void_p), numbers)
    if not done:
        raise BrokenImageError(
            "a decodable JPEG", "; ".join(complaints) or "an error of libjpeg's", "the file is damaged"
        )
    found = {int(number): tables[number] for number in numbers[: len(stores)] if tables[number].any()}
    return stores, found, list(dict.fromkeys(map(_plainly, complaints)))


def _plainly(complaint: str) -> str:
    words = next((words for start, words in _PLAINLY.items() if complaint.startswith(start)), None)
    return f"{words} (libjpeg: {complaint})" if words else complaint
