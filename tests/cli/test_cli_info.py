"""`jpegfilter info` and the program's own face: help, version, completion."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jpegfilter
from jpegfilter.cli.main import COMMANDS, exit_status
from jpegfilter.errors import (
    BrokenImageError,
    DeviceError,
    InputError,
    JpegFilterError,
    NotAnImageError,
    OutputError,
    UnsupportedError,
    UsageError,
    WeightsError,
)
from jpegfilter.pipeline.inspection import inspect

MODES = {
    "4:2:0": ({"subsampling": 2}, "YCbCr, subsampling 4:2:0"),
    "4:4:4": ({"subsampling": 0}, "YCbCr, subsampling 4:4:4"),
    "gray": ({"mode": "L"}, "gray, subsampling none"),
    "RGB": ({"keep_rgb": True}, "RGB, subsampling 4:4:4"),
    "CMYK": ({"mode": "CMYK"}, "CMYK, subsampling 4:4:4"),
    "progressive": ({"progressive": True}, "YCbCr, subsampling 4:2:0"),
}


@pytest.fixture
def files(here, photo, encode):
    """A file of every mode, by name."""
    for name, (options, _) in MODES.items():
        Path(f"{name.replace(':', '')}.jpg").write_bytes(encode(photo, 37, **options))
    return {name: f"{name.replace(':', '')}.jpg" for name in MODES}


# Text.


@pytest.mark.parametrize("name", MODES)
def test_the_text_says_what_people_ask(name, cli, files, lines):
    result = cli("info", files[name])
    assert (result.exit_code, result.stderr) == (0, "")
    said = lines(result.stdout)
    assert said[0] == files[name]
    assert f"  size         90 x 67 (0.01 MP), {Path(files[name]).stat().st_size} bytes" in said
    assert f"  process      {'progressive' if name == 'progressive' else 'baseline'}" in said
    assert f"  color        {MODES[name][1]}" in said
    assert "  quality      about 37 (the IJG's tables)" in said
    assert not any(line.startswith(("  metadata", "  orientation")) for line in said)


def test_a_past_is_said_with_where_its_blocks_begin(cli, here, photo, encode, lines):
    first = Image.open(io.BytesIO(encode(np.tile(photo, (2, 2, 1)), 10)))
    first.save("same.jpg", quality=90)
    first.crop((3, 5, *first.size)).save("cropped.jpg", quality=90)
    assert "  past         a JPEG of quality 10" in lines(cli("info", "same.jpg").stdout)
    assert "  past         a JPEG of quality 10, blocks from row 3, column 5" in lines(
        cli("info", "cropped.jpg").stdout
    )
    assert "  past         no trace of a coarser compression" in lines(cli("info", "in.jpg").stdout)


def test_a_picture_that_is_no_jpeg_is_said_its_past(cli, here, photo, encode, lines):
    first = Image.open(io.BytesIO(encode(np.tile(photo, (2, 2, 1)), 10)))
    first.crop((0, 1, *first.size)).save("past.png")
    Image.fromarray(photo).save("clean.png")
    size = Path("clean.png").stat().st_size
    expected = ["clean.png", f"  size         90 x 67 (0.01 MP), {size} bytes", "  color        RGB, no JPEG"]
    assert lines(cli("info", "clean.png").stdout) == [*expected, "  past         no trace of JPEG compression"]
    assert (
        lines(cli("info", "past.png").stdout)[3] == "  past         a JPEG of quality 10, blocks from row 7, column 0"
    )
    said = json.loads(cli("info", "--json", "past.png", "clean.png", "in.jpg").stdout)
    assert [file["past"] for file in said] == [{"quality": 10, "top": 7, "left": 0}, None, None]


def test_tables_are_shown_row_by_row(cli, files, lines):
    table = inspect(Path(files["gray"]))["tables"]["0"]
    shown = [line[15:].split() for line in lines(cli("info", files["gray"]).stdout)[-8:]]
    assert [[int(step) for step in row] for row in shown] == table


def test_metadata_and_resolution_are_named(cli, here, photo, encode, lines):
    exif = Image.Exif()
    exif[0x0112] = 6
    Path("in.jpg").write_bytes(encode(photo, exif=exif, dpi=(300, 150), comment="said so"))
    said = lines(cli("info", "in.jpg").stdout)
    assert "  orientation  6" in said
    assert "  resolution   300 x 150 dpi" in said
    (line,) = [line for line in said if line.startswith("  metadata")]
    assert "exif" in line
    assert "comment 7 bytes" in line


# JSON.


def test_the_report_is_a_list_of_what_inspect_says(cli, files):
    result = cli("info", "--json", *files.values())
    assert result.exit_code == 0
    expected = [inspect(Path(name)) for name in files.values()]
    assert json.loads(result.stdout, parse_constant=pytest.fail) == json.loads(json.dumps(expected))


# Failures.


def test_a_bad_file_does_not_hide_the_good_ones(cli, files, lines):
    Path("text.jpg").write_text("some text\n")
    for options in ((), ("--json",)):
        result = cli("info", *options, "absent.jpg", files["4:2:0"], "text.jpg", ".", files["gray"])
        assert result.exit_code == 1
        said = lines(result.stderr)
        assert [line.split(":")[1].strip() for line in said] == ["absent.jpg", "text.jpg", "."]
        assert all(line.startswith("jpegfilter: ") and "wanted" in line for line in said)
        assert result.stdout.count("420.jpg") == result.stdout.count("gray.jpg") == 1


def test_json_of_nothing_is_an_empty_list(cli, here):
    result = cli("info", "--json", "absent.jpg")
    assert (result.exit_code, json.loads(result.stdout)) == (1, [])


def test_info_wants_a_file(cli):
    result = cli("info")
    assert result.exit_code == 2
    assert "Error: Missing argument" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_are_no_text_are_names(encoding, process, here, content):
    name = b"caf\xc3\xa9\xff.jpg"
    Path(os.fsdecode(name)).write_bytes(content)
    for options in ((), ("--json",)):
        done = process("info", *options, name, environment={"PYTHONIOENCODING": f"{encoding}:strict"})
        assert b"Traceback" not in done.stderr
        assert done.returncode == 0
        assert b"YCbCr" in done.stdout


# The program.


def test_the_version_is_the_packages(cli):
    assert cli("--version").stdout == f"jpegfilter, version {jpegfilter.__version__}\n"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_every_command(option, cli):
    result = cli(option)
    assert (result.exit_code, result.stderr) == (0, "")
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)
    assert "jpegfilter IN.jpg OUT.png" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, cli):
    for option in ("-h", "--help"):
        result = cli(command, option)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.startswith(f"Usage: jpegfilter {command} ")
        assert max(map(len, result.stdout.splitlines())) <= 100


def test_the_help_tells_every_status(cli):
    text = " ".join(cli("restore", "--help").stdout.split())
    assert "0 all restored, 1 some input failed, 2 wrong usage, 3 output not written, 4 device or weights" in text


def test_without_arguments_it_shows_its_help(cli):
    result = cli()
    assert result.exit_code == 2
    assert result.output == cli("--help").output


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (JpegFilterError, 1),
        (UsageError, 2),
        (InputError, 1),
        (NotAnImageError, 1),
        (BrokenImageError, 1),
        (UnsupportedError, 1),
        (OutputError, 3),
        (DeviceError, 4),
        (WeightsError, 4),
    ],
)
def test_every_error_has_its_status(kind, status):
    assert exit_status(kind("this", "that")) == status


def test_the_module_is_the_program(process, here):
    done = process("--version")
    assert (done.returncode, done.stdout.decode()) == (0, f"jpegfilter, version {jpegfilter.__version__}\n")
    for arguments, status in (
        (("absent.jpg", "out.png"), 1),
        (("--bogus",), 2),
        (("in.jpg", "-m", "absent", "out.png"), 4),
    ):
        done = process(*arguments)
        assert (done.returncode, done.stdout) == (status, b"")
        assert b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_leaves_is_no_reason_for_a_traceback(process):
    ours, theirs = os.pipe()
    os.close(ours)
    done = process("models", "--json", capture_output=False, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    assert done.returncode != 0
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line(process):
    with Path("/dev/full").open("wb") as full:
        done = process("models", "--json", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    said = done.stderr.decode().splitlines()
    assert len(said) == 1, said
    assert done.returncode == 3


# Completion.


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script(shell, cli):
    result = cli("completion", shell)
    assert result.exit_code == 0
    assert "_JPEGFILTER_COMPLETE" in result.stdout
    assert f"{shell}_complete" in result.stdout


def test_other_shells_are_refused(cli):
    result = cli("completion", "tcsh")
    assert result.exit_code == 2
    assert "'tcsh' is not one of" in result.stderr


def completed(process, *words):
    environment = {
        "_JPEGFILTER_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = process(environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().split()


def test_commands_and_options_are_completed(process):
    assert completed(process, "jpegfilter", "mod")[0] == "plain,models"
    assert "plain,--output-quality" in completed(process, "jpegfilter", "restore", "--out")


@pytest.mark.parametrize("words", [("restore", "in"), ("info", "in"), ("in",), ("in.jpg", "ou")], ids=" ".join)
def test_file_names_are_completed(words, process):
    # A script that answers nothing leaves the shell with nothing: it must say that a file is wanted.
    assert {answer.partition(",")[0] for answer in completed(process, "jpegfilter", *words)} & {"file", "dir"}
