"""Which input becomes which output: files, folders and trees."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jpegfilter.codec import read
from jpegfilter.codec.write import FORMATS, format_of
from jpegfilter.errors import InputError, JpegFilterError, UsageError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"})
"""File name endings of JPEGs; a file without one is a JPEG if it begins like one."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to restore, or why it cannot be.

    Attributes:
        source: the input.
        target: the output.
        refusal: what is wrong with this pair already.
    """

    source: Path
    target: Path
    refusal: JpegFilterError | None = None


def _looks_like_jpeg(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(read.MAGIC)) == read.MAGIC
    except OSError:
        return False


def _tree(folder: Path, *, leave_out: Path) -> Iterator[Path | InputError]:
    """Yield the JPEGs below a folder in a steady order, and an error for each folder that cannot be listed."""
    errors: list[InputError] = []

    def note(error: OSError) -> None:
        errors.append(InputError(f"to list {error.filename}", error.strerror or str(error), "check its permissions"))

    for place, folders, files in os.walk(folder, onerror=note):
        here = Path(place)
        folders[:] = sorted(name for name in folders if (here / name).resolve() != leave_out)
        yield from errors
        errors.clear()
        for name in sorted(files):
            path = here / name
            if path.is_file() and _looks_like_jpeg(path):
                yield path
    yield from errors


def _is_folder(target: str) -> bool:
    return Path(target).is_dir() or target.endswith(("/", os.sep))


def _below(sources: Sequence[Path], target: Path, suffix: str) -> Iterator[Job]:
    """Yield the jobs that fill the folder `target`."""
    for source in sources:
        if not source.is_dir():
            yield Job(source, target / f"{source.stem}{suffix}")
            continue
        root = target if len(sources) == 1 else target / source.resolve().name
        leave_out = target.resolve() if target.resolve() != source.resolve() else Path(os.devnull)
        for found in _tree(source, leave_out=leave_out):
            if isinstance(found, InputError):
                yield Job(source, root, found)
            else:
                yield Job(found, root / found.relative_to(source).with_suffix(suffix))


def _without_clashes(jobs: Iterator[Job]) -> Iterator[Job]:
    """Yield the jobs; where two would write one file, the later keeps its whole name: `a.jpeg` becomes `a.jpeg.png`."""
    taken: set[str] = set()
    for job in jobs:
        target = job.target
        if job.refusal is None:
            if os.path.normcase(target) in taken:
                target = target.with_name(job.source.name + target.suffix)
            if os.path.normcase(target) in taken:
                refusal = UsageError(f"one input for {target}", "two", "give them different names or folders")
                yield Job(job.source, target, refusal)
                continue
            taken.add(os.path.normcase(target))
        yield Job(job.source, target, job.refusal)


def plan(sources: Sequence[str], target: str, *, format: str | None) -> list[Job]:
    """Return what is to be done for `sources` and `target` as given on a command line.

    One file and a name: that file. Anything else fills a folder; the tree below a folder is kept.

    Args:
        sources: files and folders.
        target: a file name or a folder.
        format: a name from `codec.write.FORMATS`; None takes the target's ending, or PNG in a folder.

    Raises:
        UsageError: the two do not fit together.
        InputError: a source does not exist.
    """
    if not target:
        raise UsageError("an output", "an empty name", "name a file or a folder")
    paths = [Path(source) for source in sources]
    for path in paths:
        if not path.exists():
            raise InputError("an existing file or folder", f"no {path}", "check the name")
    folders = [path for path in paths if path.is_dir()]
    if len(paths) == 1 and not folders and not _is_folder(target):
        if format is None:
            format_of(Path(target))
        return [Job(paths[0], Path(target))]
    place = Path(target)
    if place.exists() and not place.is_dir():
        raise UsageError("a folder for the results", f"the file {target}", "name a folder")
    if not _is_folder(target) and any(place.suffix.lower() in kind.suffixes for kind in FORMATS.values()):
        raise UsageError("a folder for the results", repr(target), "end its name with / if it is to be a folder")
    suffix = FORMATS[format or "png"].suffixes[0]
    return list(_without_clashes(_below(paths, place, suffix)))
