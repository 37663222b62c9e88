"""What the package offers, and what importing it and running its program do not load."""

import json
import subprocess
import sys

import pytest
from skimage import data

import jpegfilter
from jpegfilter.codec.clean import compress

HEAVY = {"torch", "onnxruntime", "PIL", "click", "rich", "numpy", "jpeglib", "tifffile"}


def loaded_by(code, *arguments):
    """Return the top-level modules that a fresh interpreter has after `code`."""
    report = "\nimport json, sys\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    command = [sys.executable, "-W", "error", "-c", code + report, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_all_is_what_is_public():
    assert jpegfilter.__all__ == [
        "EngineOptions",
        "JpegFilterError",
        "RestoreOptions",
        "Restorer",
        "__version__",
        "restore",
    ]


@pytest.mark.parametrize("name", jpegfilter.__all__)
def test_every_public_name_is_there(name):
    assert getattr(jpegfilter, name) is not None


def test_a_star_brings_the_public_names():
    space = {}
    exec("from jpegfilter import *", space)
    assert set(jpegfilter.__all__) <= set(space)


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="absent"):
        _ = jpegfilter.absent
    assert not hasattr(jpegfilter, "open_network")


def test_the_version_is_the_distributions():
    from importlib.metadata import version

    assert jpegfilter.__version__ == version("jpegfilter")


def test_errors_have_one_root():
    from jpegfilter import errors

    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(kinds) == 9
    assert all(issubclass(kind, jpegfilter.JpegFilterError) for kind in kinds)
    error = errors.OutputError("a place", "none", "make one")
    assert (error.wanted, error.came, error.remedy) == ("a place", "none", "make one")
    assert str(error) == "wanted a place, got none; make one"
    assert str(errors.OutputError("a place", "none")) == "wanted a place, got none"


def test_importing_loads_nothing_heavy():
    assert loaded_by("import jpegfilter") & HEAVY == set()


def test_help_loads_neither_torch_nor_onnx_runtime():
    code = """
from click.testing import CliRunner
from jpegfilter.cli.main import COMMANDS, program
for arguments in (["--help"], *([command, "--help"] for command in COMMANDS)):
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 0, result.output
"""
    assert loaded_by(code) & {"torch", "onnxruntime", "onnx", "safetensors", "skimage"} == set()


def test_restoring_loads_no_torch(tmp_path):
    (tmp_path / "a.jpg").write_bytes(compress(data.astronaut()[:32, :48], quality=30))
    code = """
import sys, jpegfilter
assert jpegfilter.restore(sys.argv[1], device="cpu", threads=1).size == (48, 32)
"""
    modules = loaded_by(code, tmp_path / "a.jpg")
    assert "onnxruntime" in modules
    assert modules & {"torch", "onnx", "safetensors", "click", "rich", "skimage", "scipy"} == set()
