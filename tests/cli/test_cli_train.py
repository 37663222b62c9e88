"""`jpegfilter train`: a few steps of a tiny recipe, broken off and gone on with."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="torch is missing: training is NOT tested")
safetensors = pytest.importorskip("safetensors", reason="safetensors is missing: training is NOT tested")

from jpegfilter.engines import torch_network  # noqa: E402
from jpegfilter.weights import find  # noqa: E402

RECIPE = """
network = "fast-arcnn"
widths = { width = 4, shrunk = 4, narrow = 4 }
patch = 32
batch = 2
rescale_share = 0.0
validation_share = 0.5
seed = 1
phases = [{ rate = 1e-3, patches = 4 }, { rate = 1e-4, patches = 4 }]

[samplings]
"4:2:0" = 1.0
"""
STEPS = 4
MINUTES = ("--minutes", "1e-6")
"""Less than any step takes: the run ends after its first."""


@pytest.fixture
def folder(here, photo):
    Path("tiny.toml").write_text(RECIPE)
    Path("clean").mkdir()
    for number in range(8):
        Image.fromarray(np.ascontiguousarray(photo[number : number + 40, 5 * number : 5 * number + 36])).save(
            f"clean/{number}.png"
        )
    return Path("clean")


@pytest.fixture
def train(cli, folder):
    def run(*arguments, recipe="tiny.toml", out="run.safetensors"):
        return cli("train", recipe, "--data", folder, "--out", out, "--no-compile", "--threads", "1", *arguments)

    return run


def read(path):
    with safetensors.safe_open(path, framework="numpy") as file:
        text = json.loads(file.metadata()["jpegfilter"])
        return text, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def test_a_run_leaves_a_checkpoint(train):
    result = train(out="new/run.safetensors")
    assert (result.exit_code, result.stdout) == (0, "")
    text, tensors = read("new/run.safetensors")
    assert text["step"] == STEPS
    assert text["recipe"]["widths"] == {"width": 4, "shrunk": 4, "narrow": 4}
    assert set(text["origin"]) >= {"commit", "data", "torch", "numpy"}
    assert {name.partition("/")[0] for name in tensors} == {"weights", "average", "moments"}
    assert [path.name for path in Path("new").iterdir()] == ["run.safetensors"]


def test_a_run_broken_off_goes_on_to_where_it_would_have_come(train):
    assert train(out="whole.safetensors").exit_code == 0
    assert train(*MINUTES).exit_code == 0
    assert read("run.safetensors")[0]["step"] == 1
    assert train().exit_code == 0
    (text, tensors), (expected_text, expected) = read("run.safetensors"), read("whole.safetensors")
    assert text == expected_text
    assert set(tensors) == set(expected)
    for name, tensor in tensors.items():
        assert np.array_equal(tensor, expected[name]), name


def test_a_run_at_its_end_stays_there(train):
    assert train("--patches", "4").exit_code == 0
    text, tensors = read("run.safetensors")
    assert train("--patches", "400").exit_code == 0
    again, same = read("run.safetensors")
    assert (text, again["step"]) == (again, 2)
    assert all(np.array_equal(tensor, same[name]) for name, tensor in tensors.items())


FURTHER = """
network = "table-unet"
patch = 32
batch = 2
validation_share = 0.5
phases = [{ rate = 1e-9, patches = 4 }]

[samplings]
"4:2:0" = 1.0

[widths]
""" + "\n".join(f"{name} = {width}" for name, width in find("fast").recipe["widths"].items())


def test_training_goes_on_from_a_model_that_ships(train):
    Path("further.toml").write_text(FURTHER)
    assert train("--from", "fast", *MINUTES, recipe="further.toml").exit_code == 0
    assert train("--from", "fast", recipe="further.toml").exit_code == 0
    text, tensors = read("run.safetensors")
    assert text["step"] == 2
    assert text["origin"]["began as"] == f"fast {find('fast').sha256}"
    shipped = dict(torch_network.network(find("fast")).named_parameters())
    for name, parameter in shipped.items():
        assert np.allclose(tensors[f"average/{name}"], parameter.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("name", ["default", "fast-arcnn", "absent"])
def test_a_model_that_is_not_the_recipes_is_no_beginning(name, train, lines):
    Path("further.toml").write_text(FURTHER)
    result = train("--from", name, recipe="further.toml")
    (line,) = lines(result.stderr)
    assert line.startswith("jpegfilter: wanted ")
    assert result.exit_code
    assert not Path("run.safetensors").exists()


BAD = {
    "no such name": ("absent", None),
    "no such file": ("absent.toml", None),
    "a folder": (".", None),
    "no TOML": ("bad.toml", "network ="),
    "nothing": ("bad.toml", ""),
    "no multiple of 32": ("bad.toml", RECIPE.replace("patch = 32", "patch = 33")),
    "an unknown network": ("bad.toml", RECIPE.replace('"fast-arcnn"', '"absent"')),
    "an unknown width": ("bad.toml", RECIPE.replace("width = 4", "breadth = 4")),
    "an unknown entry": ("bad.toml", RECIPE.replace("seed = 1", "sead = 1")),
    "no sampling": ("bad.toml", RECIPE.replace('"4:2:0" = 1.0', "")),
    "an unknown sampling": ("bad.toml", RECIPE.replace("4:2:0", "4:9:9")),
    "a word for the batch": ("bad.toml", RECIPE.replace("batch = 2", 'batch = "two"')),
    "a word for the rate": ("bad.toml", RECIPE.replace("rate = 1e-3", 'rate = "fast"')),
    "no text": ("bad.toml", RECIPE + "\xff"),
}


@pytest.mark.parametrize(("recipe", "text"), BAD.values(), ids=BAD)
def test_a_bad_recipe_is_one_line_and_status_2(recipe, text, train, lines):
    if text is not None:
        Path(recipe).write_bytes(text.encode("latin-1"))
    result = train(recipe=recipe)
    (line,) = lines(result.stderr)
    assert line.startswith("jpegfilter: wanted ")
    assert result.exit_code == 2
    assert not Path("run.safetensors").exists()


def test_what_is_no_checkpoint_is_not_gone_on_from(train, lines):
    for content in (b"", b"some text", bytes(100)):
        Path("run.safetensors").write_bytes(content)
        result = train()
        (line,) = lines(result.stderr)
        assert line.startswith("jpegfilter: wanted a training checkpoint")
        assert result.exit_code == 4
        assert Path("run.safetensors").read_bytes() == content


@pytest.mark.parametrize("device", ["nonsense", "cuda:4711"])
def test_a_device_that_does_not_work_is_one_line(device, train, lines):
    result = train("--device", device)
    (line,) = lines(result.stderr)
    assert line.startswith("jpegfilter: wanted ")
    assert result.exit_code in (2, 4)
    assert not Path("run.safetensors").exists()


def test_a_checkpoint_that_cannot_be_written_is_one_line_and_status_3(train, lines):
    result = train(out="in.jpg/run.safetensors")
    (line,) = lines(result.stderr)
    assert line.startswith("jpegfilter: wanted ")
    assert result.exit_code == 3


def test_pictures_of_no_use_are_refused(train, folder, photo, lines):
    for path in folder.iterdir():
        Image.fromarray(photo[:31, :31]).save(path)
    result = train()
    (line,) = lines(result.stderr)
    assert line.startswith("jpegfilter: wanted a folder of lossless images")
    assert result.exit_code == 2
