"""Many files: the one place where an error becomes a line in a report and not the end of the run."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jpegfilter.codec.write import WriteOptions, format_of
from jpegfilter.errors import InputError, JpegFilterError, OutputError
from jpegfilter.pipeline.plan import Job
from jpegfilter.pipeline.report import Outcome
from jpegfilter.pipeline.restoration import Progress
from jpegfilter.pipeline.restorer import Restorer

Existing = Literal["overwrite", "skip", "refuse"]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How files are treated.

    Attributes:
        existing: what to do where an output is already there.
        replace_inputs: allow an output to take the place of an input.
        format: output format; None takes it from each output's name.
        jobs: files at a time.
    """

    existing: Existing = "overwrite"
    replace_inputs: bool = False
    format: str | None = None
    jobs: int = 1


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what two names of one file have in common, or None where there is no file."""
    try:
        found = path.stat()
    except (OSError, RuntimeError):  # RuntimeError: a circle of links
        return None
    return found.st_dev, found.st_ino


def _guard(job: Job, sources: frozenset[tuple[int, int]], options: BatchOptions) -> None:
    """Raise `OutputError` where a job's output would take the place of something it must not."""
    if options.existing == "refuse":
        raise OutputError(
            f"no {job.target} yet", "one that exists", "remove it, or choose --existing overwrite or skip"
        )
    replaced = _identity(job.target)
    if replaced is None or replaced not in sources:
        return
    if replaced != _identity(job.source):
        raise OutputError("an output that is no input of this run", str(job.target), "choose another folder")
    if not options.replace_inputs:
        raise OutputError("an output that is not the input", str(job.target), "name another, or say --replace-inputs")


@dataclass(frozen=True, slots=True)
class _Run:
    """What all jobs of a run share; `sources` are the identities of all its inputs."""

    restorer: Restorer
    writing: WriteOptions
    options: BatchOptions
    sources: frozenset[tuple[int, int]]


def _restore(job: Job, run: _Run, progress: Progress) -> Outcome:
    """Do one job; raises what `Restorer.restore_file` raises."""
    start = time.perf_counter()
    if job.refusal is not None:
        raise job.refusal
    if job.source.is_dir():
        raise InputError("a JPEG file", f"the folder {job.source}", "name a folder for its results")
    if job.target.exists():
        if run.options.existing == "skip":
            return Outcome(str(job.source), str(job.target), "skipped")
        _guard(job, run.sources, run.options)
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {job.target.parent}", error.strerror or str(error), "choose another place"
        ) from error
    chosen = dataclasses.replace(run.writing, format=run.options.format or format_of(job.target))
    done = run.restorer.restore_file(job.source, job.target, chosen, progress=progress)
    seconds = time.perf_counter() - start
    return Outcome(str(job.source), str(job.target), "restored", done.width, done.height, seconds, done.notes)


def _attempt(job: Job, run: _Run, progress: Progress) -> Outcome:
    try:
        return _restore(job, run, progress)
    except JpegFilterError as error:
        return Outcome(str(job.source), str(job.target), "failed", error=error)
    except MemoryError:
        scarce = InputError("enough memory for the picture", "too little", "choose a smaller --tile or fewer --jobs")
        return Outcome(str(job.source), str(job.target), "failed", error=scarce)


def run(
    jobs: Sequence[Job],
    restorer: Restorer,
    writing: WriteOptions,
    options: BatchOptions,
    *,
    progress: Callable[[Job, float], None] | None = None,
) -> Iterator[Outcome]:
    """Yield what became of each job, as each is done; a file that fails ends nothing but itself.

    Whoever stops asking ends the files that are being worked on after their present tile. Where the restorer's fits are
    ended, those that run are written, and of the other files none begins but the first.

    Args:
        progress: called with a job and the share of it that is done.
    """
    sources = frozenset(identity for job in jobs if (identity := _identity(job.source)))
    shared = _Run(restorer, writing, options, sources)
    stopped = threading.Event()

    def attempt(job: Job) -> Outcome | None:
        if restorer.follow.ended and job is not jobs[0]:
            return None

        def note(share: float) -> None:
            if stopped.is_set():
                raise JpegFilterError("the run to go on", "a stop")
            if progress:
                progress(job, share)

        return _attempt(job, shared, note)

    if options.jobs == 1:
        yield from filter(None, map(attempt, jobs))
        return
    waiting = iter(jobs)
    with ThreadPoolExecutor(options.jobs) as pool:
        running: set[Future[Outcome | None]] = set()
        try:
            for job in waiting:
                running.add(pool.submit(attempt, job))
                if len(running) > 2 * options.jobs:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from filter(None, (future.result() for future in done))
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from filter(None, (future.result() for future in done))
        finally:
            stopped.set()
            for future in running:
                future.cancel()
