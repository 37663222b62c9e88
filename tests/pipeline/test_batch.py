"""Many files: one outcome for each, whatever becomes of the others, and no input lost."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jpegfilter.codec.write import WriteOptions
from jpegfilter.engines.network import EngineOptions
from jpegfilter.errors import BrokenImageError, InputError, NotAnImageError, OutputError, UsageError
from jpegfilter.pipeline import batch
from jpegfilter.pipeline.batch import BatchOptions
from jpegfilter.pipeline.following import Follow
from jpegfilter.pipeline.plan import Job, plan
from jpegfilter.pipeline.report import Outcome, summary
from jpegfilter.pipeline.restorer import Restorer

WAYS = pytest.mark.parametrize("jobs", [1, 3])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def make(photo, encode):
    """`make("a.jpg", ...)`: small JPEGs, no two alike."""

    def write(*names):
        for number, name in enumerate(names):
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(np.ascontiguousarray(photo[number : number + 19, number : number + 26])))

    return write


@pytest.fixture
def run(restorer):
    """`run(planned, writing, **options)`: the outcomes by source."""

    def all_of(planned, writing=None, **options):
        outcomes = list(batch.run(planned, restorer, writing or WriteOptions(), BatchOptions(**options)))
        assert len(outcomes) == len(planned)
        return {outcome.source: outcome for outcome in outcomes}

    return all_of


def contents(folder="."):
    return {path.as_posix(): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


# Every file for itself.


@WAYS
def test_each_file_is_what_the_restorer_makes_of_it(jobs, here, make, run, restorer):
    make("in/a.jpg", "in/b.jpg", "in/sub/c.jpg", "in/d.jpg", "in/e.jpg")
    outcomes = run(plan(["in"], "out", format=None), jobs=jobs)
    assert {o.status for o in outcomes.values()} == {"restored"}
    for source, outcome in outcomes.items():
        with Image.open(outcome.target) as image:
            assert np.array_equal(image, restorer.restore(source))
        assert (outcome.width, outcome.height) == (26, 19)
        assert outcome.seconds > 0
        assert outcome.error is None


def test_the_number_of_jobs_changes_no_byte(here, make, run):
    make(*(f"in/{n}.jpg" for n in range(8)))
    for jobs in (1, 3, 20):
        run(plan(["in"], f"out{jobs}", format=None), jobs=jobs)
    results = [list(contents(f"out{jobs}").values()) for jobs in (1, 3, 20)]
    assert len(results[0]) == 8
    assert results[0] == results[1] == results[2]


@WAYS
def test_a_bad_file_ends_nothing_but_itself(jobs, here, make, run):
    make(*(f"in/{n}.jpg" for n in range(5)))
    Path("in/1.jpg").write_bytes(b"some text")
    Path("in/2.jpg").write_bytes(b"")
    Path("in/3.jpg").write_bytes(Path("in/4.jpg").read_bytes()[:100])
    outcomes = run(plan(["in"], "out", format=None), jobs=jobs)
    assert {Path(s).name: o.status for s, o in outcomes.items()} == {
        "0.jpg": "restored",
        "1.jpg": "failed",
        "2.jpg": "failed",
        "3.jpg": "failed",
        "4.jpg": "restored",
    }
    kinds = [type(outcomes[f"in/{n}.jpg"].error) for n in (1, 2, 3)]
    assert kinds == [NotAnImageError, NotAnImageError, BrokenImageError]
    assert sorted(contents("out")) == ["out/0.png", "out/4.png"]


@WAYS
def test_refusals_of_the_plan_become_outcomes(jobs, here, make, run):
    make("in/a.jpg")
    refusal = UsageError("one input", "two")
    planned = [Job(Path("in"), Path("out"), refusal), *plan(["in"], "out", format=None)]
    outcomes = run(planned, jobs=jobs)
    assert outcomes["in"].error is refusal
    assert outcomes["in/a.jpg"].status == "restored"


@WAYS
def test_a_file_that_vanished_is_a_failure(jobs, here, make, run):
    make("in/a.jpg", "in/b.jpg")
    planned = plan(["in"], "out", format=None)
    Path("in/a.jpg").unlink()
    outcomes = run(planned, jobs=jobs)
    assert isinstance(outcomes["in/a.jpg"].error, InputError)
    assert outcomes["in/b.jpg"].status == "restored"


def test_a_folder_is_no_file(here, run):
    Path("in.jpg").mkdir()
    (outcome,) = run([Job(Path("in.jpg"), Path("out.png"))]).values()
    assert isinstance(outcome.error, InputError)
    assert not Path("out.png").exists()


def test_too_little_memory_is_a_failure_of_one_file(here, make, restorer, monkeypatch):
    make("a.jpg", "b.jpg")
    restore_file = restorer.restore_file

    def short(source, *rest, **options):
        if source.name == "a.jpg":
            raise MemoryError
        return restore_file(source, *rest, **options)

    monkeypatch.setattr(restorer, "restore_file", short)
    planned = plan(["a.jpg", "b.jpg"], "out", format=None)
    outcomes = list(batch.run(planned, restorer, WriteOptions(), BatchOptions()))
    assert [outcome.status for outcome in outcomes] == ["failed", "restored"]
    assert "memory" in str(outcomes[0].error)


def test_notes_reach_the_outcome(here, make, run, photo, encode):
    content = encode(photo)
    Path("cut.jpg").write_bytes(content[: len(content) // 2])
    (outcome,) = run([Job(Path("cut.jpg"), Path("out.png"))]).values()
    assert outcome.status == "restored"
    assert "cut short" in outcome.notes[0]


# Outputs.


@WAYS
def test_missing_folders_are_made(jobs, here, make, run):
    make("a.jpg")
    run([Job(Path("a.jpg"), Path("far/away/a.png"))], jobs=jobs)
    assert list(contents("far")) == ["far/away/a.png"]


@pytest.mark.parametrize("target", ["file/out.png", "file/deep/out.png", "folder.png"])
def test_a_place_that_cannot_be_written_is_a_failure(target, here, make, run):
    make("a.jpg")
    Path("file").write_bytes(b"a regular file")
    Path("folder.png").mkdir()
    (outcome,) = run([Job(Path("a.jpg"), Path(target))]).values()
    assert isinstance(outcome.error, OutputError)
    assert Path("file").read_bytes() == b"a regular file"
    assert list(contents()) == ["a.jpg", "file"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_a_circle_of_links_is_no_place_to_write(here, make, run):
    make("a.jpg")
    Path("loop.png").symlink_to("loop.png")
    (outcome,) = run([Job(Path("a.jpg"), Path("loop.png"))]).values()
    assert isinstance(outcome.error, OutputError)


def test_endings_choose_formats_and_a_format_overrules_them(here, make, run):
    make("a.jpg")
    for name, options, expected in (
        ("a.png", {}, "PNG"),
        ("a.webp", {}, "WEBP"),
        ("a.TIF", {}, "TIFF"),
        ("b.png", {"format": "webp"}, "WEBP"),
        ("plain", {"format": "jpeg"}, "JPEG"),
    ):
        run([Job(Path("a.jpg"), Path(name))], **options)
        with Image.open(name) as image:
            assert image.format == expected


def test_an_unknown_ending_is_a_failure(here, make, run):
    make("a.jpg")
    (outcome,) = run([Job(Path("a.jpg"), Path("out.bmp"))]).values()
    assert isinstance(outcome.error, UsageError)


@WAYS
@pytest.mark.parametrize(("existing", "status"), [("overwrite", "restored"), ("skip", "skipped"), ("refuse", "failed")])
def test_what_is_there_is_treated_as_told(existing, status, jobs, here, make, run):
    make("in/a.jpg", "in/b.jpg")
    Path("out").mkdir()
    Path("out/a.png").write_bytes(b"there before")
    outcomes = run(plan(["in"], "out", format=None), existing=existing, jobs=jobs)
    assert (outcomes["in/a.jpg"].status, outcomes["in/b.jpg"].status) == (status, "restored")
    assert (Path("out/a.png").read_bytes() == b"there before") is (existing != "overwrite")
    if existing == "refuse":
        assert isinstance(outcomes["in/a.jpg"].error, OutputError)


def test_a_failure_leaves_what_was_there(here, make, run):
    Path("in.jpg").write_bytes(b"no picture")
    Path("out.png").write_bytes(b"there before")
    run([Job(Path("in.jpg"), Path("out.png"))])
    assert contents() == {"in.jpg": b"no picture", "out.png": b"there before"}


# Inputs.


@pytest.mark.parametrize("target", ["a.jpg", "./a.jpg", "sub/../a.jpg", "link.jpg", "hard.jpg", "folder/a.jpg"])
def test_an_input_is_not_replaced_under_any_of_its_names(target, here, make, run):
    make("a.jpg", "sub/b.jpg")
    Path("link.jpg").symlink_to("a.jpg")
    Path("hard.jpg").hardlink_to("a.jpg")
    Path("folder").symlink_to(".")
    before = contents()
    for existing in ("overwrite", "refuse"):
        (outcome,) = run([Job(Path("a.jpg"), Path(target))], existing=existing).values()
        assert isinstance(outcome.error, OutputError)
    (outcome,) = run([Job(Path("a.jpg"), Path(target))], existing="skip").values()
    assert outcome.status == "skipped"
    assert contents() == before


@pytest.mark.parametrize("target", ["a.jpg", "./a.jpg", "link.jpg"])
def test_an_input_is_replaced_where_that_is_allowed(target, here, make, run, restorer):
    make("a.jpg")
    Path("link.jpg").symlink_to("a.jpg")
    expected = restorer.restore("a.jpg")
    (outcome,) = run([Job(Path("a.jpg"), Path(target))], WriteOptions(quality=100), replace_inputs=True).values()
    assert outcome.status == "restored"
    assert Path("link.jpg").is_symlink()
    with Image.open("a.jpg") as image:
        # Saved at quality 100: steps of 1, and libjpeg's roundings of color.
        assert np.abs(np.asarray(image, int) - np.asarray(expected, int)).mean() < 2
    assert sorted(contents()) == ["a.jpg", "link.jpg"]


@WAYS
def test_no_input_is_replaced_by_the_result_of_another(jobs, here, make, run):
    # In a folder filled where it lies, a.jpeg becomes a.jpg, which is there: an input of the same run.
    make("a.jpeg", "a.jpg")
    before = contents()
    run(plan(["."], ".", format="jpeg"), jobs=jobs)
    assert before.items() <= contents().items()


@WAYS
def test_no_input_is_replaced_by_a_namesake(jobs, here, make, run):
    make("x/a.jpg", "a.jpg")
    before = contents()
    run(plan(["x/a.jpg", "a.jpg"], "./", format="jpeg"), jobs=jobs)
    assert before.items() <= contents().items()


# How it is told.


@WAYS
def test_progress_names_the_job_and_its_share(jobs, here, make, restorer):
    make("in/a.jpg", "in/b.jpg")
    planned = plan(["in"], "out", format=None)
    said = []
    list(
        batch.run(planned, restorer, WriteOptions(), BatchOptions(jobs=jobs), progress=lambda *step: said.append(step))
    )
    assert {job.source.name for job, share in said if share == 1} == {"a.jpg", "b.jpg"}
    assert all(0 < share <= 1 for _, share in said)


def test_outcomes_come_as_they_are_done(here, make, restorer):
    make("in/a.jpg", "in/b.jpg")
    outcomes = batch.run(plan(["in"], "out", format=None), restorer, WriteOptions(), BatchOptions())
    next(outcomes)
    assert list(contents("out")) == ["out/a.png"]


@WAYS
def test_a_run_that_is_broken_off_starts_nothing_new(jobs, here, make, restorer):
    make(*(f"in/{n:02}.jpg" for n in range(40)))
    outcomes = batch.run(plan(["in"], "out", format=None), restorer, WriteOptions(), BatchOptions(jobs=jobs))
    next(outcomes)
    outcomes.close()
    assert len(contents("out")) < 30


@WAYS
def test_what_runs_when_fits_are_ended_is_written_and_no_other_file_begins(jobs, here, make):
    make(*(f"in/{n:02}.jpg" for n in range(40)))
    end = threading.Event()
    ended = Restorer(EngineOptions("fast", "cpu", 1), follow=Follow(end.is_set))
    planned = plan(["in"], "out", format=None)
    found = list(batch.run(planned, ended, WriteOptions(), BatchOptions(jobs=jobs), progress=lambda *_: end.set()))
    assert 1 <= len(found) <= jobs
    assert {outcome.status for outcome in found} == {"restored"}
    assert set(contents("out")) == {Path(outcome.target).as_posix() for outcome in found}


@WAYS
def test_the_first_file_is_restored_though_fits_were_ended_before(jobs, here, make):
    make("in/a.jpg", "in/b.jpg")
    ended = Restorer(EngineOptions("fast", "cpu", 1), follow=Follow(lambda: True))
    planned = plan(["in"], "out", format=None)
    (found,) = batch.run(planned, ended, WriteOptions(), BatchOptions(jobs=jobs))
    assert (found.status, found.source) == ("restored", str(planned[0].source))


def test_an_outcome_is_plain_values():
    error = OutputError("a place", "none", "make one")
    outcome = Outcome("a.jpg", "a.png", "failed", notes=("a note",), error=error, seconds=1.23456789)
    assert outcome.to_dict() == {
        "source": "a.jpg",
        "target": "a.png",
        "status": "failed",
        "width": 0,
        "height": 0,
        "seconds": 1.2346,
        "notes": ["a note"],
        "error": {"kind": "OutputError", "message": "wanted a place, got none; make one"},
    }
    assert Outcome("a.jpg", "a.png", "restored").to_dict()["error"] is None


def test_the_summary_counts_every_status():
    outcomes = [Outcome("a", "b", status) for status in ("restored", "failed", "restored", "skipped")]
    assert summary(outcomes) == {"restored": 2, "skipped": 1, "failed": 1}
    assert summary([]) == {"restored": 0, "skipped": 0, "failed": 0}
