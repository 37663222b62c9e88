"""Which input becomes which output: the tree on the disk is the oracle."""

import os
from pathlib import Path

import pytest

from jpegfilter.errors import InputError, UsageError
from jpegfilter.pipeline.plan import Job, plan

JPEG = b"\xff\xd8\xff\xe0 begins like a JPEG"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names, content=JPEG):
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def pairs(jobs):
    assert all(job.refusal is None for job in jobs)
    return [(job.source.as_posix(), job.target.as_posix()) for job in jobs]


# One file.


def test_a_file_becomes_the_file_that_is_named(here):
    make("in.jpg")
    assert plan(["in.jpg"], "out.png", format=None) == [Job(Path("in.jpg"), Path("out.png"))]


def test_the_name_of_one_input_does_not_matter(here):
    make("in.dat")
    assert pairs(plan(["in.dat"], "other/out.TIFF", format=None)) == [("in.dat", "other/out.TIFF")]


def test_a_format_takes_the_place_of_an_ending(here):
    make("in.jpg")
    assert pairs(plan(["in.jpg"], "out", format="png")) == [("in.jpg", "out")]
    with pytest.raises(UsageError, match="'out'"):
        plan(["in.jpg"], "out", format=None)


@pytest.mark.parametrize("name", ["out.bmp", "out.gif", "out.jpg.txt", ".png"])
def test_an_unknown_ending_is_refused(name, here):
    make("in.jpg")
    with pytest.raises(UsageError, match=r"\.png \.tif \.webp \.avif \.jpg"):
        plan(["in.jpg"], name, format=None)


# Into a folder.


@pytest.mark.parametrize("target", ["out", "out/"])
@pytest.mark.parametrize(
    ("format", "suffix"), [(None, "png"), ("png", "png"), ("tiff", "tif"), ("webp", "webp"), ("jpeg", "jpg")]
)
def test_files_go_into_a_folder_by_their_stems(target, format, suffix, here):
    make("a.jpg", "sub/b.JPEG")
    expected = [("a.jpg", f"out/a.{suffix}"), ("sub/b.JPEG", f"out/b.{suffix}")]
    assert pairs(plan(["a.jpg", "sub/b.JPEG"], target, format=format)) == expected


def test_one_file_goes_into_a_folder_that_exists_or_is_called_one(here):
    make("a.jpg")
    Path("there").mkdir()
    assert pairs(plan(["a.jpg"], "there", format=None)) == [("a.jpg", "there/a.png")]
    assert pairs(plan(["a.jpg"], "absent/", format=None)) == [("a.jpg", "absent/a.png")]
    assert not Path("absent").exists()


def test_names_with_dots_keep_them(here):
    make("a.b.jpg", "photos/2024.05.01.jpg", ".hidden.jpg")
    assert pairs(plan(["a.b.jpg", ".hidden.jpg"], "out", format=None)) == [
        ("a.b.jpg", "out/a.b.png"),
        (".hidden.jpg", "out/.hidden.png"),
    ]
    assert pairs(plan(["photos"], "out", format=None)) == [("photos/2024.05.01.jpg", "out/2024.05.01.png")]


def test_the_tree_below_a_folder_is_kept(here):
    make("in/b.jpg", "in/a.jpg", "in/z/c.jpg", "in/k/l/d.jpg")
    assert pairs(plan(["in"], "out", format=None)) == [
        ("in/a.jpg", "out/a.png"),
        ("in/b.jpg", "out/b.png"),
        ("in/k/l/d.jpg", "out/k/l/d.png"),
        ("in/z/c.jpg", "out/z/c.png"),
    ]


@pytest.mark.parametrize("spelling", ["in", "in/", "./in", "in/../in"])
def test_the_spelling_of_a_folder_does_not_matter(spelling, here):
    make("in/k/a.jpg")
    assert [job.target for job in plan([spelling], "out", format=None)] == [Path("out/k/a.png")]


def test_several_folders_keep_their_names(here):
    make("one/a.jpg", "far/two/a.jpg", "b.jpg")
    assert pairs(plan(["one", "far/two", "b.jpg"], "out", format=None)) == [
        ("one/a.jpg", "out/one/a.png"),
        ("far/two/a.jpg", "out/two/a.png"),
        ("b.jpg", "out/b.png"),
    ]


def test_the_working_folder_has_a_name_too(here):
    make("a.jpg", "sub/b.jpg")
    jobs = plan([".", "sub"], "/nowhere/out", format=None)
    assert [job.target.as_posix() for job in jobs] == [
        f"/nowhere/out/{here.name}/a.png",
        f"/nowhere/out/{here.name}/sub/b.png",
        "/nowhere/out/sub/b.png",
    ]


@pytest.mark.parametrize("target", ["in/out", "in/../in/out", "link"])
def test_results_of_an_earlier_run_are_no_inputs(target, here):
    make("in/a.jpg", "in/out/a.jpg", "in/out/deep/b.jpg", "in/other/out/c.jpg")
    Path("link").symlink_to("in/out")
    jobs = plan(["in"], target, format="jpeg")
    assert [job.source.as_posix() for job in jobs] == ["in/a.jpg", "in/other/out/c.jpg"]


def test_a_folder_may_be_filled_where_it_lies(here):
    make("in/a.jpg", "in/sub/b.jpg")
    assert pairs(plan(["in"], "in", format=None)) == [("in/a.jpg", "in/a.png"), ("in/sub/b.jpg", "in/sub/b.png")]


def test_a_circle_of_links_ends(here):
    make("in/a.jpg")
    Path("in/again").symlink_to(".", target_is_directory=True)
    assert pairs(plan(["in"], "out", format=None)) == [("in/a.jpg", "out/a.png")]


# What is a JPEG.


def test_jpegs_are_known_by_their_ending_or_their_first_bytes(here):
    make("in/a.jpg", "in/b.JPEG", "in/c.jpe", "in/d.jfif", "in/e.Jpg", "in/f.dat", "in/g.png", "in/h", "in/i.mpo")
    make("in/other.png", "in/other", content=b"\x89PNG\r\n\x1a\n")
    make("in/short.dat", content=b"\xff\xd8")
    make("in/empty.dat", content=b"")
    make("in/notes.txt", content=b"some text")
    Path("in/dangling.jpg").symlink_to("nowhere")
    Path("in/folder.jpg").mkdir()
    assert [job.source.name for job in plan(["in"], "out", format=None)] == [
        *("a.jpg", "b.JPEG", "c.jpe", "d.jfif", "e.Jpg", "f.dat", "g.png", "h", "i.mpo")
    ]


def test_what_is_called_a_jpeg_is_tried(here):
    make("in/a.jpg", content=b"some text")
    assert pairs(plan(["in"], "out", format=None)) == [("in/a.jpg", "out/a.png")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_in_a_folder_are_passed_by(here):
    make("in/a.jpg")
    os.mkfifo("in/b.jpg")
    os.mkfifo("in/c")
    assert pairs(plan(["in"], "out", format=None)) == [("in/a.jpg", "out/a.png")]


def test_a_folder_without_jpegs_gives_no_jobs(here):
    make("in/notes.txt", content=b"some text")
    assert plan(["in"], "out", format=None) == []


# Clashes.


def test_of_two_with_one_stem_the_later_keeps_its_whole_name(here):
    make("in/a.jpeg", "in/a.jpg", "in/a.jfif")
    assert pairs(plan(["in"], "out", format=None)) == [
        ("in/a.jfif", "out/a.png"),
        ("in/a.jpeg", "out/a.jpeg.png"),
        ("in/a.jpg", "out/a.jpg.png"),
    ]


def test_files_of_one_name_from_two_folders_do_not_meet(here):
    make("one/a.jpg", "two/a.jpg", "three/a.jpg")
    jobs = plan(["one/a.jpg", "two/a.jpg", "three/a.jpg"], "out", format=None)
    assert [job.target.as_posix() for job in jobs[:2]] == ["out/a.png", "out/a.jpg.png"]
    assert jobs[0].refusal is jobs[1].refusal is None
    assert isinstance(jobs[2].refusal, UsageError)
    assert "a.jpg.png" in str(jobs[2].refusal)


def test_no_two_jobs_write_one_file(here):
    make("x/p/a.jpg", "y/p/a.jpg", "y/p/a.jpeg", "z/a.jpg.jpg", "z/a.jpg")
    jobs = plan(["x/p", "y/p", "z", "z/a.jpg"], "out", format=None)
    targets = [job.target for job in jobs if job.refusal is None]
    assert len(set(targets)) == len(targets)
    assert {job.source for job in jobs} == {
        *(Path("x/p/a.jpg"), Path("y/p/a.jpg"), Path("y/p/a.jpeg"), Path("z/a.jpg.jpg"), Path("z/a.jpg"))
    }


# Errors.


@pytest.mark.parametrize("sources", [["absent.jpg"], ["in.jpg", "absent.jpg"], ["in.jpg/below"]])
def test_sources_must_exist(sources, here):
    make("in.jpg")
    with pytest.raises(InputError, match=sources[-1]):
        plan(sources, "out/", format=None)


def test_a_folder_cannot_go_into_a_file(here):
    make("in/a.jpg", "there.png", "b.jpg")
    for target in ("there.png", "new.png", "new.TIFF"):
        for sources in (["in"], ["b.jpg", "in"], ["b.jpg", "in/a.jpg"]):
            with pytest.raises(UsageError, match="folder"):
                plan(sources, target, format=None)


def test_a_new_folder_may_be_called_like_a_file(here):
    make("in/a.jpg")
    assert pairs(plan(["in"], "new.png/", format=None)) == [("in/a.jpg", "new.png/a.png")]


def test_a_folder_that_cannot_be_listed_is_a_refusal_among_jobs(here, monkeypatch):
    make("in/a.jpg", "in/closed/b.jpg", "in/open/c.jpg")
    scandir = os.scandir

    def guarded(path="."):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    jobs = plan(["in"], "out", format=None)
    assert [job.source.name for job in jobs if job.refusal is None] == ["a.jpg", "c.jpg"]
    (refused,) = [job.refusal for job in jobs if job.refusal is not None]
    assert isinstance(refused, InputError)
    assert "in/closed" in str(refused).replace(os.sep, "/")
    assert "Permission denied" in str(refused)
