"""`jpegfilter --optimize`: repeatable, ended early without loss, and clear about what it needs."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("onnx")

FIT = ("--optimize", "-m", "fast", "-d", "cpu", "-t", "1")


@pytest.fixture
def jpeg(photo, tmp_path):
    path = tmp_path / "in.jpg"
    Image.fromarray(photo[:96, :96]).save(path, quality=10)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.array(image)


def test_same_seed_gives_the_same_file(cli, jpeg, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        result = cli(jpeg, tmp_path / f"{name}.png", *FIT, "--steps", 2, "--seed", seed)
        assert result.exit_code == 0, result.output
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "c.png"))


def test_folder_is_optimized_and_a_bad_file_costs_a_line(cli, jpeg, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8no")
    result = cli(tmp_path, tmp_path / "out", *FIT, "--steps", 1, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["restored"], report["failed"]) == (1, 1)
    assert "torch" in report["device"]


@pytest.mark.parametrize(
    "wrong",
    [("--steps", "0"), ("--seconds", "0"), ("--preview", "-1"), ("-m", "fast-arcnn"), ("-d", "directml")],
    ids=str,
)
def test_what_is_of_no_use_is_refused(cli, jpeg, tmp_path, wrong):
    result = cli(jpeg, tmp_path / "out.png", *FIT, *wrong)
    assert result.exit_code in (2, 4)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("lone", [("--preview", "5"), ("--seconds", "5")], ids=str)
def test_what_goes_with_a_fit_is_refused_without_one(cli, jpeg, tmp_path, lone):
    result = cli(jpeg, tmp_path / "out.png", *FIT[1:], *lone)
    assert result.exit_code == 2
    assert "--optimize" in result.output
    assert not (tmp_path / "out.png").exists()


def test_machine_without_torch_is_told_what_to_install(process, jpeg, tmp_path):
    (tmp_path / "missing").mkdir()
    (tmp_path / "missing" / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')\n")
    told = {"PYTHONPATH": str(tmp_path / "missing")}
    done = process(str(jpeg), str(tmp_path / "out.png"), *FIT, environment=told)
    assert done.returncode == 2
    assert b"jpegfilter[optimize]" in done.stderr
    plain = process(str(jpeg), str(tmp_path / "out.png"), "-m", "fast", environment=told)
    assert plain.returncode == 0, plain.stderr


HEED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""Where these tests run in the background, an interrupt would be ignored."""


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
@pytest.mark.parametrize("interrupts", [1, 2])
def test_an_interrupt_ends_the_fit_and_a_second_the_program(command, jpeg, tmp_path, interrupts):
    target = tmp_path / "out.png"
    arguments = [str(jpeg), str(target), *FIT, "--steps", "100000000", "--preview", "0.2"]
    with subprocess.Popen([*command(HEED), *arguments], stderr=subprocess.PIPE) as running:
        end = time.monotonic() + 100
        while not target.with_name("out.preview.png").exists():
            assert time.monotonic() < end
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.01)
        for _ in range(interrupts):
            running.send_signal(signal.SIGINT)
            time.sleep(0.02)
        _, said = running.communicate(timeout=100)
    assert "Traceback" not in said.decode()
    if interrupts == 1:
        assert running.returncode == 0
        assert pixels(target).shape == pixels(jpeg).shape
        assert "ending the fit" in said.decode()
    else:
        assert running.returncode == 130
        assert not target.exists()
    assert not target.with_name("out.preview.png").exists()
    assert not list(Path(tmp_path).glob(".jpegfilter-*"))


UNTRAINED = ("--optimize", "--untrained", "low", "-d", "cpu", "-t", "1", "--steps", "2")


@pytest.mark.parametrize(
    "options", [(), ("--loss", "kl-q-sure-100"), ("--loss", "mse", "--no-skips", "--stop", "none")]
)
def test_untrained_network_is_fitted(cli, jpeg, tmp_path, options):
    result = cli(jpeg, tmp_path / "out.png", *UNTRAINED, *options)
    assert result.exit_code == 0, result.output
    assert "low on torch" in result.output
    assert pixels(tmp_path / "out.png").shape == pixels(jpeg).shape


@pytest.mark.parametrize(
    ("options", "named"),
    [(("--optimize", "--loss", "mse"), "--loss"), (("--untrained", "low"), "--untrained"),
     (("--seed", "3"), "--seed"), (("--optimize", "--input", "jpeg"), "--input")],
    ids=str,
)  # fmt: skip
def test_what_goes_with_something_else_is_refused_without_it(cli, jpeg, tmp_path, options, named):
    result = cli(jpeg, tmp_path / "out.png", "-m", "fast", *options)
    assert result.exit_code == 2
    assert named in result.output
    assert not (tmp_path / "out.png").exists()
