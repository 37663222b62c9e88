"""Many files: the one place where an error becomes a line in a report and not the end of the run."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
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


def _same_file(job: Job) -> bool:
    try:
        return job.source.samefile(job.target)
    except OSError:
        return False


def _restore(
    job: Job, restorer: Restorer, writing: WriteOptions, options: BatchOptions, progress: Progress | None
) -> Outcome:
    """Do one job; raises what `Restorer.restore_file` raises."""
    start = time.perf_counter()
    if job.refusal is not None:
        raise job.refusal
    if job.source.is_dir():
        raise InputError("a JPEG file", f"the folder {job.source}", "name a folder for its results")
    if job.target.exists():
        if options.existing == "skip":
            return Outcome(str(job.source), str(job.target), "skipped")
        if options.existing == "refuse":
            raise OutputError(
                f"no {job.target} yet", "one that exists", "remove it, or choose --existing overwrite or skip"
            )
        if _same_file(job) and not options.replace_inputs:
            raise OutputError(
                "an output that is not the input", str(job.target), "name another, or say --replace-inputs"
            )
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {job.target.parent}", error.strerror or str(error), "choose another place"
        ) from error
    chosen = dataclasses.replace(writing, format=options.format or format_of(job.target))
    done = restorer.restore_file(job.source, job.target, chosen, progress=progress)
    seconds = time.perf_counter() - start
    return Outcome(str(job.source), str(job.target), "restored", done.width, done.height, seconds, done.notes)


def _attempt(
    job: Job, restorer: Restorer, writing: WriteOptions, options: BatchOptions, progress: Progress | None
) -> Outcome:
    try:
        return _restore(job, restorer, writing, options, progress)
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

    Whoever stops asking ends the files that are being worked on after their present tile.

    Args:
        progress: called with a job and the share of it that is done.
    """

    stopped = threading.Event()

    def attempt(job: Job) -> Outcome:
        def note(share: float) -> None:
            if stopped.is_set():
                raise JpegFilterError("the run to go on", "a stop")
            if progress:
                progress(job, share)

        return _attempt(job, restorer, writing, options, note)

    if options.jobs == 1:
        yield from map(attempt, jobs)
        return
    waiting = iter(jobs)
    with ThreadPoolExecutor(options.jobs) as pool:
        running: set[Future[Outcome]] = set()
        try:
            for job in waiting:
                running.add(pool.submit(attempt, job))
                if len(running) > 2 * options.jobs:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            stopped.set()
            for future in running:
                future.cancel()
