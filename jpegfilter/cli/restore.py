"""`jpegfilter IN OUT`: restore files, folders and streams."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from jpegfilter.cli import streams
from jpegfilter.cli.progress import Bar, no_bar
from jpegfilter.codec.read import MAX_PIXELS, as_file
from jpegfilter.codec.write import FORMATS, WriteOptions
from jpegfilter.engines import devices
from jpegfilter.engines.effort import INPUTS, LOSSES, NETWORKS, STOPS, Effort, Untrained
from jpegfilter.engines.network import EngineOptions
from jpegfilter.errors import InputError, JpegFilterError, UsageError
from jpegfilter.pipeline import batch
from jpegfilter.pipeline.batch import BatchOptions
from jpegfilter.pipeline.following import Follow
from jpegfilter.pipeline.plan import Job, plan
from jpegfilter.pipeline.report import Outcome, summary
from jpegfilter.pipeline.restoration import RestoreOptions
from jpegfilter.pipeline.restorer import Restorer
from jpegfilter.weights import DEFAULT

_MOST_JOBS = 4
"""Files at a time where nobody said how many: more gains little and costs memory."""


def _quality(_context: click.Context, _parameter: click.Parameter, value: str) -> str | int:
    """Return a number as an integer and anything else as it is: `RestoreOptions` knows what is of use."""
    return int(value) if value.isascii() and value.isdigit() else value


@dataclass(frozen=True, slots=True)
class Voice:
    """What the program says beside its result.

    Attributes:
        quiet: errors alone.
        verbose: a line for every file.
    """

    quiet: bool
    verbose: bool

    def say(self, text: str) -> None:
        """Print a line on standard error, unless quiet."""
        if not self.quiet:
            click.echo(f"jpegfilter: {text}", err=True)


def _tell(outcome: Outcome, voice: Voice) -> None:
    if outcome.error is not None:
        click.echo(f"jpegfilter: {outcome.source}: {outcome.error}", err=True)
        return
    for note in outcome.notes:
        voice.say(f"{outcome.source}: warning: {note}")
    if voice.verbose:
        size = f" {outcome.width}x{outcome.height} {outcome.seconds:.2f} s" if outcome.status == "restored" else ""
        voice.say(f"{outcome.source} -> {outcome.target}: {outcome.status}{size}")


def _jobs_and_threads(jobs: int | None, threads: int | None, files: int) -> tuple[int, int]:
    """Return files at a time and threads for each, so that together they take the processors once."""
    cores = devices.cores()
    jobs = jobs or max(1, min(files, cores, _MOST_JOBS))
    return jobs, threads or max(1, cores // jobs)


def _to_stream(source: str, restorer: Restorer, writing: WriteOptions) -> Outcome:
    """Restore a file or standard input to standard output."""
    content = streams.read() if source == streams.NAME else _content(Path(source))
    try:
        encoded, done = restorer.restore_bytes(content, writing)
        streams.write(encoded)
    except JpegFilterError as error:
        return Outcome(source, streams.NAME, "failed", error=error)
    return Outcome(source, streams.NAME, "restored", done.width, done.height, notes=done.notes)


def _from_stream(target: str, restorer: Restorer, writing: WriteOptions, options: BatchOptions) -> Outcome:
    """Restore standard input into a file."""
    if Path(target).is_dir():
        raise UsageError("a file name for what comes from standard input", f"the folder {target}", "name a file in it")
    with as_file(streams.read()) as path:
        (job,) = plan([str(path)], target, format=options.format)
        (outcome,) = batch.run([job], restorer, writing, options)
    return dataclasses.replace(outcome, source=streams.NAME)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"a readable file {path}", error.strerror or str(error), "check the name") from error


def _status(outcomes: list[Outcome]) -> int:
    from jpegfilter.cli.main import exit_status

    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if not failed:
        return 0
    return exit_status(failed[0]) if len(outcomes) == 1 else 1


def _pixels(megapixels: float) -> int:
    if not megapixels > 0:
        raise UsageError("a limit above 0 megapixels", f"{megapixels:g}", "500 is usual, inf is none")
    return sys.maxsize if math.isinf(megapixels) else round(megapixels * 1e6)


def _effort(options: dict[str, Any]) -> Effort | None:
    """Return what a fit may cost, or nothing where none is wanted.

    Raises:
        UsageError: something was said that goes with a fit, or with an untrained network, and there is none.
    """
    context = click.get_current_context()

    def said(*names: str) -> list[str]:
        usual = (None, click.core.ParameterSource.DEFAULT)
        return [name for name in names if context.get_parameter_source(name) not in usual]

    lost = said("preview", "seconds", "steps", "seed", "untrained") if not options["optimize"] else []
    lost += said("loss", "seen", "skips", "stop") if not options["untrained"] else []
    if lost:
        wanted = "--optimize" if not options["optimize"] else "--untrained"
        names = ", ".join(f"--{'input' if name == 'seen' else name}" for name in lost)
        raise UsageError(wanted, f"only what goes with it: {names}", f"say {wanted}, or leave it out")
    if not options["optimize"]:
        return None
    untrained = None
    if options["untrained"]:
        untrained = Untrained(options["untrained"], options["loss"], options["skips"], options["seen"], options["stop"])
    return Effort(options["steps"], options["seconds"], options["seed"], untrained=untrained)


def _batch(
    jobs: list[Job], restorer: Restorer, writing: WriteOptions, options: BatchOptions, voice: Voice
) -> list[Outcome]:
    shown = sys.stderr.isatty() and not voice.quiet
    outcomes = []
    with Bar(len(jobs)) if shown else no_bar() as bar:
        for outcome in batch.run(jobs, restorer, writing, options, progress=bar.advance):
            bar.finish(outcome)
            outcomes.append(outcome)
            _tell(outcome, voice)
    return outcomes


def _end_fits_early(halt: threading.Event, voice: Voice) -> None:
    """Let the first interrupt end the fit, whose result is then written, and only the second the program."""
    usual = signal.getsignal(signal.SIGINT)

    def end(_number: int, _frame: object) -> None:
        halt.set()
        signal.signal(signal.SIGINT, usual)
        voice.say("ending the fit; interrupt again to write nothing")

    signal.signal(signal.SIGINT, end)
    click.get_current_context().call_on_close(lambda: signal.signal(signal.SIGINT, usual))


@click.command("restore", context_settings={"show_default": True})
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="IN... OUT")
@click.option("-m", "--model", default=DEFAULT, help="Network; `jpegfilter models` lists them.")
@click.option(
    "-s", "--strength", type=float, default=RestoreOptions().strength, help="0 (plain decode) to 1 (restored)."
)
@click.option(
    "-q",
    "--quality",
    callback=_quality,
    metavar="auto|header|1-100",
    default=str(RestoreOptions().quality),
    help="What the network is told: the file's tables unless the picture shows traces of worse (auto), the file's "
    "tables (header), or a quality 1 to 100.",
)
@click.option(
    "--project/--no-project",
    default=RestoreOptions().project,
    help="Keep the result a picture that this very file could have come from.",
)
@click.option(
    "--doubt/--no-doubt",
    default=RestoreOptions().doubt,
    help="Follow the network less, the finer the file's quantization is.",
)
@click.option(
    "--grain",
    type=float,
    default=RestoreOptions().grain,
    help="Keep film grain: the share, 0 to 1, of the recorded detail that stays as it is.",
)
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    help="Output format; otherwise the output's ending, or png in a folder.",
)
@click.option("--bits", type=click.Choice(["8", "16"]), default="8", help="Bits a sample (16: png, tiff).")
@click.option(
    "--output-quality",
    type=click.IntRange(1, 100),
    help="Quality of a JPEG, AVIF or WebP output (otherwise 95; WebP without loss).",
)
@click.option("--optimize", is_flag=True, help="Fit the network to each picture first: better, and slow; needs torch.")
@click.option(
    "--untrained",
    type=click.Choice(NETWORKS),
    help="Fit a network of this size that chance makes, not the shipped one; see docs/optimize.md.",
)
@click.option(
    "--loss",
    type=click.Choice(LOSSES),
    metavar="NAME",
    default=Untrained().loss,
    help=f"What an untrained network minimizes: {', '.join(LOSSES)}.",
)
@click.option("--input", "seen", type=click.Choice(INPUTS), help="What an untrained network is shown.")
@click.option("--skips/--no-skips", default=Untrained().skips, help="Skip connections of an untrained network.")
@click.option("--stop", type=click.Choice(STOPS), help="How an untrained network's best result is told.")
@click.option("--steps", type=click.IntRange(1), help="Steps of a fit, at the most (otherwise 200, or 2000 untrained).")
@click.option("--seconds", type=float, help="Time for a fit, at the most.")
@click.option("--seed", type=int, default=Effort().seed, help="What a fit draws by chance.")
@click.option("--preview", type=float, metavar="SECONDS", help="Write OUT.preview.png so often during a fit.")
@click.option("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:1, rocm, directml or coreml.")
@click.option("-t", "--threads", type=click.IntRange(1), help="CPU threads for each file (otherwise all cores).")
@click.option("--tile", type=int, default=RestoreOptions().tile, help="Largest side of a tile: less is less memory.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Files at a time (otherwise chosen by the cores).")
@click.option(
    "--existing",
    type=click.Choice(["overwrite", "skip", "refuse"]),
    default="overwrite",
    help="What to do where an output is already there.",
)
@click.option("--replace-inputs", is_flag=True, help="Allow an output to take the place of an input.")
@click.option("--keep-metadata/--drop-metadata", default=True, help="ICC profile, EXIF, XMP, resolution.")
@click.option("--max-megapixels", type=float, default=MAX_PIXELS / 1e6, help="Refuse larger pictures.")
@click.option("-Q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say a line for every file.")
@click.option("--json", "as_json", is_flag=True, help="Print a report on standard output.")
def restore(paths: tuple[str, ...], **options: Any) -> None:
    """Restore IN, or every JPEG below a folder, into OUT.

    IN and OUT may be - for standard input and output. Results are PNG, TIFF, WebP, AVIF or JPEG; sources are never
    changed. Exit status: 0 all restored, 1 some input failed, 2 wrong usage, 3 output not written, 4 device or weights.
    """
    if len(paths) < 2:
        raise UsageError("an input and an output", "one name", "say where the result goes: jpegfilter IN OUT")
    *sources, target = paths
    streamed = streams.NAME in paths
    if streamed and len(sources) > 1:
        raise UsageError("one input beside a stream", f"{len(sources)}", "restore them one by one")
    if options["as_json"] and target == streams.NAME:
        raise UsageError("standard output for one thing", "a picture and a report", "write the picture to a file")
    effort = _effort(options)
    voice = Voice(options["quiet"], options["verbose"])
    jobs = [] if streamed else plan(sources, target, format=options["kind"])
    if not jobs and not streamed:
        raise InputError("a JPEG", f"none in {', '.join(sources)}", "files are known by their ending or first bytes")
    usual = 1 if options["optimize"] else None  # a fit takes all cores
    count, threads = _jobs_and_threads(options["jobs"] or usual, options["threads"], len(jobs))
    bits = int(options["bits"])
    restoring = RestoreOptions(
        options["strength"], options["project"], options["quality"], options["tile"], bits, options["doubt"],
        options["grain"],
    )  # fmt: skip
    writing = WriteOptions(options["kind"] or "png", bits, options["output_quality"], options["keep_metadata"])
    engine = EngineOptions(options["model"], options["device"], threads)
    halt = threading.Event()
    restorer = Restorer(
        engine,
        restoring,
        max_pixels=_pixels(options["max_megapixels"]),
        effort=effort,
        follow=Follow(halt.is_set, options["preview"]),
    )
    if options["optimize"]:
        _end_fits_early(halt, voice)
    if restorer.shares_gpu:
        count = options["jobs"] or _MOST_JOBS
    voice.say(f"{options['untrained'] or options['model']} on {restorer.engine.description}")
    treatment = BatchOptions(options["existing"], options["replace_inputs"], options["kind"], count)
    if target == streams.NAME:
        outcomes = [_to_stream(sources[0], restorer, writing)]
    elif streamed:
        outcomes = [_from_stream(target, restorer, writing, treatment)]
    else:
        outcomes = _batch(jobs, restorer, writing, treatment, voice)
    if streamed:
        _tell(outcomes[0], voice)
    if options["as_json"]:
        report = {"model": options["model"], "device": restorer.engine.description, **summary(outcomes)}
        click.echo(json.dumps(report | {"files": [outcome.to_dict() for outcome in outcomes]}, indent=2))
    elif len(outcomes) > 1:
        voice.say(", ".join(f"{count} {status}" for status, count in summary(outcomes).items() if count))
    click.get_current_context().exit(_status(outcomes))
