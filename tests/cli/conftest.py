"""The program in this process and in one of its own, and files to run it on."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage import data

from jpegfilter.cli.main import program


def _run(*arguments, input=None):
    result = CliRunner().invoke(program, [str(a) for a in arguments], input=input, prog_name="jpegfilter")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="session")
def cli():
    """`cli(*arguments, input=None)`: click's result; what would be a traceback is raised."""
    return _run


COMMAND = [sys.executable, "-W", "error", "-m", "jpegfilter"]


def _prepared(first):
    """Return what starts the program after `first`, some Python: subprocess's preexec_fn is unsafe beside threads."""
    return [sys.executable, "-c", f"import os, sys; {first}; os.execv(sys.argv[1], sys.argv[1:])", *COMMAND]


@pytest.fixture(scope="session")
def command():
    """`command(first)`: what starts the program in a process of its own, after `first`; warnings are errors."""
    return _prepared


def _start(*arguments, first="pass", environment=None, **options):
    command = [*(COMMAND if first == "pass" else _prepared(first)), *map(os.fsencode, arguments)]
    options = {"capture_output": True, "timeout": 120, "env": os.environ | (environment or {})} | options
    return subprocess.run(command, check=False, **options)


@pytest.fixture(scope="session")
def process():
    """`process(*arguments, first="pass", environment=None, **options of subprocess.run)`: the finished process."""
    return _start


@pytest.fixture(scope="session")
def photo():
    """RGB; neither side a multiple of 8."""
    return np.ascontiguousarray(data.astronaut()[20:87, 160:250])


def _encode(pixels, quality=30, *, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def encode():
    """`encode(pixels, quality, mode=..., **Pillow's options)`: the bytes of a JPEG."""
    return _encode


@pytest.fixture(scope="session")
def content(photo):
    return _encode(photo)


@pytest.fixture
def here(tmp_path, monkeypatch, content):
    """A working folder that holds `in.jpg`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jpg").write_bytes(content)
    return tmp_path


@pytest.fixture(scope="session")
def lines():
    """The lines of a text, which must end with its last."""

    def split(text):
        assert text == "" or text.endswith("\n")
        return text.splitlines()

    return split
