"""`jpegfilter IN OUT`: what it writes, what it says and with which status it ends."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jpegfilter
from jpegfilter.codec.write import FORMATS
from jpegfilter.engines.devices import cuda_devices
from jpegfilter.pipeline.report import Outcome
from jpegfilter.weights import DEFAULT

QUICK = ("-d", "cpu", "-t", "1")
NO_GPU = pytest.mark.skipif(cuda_devices() > 0, reason="there is a GPU: its absence is NOT tested")


def names():
    return sorted(path.as_posix() for path in Path().rglob("*") if not path.is_dir())


def restored(source):
    return np.asarray(jpegfilter.restore(source, device="cpu", threads=1))


def opened(name):
    with Image.open(name) as image:
        return np.asarray(image)


# What it writes.


def test_a_file_becomes_a_file(cli, here):
    result = cli("in.jpg", "out.png", *QUICK)
    assert (result.exit_code, result.stdout) == (0, "")
    assert np.array_equal(opened("out.png"), restored("in.jpg"))
    assert names() == ["in.jpg", "out.png"]


def test_restore_may_be_named(cli, here):
    assert cli("restore", "in.jpg", "out.png", *QUICK).exit_code == 0
    assert cli(*QUICK, "in.jpg", "other.png").exit_code == 0
    assert Path("out.png").read_bytes() == Path("other.png").read_bytes()


def test_files_and_folders_go_into_a_folder(cli, here, content):
    Path("tree/deep").mkdir(parents=True)
    Path("tree/a.jpg").write_bytes(content)
    Path("tree/deep/b.jpeg").write_bytes(content)
    assert cli("in.jpg", "tree", "out", *QUICK).exit_code == 0
    assert cli("tree", "out2", "-f", "webp", *QUICK).exit_code == 0
    assert [name for name in names() if name.startswith("out")] == [
        *("out/in.png", "out/tree/a.png", "out/tree/deep/b.png", "out2/a.webp", "out2/deep/b.webp")
    ]


@pytest.mark.parametrize(("ending", "kind"), [(s, f.pillow) for f in FORMATS.values() for s in f.suffixes])
def test_endings_choose_the_format(ending, kind, cli, here):
    assert cli("in.jpg", f"out{ending}", *QUICK).exit_code == 0
    with Image.open(f"out{ending}") as image:
        assert (image.format, image.size) == (kind, (90, 67))


def test_missing_folders_are_made(cli, here):
    assert cli("in.jpg", "far/away/out.png", *QUICK).exit_code == 0
    assert names() == ["far/away/out.png", "in.jpg"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-s", "0"), {"strength": 0}),
        (("--strength", "0.5"), {"strength": 0.5}),
        (("--no-project",), {"project": False}),
        (("--project",), {}),
        (("-q", "20"), {"quality": 20}),
        (("-q", "100"), {"quality": 100}),
        (("--quality", "header"), {"quality": "header"}),
        (("-q", "auto"), {}),
        (("-m", "fast-arcnn"), {"model": "fast-arcnn"}),
        (("--tile", "1024"), {}),
    ],
)
def test_options_reach_the_picture(options, expected, cli, here):
    assert cli("in.jpg", "out.png", *options, *QUICK).exit_code == 0
    assert np.array_equal(opened("out.png"), jpegfilter.restore("in.jpg", device="cpu", threads=1, **expected))


def test_tiles_leave_no_seams(cli, here):
    cli("in.jpg", "out.png", "--tile", "64", *QUICK)
    assert np.abs(opened("out.png").astype(int) - restored("in.jpg")).max() <= 1


@pytest.mark.parametrize("name", ["out.png", "out.tif"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_sixteen_bits_are_finer(name, mode, cli, here, photo, encode):
    Path("in.jpg").write_bytes(encode(photo, mode=mode))
    assert cli("in.jpg", name, "--bits", "16", *QUICK).exit_code == 0
    if name.endswith(".tif"):
        import tifffile

        pixels = tifffile.imread(name)
    elif mode == "RGB":
        import png

        _, _, rows, _ = png.Reader(bytes=Path(name).read_bytes()).read()
        pixels = np.vstack([np.asarray(row, np.uint16) for row in rows]).reshape(67, 90, 3)
    else:
        pixels = opened(name)
    assert pixels.dtype == np.uint16
    assert np.abs(pixels / 257 - restored("in.jpg")).max() <= 0.5 + 0.5 / 257 + 1e-9


def test_output_quality_is_obeyed(cli, here):
    sizes = []
    for quality in (30, 90):
        assert cli("in.jpg", "out.jpg", "--output-quality", quality, *QUICK).exit_code == 0
        sizes.append(Path("out.jpg").stat().st_size)
    assert sizes[0] < 0.75 * sizes[1]


def test_metadata_is_kept_or_dropped(cli, here, photo, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    Path("in.jpg").write_bytes(encode(photo, exif=exif, dpi=(300, 300)))
    for option, kept in (("--keep-metadata", 6), ("--drop-metadata", None)):
        assert cli("in.jpg", "out.png", option, *QUICK).exit_code == 0
        with Image.open("out.png") as image:
            assert image.getexif().get(0x0112) == kept
            assert ("dpi" in image.info) is (kept is not None)


@pytest.mark.parametrize(("existing", "status"), [("overwrite", 0), ("skip", 0), ("refuse", 3)])
def test_what_is_there_is_treated_as_told(existing, status, cli, here):
    Path("out.png").write_bytes(b"there before")
    assert cli("in.jpg", "out.png", "--existing", existing, *QUICK).exit_code == status
    assert (Path("out.png").read_bytes() == b"there before") is (existing != "overwrite")


@pytest.mark.parametrize("target", ["in.jpg", "./in.jpg", "link.jpg", "."])
def test_an_input_is_replaced_only_where_that_is_allowed(target, cli, here, content):
    Path("link.jpg").symlink_to("in.jpg")
    refused = cli("in.jpg", target, "-f", "jpeg", *QUICK)
    assert refused.exit_code == 3
    assert "--replace-inputs" in refused.stderr
    assert Path("in.jpg").read_bytes() == content
    assert cli("in.jpg", target, "-f", "jpeg", "--replace-inputs", *QUICK).exit_code == 0
    assert Path("in.jpg").read_bytes() != content
    assert Path("link.jpg").is_symlink()
    assert names() == ["in.jpg", "link.jpg"]


# Pasts, and pictures that are no JPEGs.

NO_TRACE = "no trace of JPEG compression was found, so nothing was changed"


def first_of(photo, encode, quality=10):
    """The photo, large enough to be searched, after a first compression."""
    return Image.open(io.BytesIO(encode(np.tile(photo, (2, 2, 1)), quality)))


def test_a_past_is_restored_and_the_header_is_believed_where_that_is_said(cli, here, photo, encode):
    first_of(photo, encode).crop((5, 3, 180, 134)).save("in.jpg", quality=90)
    for name, quality in (("auto.png", "auto"), ("header.png", "header"), ("ten.png", "10")):
        assert cli("in.jpg", name, "-q", quality, *QUICK).exit_code == 0
        expected = jpegfilter.restore("in.jpg", device="cpu", threads=1, quality=10 if quality == "10" else quality)
        assert np.array_equal(opened(name), expected)
    away = {name: np.abs(opened(f"{name}.png").astype(int) - opened("in.jpg")).mean() for name in ("auto", "header")}
    assert away["auto"] > 1.3 * away["header"]


@pytest.mark.parametrize("name", ["in.png", "in.webp"])
def test_a_picture_with_a_past_is_restored(name, cli, here, photo, encode, lines):
    options = {"lossless": True} if name == "in.webp" else {}
    first_of(photo, encode).crop((5, 3, 180, 134)).save(name, **options)
    result = cli(name, "out.png", *QUICK)
    assert (result.exit_code, len(lines(result.stderr))) == (0, 1)
    assert np.array_equal(opened("out.png"), restored(opened(name)))
    assert not np.array_equal(opened("out.png"), opened(name))


def test_a_clean_picture_is_passed_on_with_a_warning(cli, here, photo):
    Image.fromarray(photo).save("in.png")
    result = cli("in.png", "out.png", *QUICK)
    assert result.exit_code == 0
    assert f"jpegfilter: in.png: warning: {NO_TRACE}" in result.stderr
    assert np.array_equal(opened("out.png"), photo)
    assert cli("in.png", "forced.png", "-q", "20", *QUICK).stderr.count("\n") == 1
    assert not np.array_equal(opened("forced.png"), photo)


def test_a_report_holds_the_warning(cli, here, photo):
    Image.fromarray(photo).save("in.png")
    result = cli("in.png", "out.png", "--json", "-Q", *QUICK)
    (file,) = json.loads(result.stdout)["files"]
    assert file["status"] == "restored"
    assert [NO_TRACE in note for note in file["notes"]] == [True]


def test_a_stream_of_another_kind_is_taken(cli, here, photo):
    Image.fromarray(photo).save("in.png")
    result = cli("-", "-", *QUICK, input=Path("in.png").read_bytes())
    assert result.exit_code == 0
    assert f"jpegfilter: -: warning: {NO_TRACE}" in result.stderr
    assert np.array_equal(Image.open(io.BytesIO(result.stdout_bytes)), photo)


def test_transparency_is_kept_or_said_to_be_lost(cli, here, photo):
    alpha = np.add.outer(np.arange(67), np.arange(90)).astype(np.uint8)
    Image.fromarray(np.dstack((photo, alpha))).save("in.png")
    for name in ("out.png", "out.webp", "out.tif"):
        result = cli("in.png", name, "-q", "30", *QUICK)
        assert "transparency" not in result.stderr
        assert np.array_equal(opened(name)[..., 3], alpha)
    for arguments in (("out.jpg",), ("sixteen.png", "--bits", "16")):
        result = cli("in.png", *arguments, "-q", "30", *QUICK)
        assert result.exit_code == 0
        assert "jpegfilter: in.png: warning: transparency" in result.stderr


def test_folders_are_searched_for_jpegs_alone(cli, here, photo, content):
    Path("tree").mkdir()
    Path("tree/a.jpg").write_bytes(content)
    Image.fromarray(photo).save("tree/b.png")
    assert cli("tree", "out", *QUICK).exit_code == 0
    assert [name for name in names() if name.startswith("out")] == ["out/a.png"]


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (1, 50)])
def test_small_pictures_are_restored(size, cli, here, encode):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    Path("in.jpg").write_bytes(encode(pixels, 30))
    Image.fromarray(pixels).save("in.png")
    for name in ("in.jpg", "in.png"):
        assert cli(name, "out.png", *QUICK).exit_code == 0
        assert opened("out.png").shape == (*size, 3)


# Streams.


def test_from_stream_to_stream(cli, here, content):
    result = cli("-", "-", *QUICK, input=content)
    assert result.exit_code == 0
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert image.format == "PNG"
        assert np.array_equal(image, restored("in.jpg"))
    assert names() == ["in.jpg"]


def test_from_file_to_stream_in_a_format(cli, here):
    result = cli("in.jpg", "-", "-f", "webp", *QUICK)
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert image.format == "WEBP"
        assert np.array_equal(image, restored("in.jpg"))


def test_from_stream_to_file(cli, here, content):
    result = cli("-", "out.png", *QUICK, input=content)
    assert (result.exit_code, result.stdout) == (0, "")
    assert np.array_equal(opened("out.png"), restored("in.jpg"))
    assert names() == ["in.jpg", "out.png"]


def test_a_real_pipe_carries_nothing_but_the_picture(process, here, content):
    done = process("-", "-", *QUICK, "-v", input=content)
    assert done.returncode == 0
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert np.array_equal(image, restored("in.jpg"))
    chunk = done.stdout.rindex(b"IEND")
    assert chunk + 8 == len(done.stdout)
    assert b"->" in done.stderr


def test_a_stream_that_is_cut_short_is_said_on_standard_error_alone(process, here, content):
    done = process("-", "-", *QUICK, input=content[: len(content) // 2])
    assert done.returncode == 0
    assert Image.open(io.BytesIO(done.stdout)).size == (90, 67)
    assert b"cut short" in done.stderr


def test_a_stream_is_called_a_dash_in_reports(cli, here, content):
    result = cli("-", "out.png", "--json", "-v", *QUICK, input=content)
    (file,) = json.loads(result.stdout)["files"]
    assert (file["source"], file["target"]) == ("-", "out.png")
    assert "jpegfilter: - -> out.png" in result.stderr


def test_a_bad_stream_is_called_a_dash_too(cli, here):
    result = cli("-", "out.png", "-Q", *QUICK, input=b"some text")
    assert result.exit_code == 1
    assert result.stderr.startswith("jpegfilter: -: wanted a JPEG")
    assert names() == ["in.jpg"]


# What it says.


def test_quiet_says_nothing(cli, here):
    result = cli("in.jpg", "out.png", "-Q", "-v", *QUICK)
    assert (result.exit_code, result.output) == (0, "")


def test_without_options_it_says_what_runs(cli, here, lines):
    result = cli("in.jpg", "out.png", *QUICK)
    assert lines(result.stderr) == [f"jpegfilter: {DEFAULT} on CPU, 1 thread"]


@pytest.mark.parametrize(
    ("files", "options", "threads"), [(1, (), 8), (2, (), 4), (6, (), 2), (6, ("-j", "1"), 8), (1, ("-t", "3"), 3)]
)
def test_files_share_the_processors(files, options, threads, cli, here, content, monkeypatch):
    monkeypatch.setattr("jpegfilter.engines.devices.cores", lambda: 8)
    Path("tree").mkdir()
    for number in range(files):
        Path(f"tree/{number}.jpg").write_bytes(content)
    result = cli("tree", "out", "-d", "cpu", *options)
    assert result.stderr.startswith(f"jpegfilter: {DEFAULT} on CPU, {threads} threads\n")


def test_verbose_says_a_line_for_every_file(cli, here, content, lines):
    Path("tree").mkdir()
    for name in "abc":
        Path(f"tree/{name}.jpg").write_bytes(content)
    Path("out").mkdir()
    Path("out/b.png").write_bytes(b"there before")
    result = cli("tree", "out", "-v", "-j", "1", "--existing", "skip", *QUICK)
    said = lines(result.stderr)
    assert len(said) == 5
    assert said[1].startswith("jpegfilter: tree/a.jpg -> out/a.png: restored 90x67 ")
    assert said[2] == "jpegfilter: tree/b.jpg -> out/b.png: skipped"
    assert said[4] == "jpegfilter: 2 restored, 1 skipped"


def test_warnings_name_the_file(cli, here, content):
    Path("in.jpg").write_bytes(content[: len(content) // 2])
    result = cli("in.jpg", "out.png", *QUICK)
    assert result.exit_code == 0
    assert "jpegfilter: in.jpg: warning: the file is cut short" in result.stderr
    assert cli("in.jpg", "out.png", "-Q", *QUICK).stderr == ""


def test_the_report_says_what_became_of_each_file(cli, here, content):
    Path("tree").mkdir()
    Path("tree/a.jpg").write_bytes(content)
    Path("tree/b.jpg").write_bytes(b"some text")
    Path("tree/c.jpg").write_bytes(content)
    Path("out").mkdir()
    Path("out/c.png").write_bytes(b"there before")
    result = cli("tree", "out", "--json", "--existing", "skip", *QUICK)
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    files = sorted(report.pop("files"), key=lambda file: file["source"])
    assert report == {"model": DEFAULT, "device": "CPU, 1 thread", "restored": 1, "skipped": 1, "failed": 1}
    keys = set(Outcome("a", "b", "restored").to_dict())
    assert all(set(file) == keys for file in files)
    assert [file["status"] for file in files] == ["restored", "failed", "skipped"]
    assert (files[0]["width"], files[0]["height"], files[0]["error"]) == (90, 67, None)
    assert files[0]["seconds"] > 0
    assert files[1]["error"]["kind"] == "NotAnImageError"
    assert files[1]["error"]["message"] in result.stderr


def test_a_terminal_sees_a_bar_and_standard_output_does_not(command, here):
    pty = pytest.importorskip("pty", reason="no terminals here: the bar is NOT tested")
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run(
        [*command("pass"), "in.jpg", "out.png", "--tile", "64", *QUICK],
        check=False,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
        timeout=120,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal without its other side so
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"restoring" in shown
    assert b"Traceback" not in shown


# How it fails: one line and a status, whatever it is given.


@pytest.fixture
def shelves(here, content, photo):
    """Inputs of every bad kind."""
    Path("empty.jpg").touch()
    Path("text.jpg").write_text("some text\n")
    Path("text.txt").write_text("some text\n")
    Path("cut.jpg").write_bytes(content[:300])
    Path("start.jpg").write_bytes(content[:2])
    Path("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    image = Image.fromarray(photo)
    image.save("whole.png")
    Path("short.png").write_bytes(Path("whole.png").read_bytes()[:2000])
    image.convert("CMYK").save("inks.tif")
    for name in ("moves.gif", "moves.webp"):
        image.save(name, save_all=True, append_images=[image.rotate(90)])
    Path("bare").mkdir()
    Path("folder.jpg").mkdir()
    Path("regular").write_text("a regular file\n")
    Path("dangling.jpg").symlink_to("nowhere")
    return here


FAILURES = {
    "a missing file": (["absent.jpg", "out.png"], 1),
    "a missing folder": (["absent/", "out/"], 1),
    "a dangling link": (["dangling.jpg", "out.png"], 1),
    "an empty file": (["empty.jpg", "out.png"], 1),
    "a text": (["text.jpg", "out.png"], 1),
    "a text by its name": (["text.txt", "out.png"], 1),
    "another picture": (["picture.png", "out.png"], 1),
    "a picture that moves": (["moves.gif", "out.png"], 1),
    "a picture that moves in WebP": (["moves.webp", "out.png"], 1),
    "a picture of inks": (["inks.tif", "out.png"], 1),
    "a PNG cut short": (["short.png", "out.png"], 1),
    "a PNG cut short to a stream": (["short.png", "-"], 1),
    "too large a PNG": (["whole.png", "out.png", "--max-megapixels", "0.001"], 1),
    "a PNG that would be replaced": (["whole.png", "whole.png"], 3),
    "a broken header": (["cut.jpg", "out.png"], 1),
    "two bytes": (["start.jpg", "out.png"], 1),
    "a folder without JPEGs": (["bare", "out"], 1),
    "a word that is no command": (["infos", "in.jpg"], 1),
    "too large a picture": (["in.jpg", "out.png", "--max-megapixels", "0.001"], 1),
    "a missing file to a stream": (["absent.jpg", "-"], 1),
    "a folder to a stream": (["bare", "-"], 1),
    "a text to a stream": (["text.jpg", "-"], 1),
    "one name": (["in.jpg"], 2),
    "a folder into a file": (["folder.jpg", "out.png"], 2),
    "two files into a file": (["in.jpg", "cut.jpg", "out.png"], 2),
    "files into a file that is there": (["in.jpg", "cut.jpg", "regular"], 2),
    "an unknown ending": (["in.jpg", "out.bmp"], 2),
    "no ending": (["in.jpg", "out"], 2),
    "too much strength": (["in.jpg", "out.png", "-s", "1.5"], 2),
    "negative strength": (["in.jpg", "out.png", "-s", "-1"], 2),
    "no strength at all": (["in.jpg", "out.png", "-s", "nan"], 2),
    "no quality": (["in.jpg", "out.png", "-q", "0"], 2),
    "too much quality": (["in.jpg", "out.png", "-q", "101"], 2),
    "negative quality": (["in.jpg", "out.png", "-q", "-5"], 2),
    "a fraction of a quality": (["in.jpg", "out.png", "-q", "50.5"], 2),
    "another word for a quality": (["in.jpg", "out.png", "-q", "best"], 2),
    "an empty quality": (["in.jpg", "out.png", "-q", ""], 2),
    "digits of another script": (["in.jpg", "out.png", "-q", "\u0665\u0660"], 2),
    "too small a tile": (["in.jpg", "out.png", "--tile", "8"], 2),
    "a negative tile": (["in.jpg", "out.png", "--tile", "-64"], 2),
    "an unknown device": (["in.jpg", "out.png", "-d", "tpu"], 2),
    "a device without a number": (["in.jpg", "out.png", "-d", "cuda:x"], 2),
    "16 bits in WebP": (["in.jpg", "out.webp", "--bits", "16"], 2),
    "16 bits in JPEG": (["in.jpg", "out.jpg", "--bits", "16"], 2),
    "16 bits of JPEG in a stream": (["in.jpg", "-", "-f", "jpeg", "--bits", "16"], 2),
    "a report and a picture at once": (["in.jpg", "-", "--json"], 2),
    "two inputs to a stream": (["in.jpg", "cut.jpg", "-"], 2),
    "a stream among others": (["-", "in.jpg", "out"], 2),
    "any number of megapixels": (["in.jpg", "out.png", "--max-megapixels", "nan"], 2),
    "a negative number of megapixels": (["in.jpg", "out.png", "--max-megapixels", "-1"], 2),
    "below a regular file": (["in.jpg", "regular/out.png"], 3),
    "deep below a regular file": (["in.jpg", "regular/deep/out.png"], 3),
    "the input itself": (["in.jpg", "in.jpg"], 3),
    "what is there": (["in.jpg", "text.txt", "-f", "png", "--existing", "refuse"], 3),
    "an unknown model": (["in.jpg", "out.png", "-m", "absent"], 4),
    "a model by its path": (["in.jpg", "out.png", "-m", f"../weights/{DEFAULT}"], 4),
}


@pytest.mark.parametrize(("arguments", "status"), FAILURES.values(), ids=FAILURES)
def test_every_failure_is_one_line_and_its_status(arguments, status, cli, shelves, lines):
    before = {name: Path(name).read_bytes() for name in names() if name != "dangling.jpg"}
    result = cli(*arguments, "-Q")
    assert result.exit_code == status
    (line,) = lines(result.stderr)
    assert line.startswith("jpegfilter: ")
    assert "wanted" in line
    assert result.stdout_bytes == b""
    assert {name: Path(name).read_bytes() for name in names() if name != "dangling.jpg"} == before


@pytest.mark.parametrize("value", ["inf", "1e300"])
def test_any_picture_is_small_enough_for_infinity(value, cli, here):
    assert cli("in.jpg", "out.png", "--max-megapixels", value, *QUICK).exit_code == 0


@NO_GPU
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "rocm", "directml"])
def test_a_device_that_is_not_there_is_one_line_and_status_4(device, process, here):
    # In a process of its own: ONNX Runtime would complain past Python.
    done = process("in.jpg", "out.png", "-d", device)
    assert (done.returncode, done.stdout) == (4, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"jpegfilter: wanted a working {device.partition(':')[0]}")
    assert names() == ["in.jpg"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["restore"],
        ["in.jpg", "out.png", "--bogus"],
        ["--bogus", "in.jpg", "out.png"],
        ["in.jpg", "out.png", "--bits", "12"],
        ["in.jpg", "out.png", "-f", "bmp"],
        ["in.jpg", "out.png", "-s", "much"],
        ["in.jpg", "out.png", "-t", "0"],
        ["in.jpg", "out.png", "-j", "0"],
        ["in.jpg", "out.png", "--existing", "ask"],
        ["in.jpg", "out.png", "--output-quality", "0"],
    ],
    ids=" ".join,
)
def test_options_that_cannot_be_read_show_the_usage(arguments, cli, here, lines):
    result = cli(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    said = lines(result.stderr)
    assert said[0].startswith("Usage: jpegfilter restore ")
    assert [line for line in said if line.startswith("Error: ")] == said[-1:]
    assert names() == ["in.jpg"]


def test_one_bad_file_among_many_is_status_1(cli, here, lines):
    Path("empty.jpg").touch()
    Path("regular").touch()
    result = cli("in.jpg", "empty.jpg", "out", "-Q", *QUICK)
    assert result.exit_code == 1
    assert len(lines(result.stderr)) == 1
    assert names() == ["empty.jpg", "in.jpg", "out/in.png", "regular"]


def test_jobs_change_nothing_but_the_time(cli, here, content):
    Path("tree").mkdir()
    for name in "abcde":
        Path(f"tree/{name}.jpg").write_bytes(content)
    Path("tree/bad.jpg").write_bytes(b"some text")
    for jobs in (1, 3):
        result = cli("tree", f"out{jobs}", "-Q", "-j", jobs, *QUICK)
        assert result.exit_code == 1
        assert result.stderr.count("jpegfilter: tree/bad.jpg: wanted") == 1
    one, three = ({p.name: p.read_bytes() for p in Path(f"out{jobs}").iterdir()} for jobs in (1, 3))
    assert len(one) == 5
    assert one == three


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("name", ["/dev/full", "-"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff"])
def test_a_device_that_is_full_is_one_line_and_status_3(kind, name, process, here):
    with Path("/dev/full").open("wb") as full:
        done = process(
            "in.jpg", name, "-f", kind, "-Q", *QUICK, capture_output=False, stdout=full, stderr=subprocess.PIPE
        )
    said = done.stderr.decode().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("jpegfilter: ")
    assert done.returncode == 3


@pytest.mark.skipif(sys.platform == "win32", reason="no limits there")
@pytest.mark.parametrize(
    "options",
    [*(["-f", kind] for kind in FORMATS), ["-f", "png", "--bits", "16"], ["-f", "tiff", "--bits", "16"]],
    ids=" ".join,
)
def test_a_disk_that_is_full_is_one_line_and_status_3(options, process, here, encode):
    Path("in.jpg").write_bytes(encode(np.random.default_rng(2).integers(0, 256, (300, 300, 3), np.uint8), 90))
    Path("out.png").write_bytes(b"there before")

    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    done = process("in.jpg", "out.png", *options, "-s", "0", "-Q", *QUICK, first=limit)
    said = done.stderr.decode().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("jpegfilter: ")
    assert done.returncode == 3
    assert names() == ["in.jpg", "out.png"]
    assert Path("out.png").read_bytes() == b"there before"


@pytest.mark.skipif(sys.platform == "win32", reason="no such closing there")
@pytest.mark.parametrize(("arguments", "closed"), [(("in.jpg", "-"), 1), (("-", "out.png"), 0)])
def test_a_closed_stream_is_no_reason_for_a_traceback(arguments, closed, process, here):
    done = process(*arguments, "-Q", *QUICK, first=f"os.close({closed})")
    assert done.returncode in (1, 3)
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"jpegfilter: ")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_leaves_is_no_reason_for_a_traceback(process, here):
    ours, theirs = os.pipe()
    os.close(ours)
    done = process("in.jpg", "-", *QUICK, capture_output=False, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_are_no_text_are_names(encoding, process, here, content):
    name = b"caf\xe9\xff.jpg"
    Path(os.fsdecode(name)).write_bytes(content)
    done = process(name, "out", "-v", "--json", *QUICK, environment={"PYTHONIOENCODING": f"{encoding}:strict"})
    assert b"Traceback" not in done.stderr
    assert done.returncode == 2
    done = process(name, "out/", "-v", "--json", *QUICK, environment={"PYTHONIOENCODING": f"{encoding}:strict"})
    assert (done.returncode, json.loads(done.stdout)["restored"]) == (0, 1)
    assert [os.fsencode(path.name) for path in Path("out").iterdir()] == [b"caf\xe9\xff.png"]


# Ctrl-C.


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Twelve megapixels that take any encoder a while."""
    path = tmp_path_factory.mktemp("noise") / "noise.jpg"
    pixels = np.random.default_rng(1).integers(0, 256, (3000, 4000, 3), np.uint8)
    Image.fromarray(pixels).save(path, quality=60)
    return path


HEED = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"
"""Where these tests run in the background, an interrupt would be ignored."""


def interrupted(command, is_time):
    """Start a command, interrupt it when it is time, and return its status and what it said."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        while running.poll() is None and not is_time(running):
            time.sleep(0.001)
        assert running.poll() is None, "it ended before it could be interrupted"
        running.send_signal(signal.SIGINT)
        out, said = running.communicate(timeout=120)
    return running.returncode, out, said.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_while_restoring_leaves_nothing(jobs, command, here, noise):
    def is_time(running):
        return running.stderr.readline().startswith(f"jpegfilter: {DEFAULT} on".encode())

    Path("tree").mkdir()
    for name in ("a.jpg", "b.jpg"):
        Path(f"tree/{name}").symlink_to(noise)
    arguments = ["tree", "out", *QUICK, "-j", str(jobs), "--tile", "512"]
    status, out, said = interrupted([*command(HEED), *arguments], is_time)
    assert (status, out) == (130, b"")
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "jpegfilter: stopped"
    assert not list(Path("out").glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_an_interrupt_while_writing_leaves_nothing(command, here, noise):
    Path("out.png").write_bytes(b"there before")

    def is_time(running):
        return any(path.stat().st_size > 100_000 for path in Path().glob(".jpegfilter-*"))

    status, out, said = interrupted([*command(HEED), str(noise), "out.png", "-s", "0", "-Q", *QUICK], is_time)
    assert (status, out) == (130, b"")
    assert said.strip() == "jpegfilter: stopped"
    assert names() == ["in.jpg", "out.png"]
    assert Path("out.png").read_bytes() == b"there before"
