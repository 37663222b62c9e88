"""Checkpoints: the same after saving and loading, whole at every moment, refused when damaged."""

import dataclasses
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

from jpegfilter import weights  # noqa: E402
from jpegfilter.engines import torch_network  # noqa: E402
from jpegfilter.errors import UsageError, WeightsError  # noqa: E402
from jpegfilter.training import checkpoint  # noqa: E402
from jpegfilter.training import recipe as recipes  # noqa: E402
from jpegfilter.training.checkpoint import Checkpoint  # noqa: E402

SHIPPED = Path(recipes.__file__).parent / "recipes"


@pytest.fixture
def state(recipe):
    random = torch.Generator().manual_seed(1)
    weights = {"units.0.weight": torch.randn(4, 3, 3, 3, generator=random), "bias": torch.randn(4, generator=random)}
    average = {name: tensor / 2 for name, tensor in weights.items()}
    moments = {"bias.exp_avg": torch.randn(4, generator=random), "bias.step": torch.tensor(7.0)}
    return Checkpoint(7, weights, average, moments, recipe(), {"commit": "abc", "data": "Größe"})


def equal(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def test_loading_gives_what_was_saved(state, tmp_path):
    path = tmp_path / "run.safetensors"
    checkpoint.save(state, path)
    loaded = checkpoint.load(path)
    assert (loaded.step, loaded.recipe, loaded.origin) == (state.step, state.recipe, state.origin)
    for group in ("weights", "average", "moments"):
        assert equal(getattr(loaded, group), getattr(state, group))


def test_memory_format_changes_nothing(state, tmp_path):
    turned = {name: t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for name, t in state.weights.items()}
    checkpoint.save(dataclasses.replace(state, weights=turned), tmp_path / "run.safetensors")
    assert equal(checkpoint.load(tmp_path / "run.safetensors").weights, state.weights)


def test_run_without_moments_is_kept(state, tmp_path):
    checkpoint.save(dataclasses.replace(state, moments={}), tmp_path / "run.safetensors")
    assert checkpoint.load(tmp_path / "run.safetensors").moments == {}


def test_saving_replaces_and_leaves_nothing_beside(state, tmp_path):
    path = tmp_path / "run.safetensors"
    path.write_bytes(b"old")
    checkpoint.save(state, path)
    checkpoint.save(dataclasses.replace(state, step=8), path)
    assert checkpoint.load(path).step == 8
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.safetensors"]


def test_failed_saving_leaves_the_old_one(state, tmp_path):
    path = tmp_path / "run.safetensors"
    checkpoint.save(state, path)
    kept = path.read_bytes()
    with pytest.raises(TypeError):
        checkpoint.save(dataclasses.replace(state, origin={"commit": object()}), path)
    assert path.read_bytes() == kept


@pytest.mark.parametrize("size", [0, 1, 8, 100, -100, -1])
def test_cut_file_is_a_weights_error(state, tmp_path, size):
    path = tmp_path / "run.safetensors"
    checkpoint.save(state, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(WeightsError):
        checkpoint.load(path)


def test_other_files_are_weights_errors(tmp_path):
    path = tmp_path / "run.safetensors"
    for content in (b"text", b"\x80\x04N.", bytes(64), b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(WeightsError):
            checkpoint.load(path)
    for absent in (tmp_path / "none", tmp_path):
        with pytest.raises(WeightsError):
            checkpoint.load(absent)


TEXTS = {
    "none": None,
    "of another program": {"format": "pt"},
    "no JSON": {"jpegfilter": "step 7"},
    "no object": {"jpegfilter": "[]"},
    "nothing": {"jpegfilter": "{}"},
    "a recipe of nothing": {"jpegfilter": json.dumps({"step": 7, "recipe": {}, "origin": {}})},
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_tensors_without_a_runs_text_are_a_weights_error(tmp_path, text):
    path = tmp_path / "other.safetensors"
    safetensors_torch.save_file({"weights/bias": torch.zeros(4)}, path, metadata=text)
    with pytest.raises(WeightsError):
        checkpoint.load(path)


def test_tensors_of_unknown_groups_are_a_weights_error(state, tmp_path):
    path = tmp_path / "other.safetensors"
    text = {"step": 7, "recipe": state.recipe.to_dict(), "origin": {}}
    safetensors_torch.save_file({"bias": torch.zeros(4)}, path, metadata={"jpegfilter": json.dumps(text)})
    with pytest.raises(WeightsError):
        checkpoint.load(path)


@pytest.mark.parametrize("name", ["fast", "default"])
def test_a_run_may_begin_with_shipped_weights(name):
    card = weights.find(name)
    begun = checkpoint.beginning(card, recipes.load(SHIPPED / f"{name}-further.toml"))
    assert (begun.step, begun.moments, begun.origin) == (0, {}, {checkpoint.BEGAN: f"{name} {card.sha256}"})
    expected = dict(torch_network.network(card).named_parameters())
    assert equal(begun.weights, expected)
    assert equal(begun.average, expected)


@pytest.mark.parametrize(("name", "trained"), [("fast", "default"), ("default", "fast"), ("qgac", "qgac")])
def test_a_recipe_for_another_network_cannot_begin_with_it(name, trained):
    with pytest.raises(UsageError):
        checkpoint.beginning(weights.find(name), recipes.load(SHIPPED / f"{trained}.toml"))
