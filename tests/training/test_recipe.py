"""Recipes: read, written back, refused, and followed."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from jpegfilter.errors import UsageError
from jpegfilter.jpeg.sampling import FACTORS
from jpegfilter.networks import NETWORKS, build
from jpegfilter.training import recipe as recipes
from jpegfilter.training.recipe import Phase, from_dict, load, scaled

SHIPPED = sorted((Path(recipes.__file__).parent / "recipes").glob("*.toml"))


def test_recipes_ship():
    assert SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipe_can_be_followed(path):
    recipe = load(path)
    assert recipe.network in NETWORKS
    assert build(recipe.network, recipe.widths).multiple
    assert set(recipe.samplings) <= {*FACTORS, "gray"}
    assert sum(recipe.samplings.values()) == pytest.approx(1)
    assert 1 <= recipe.quality[0] <= recipe.quality[1] <= 100
    assert 1 <= recipe.low_quality[0] <= recipe.low_quality[1] <= 100
    assert recipe.steps > 0


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipe_survives_a_checkpoints_json(path):
    recipe = load(path)
    assert from_dict(recipe.to_dict()) == recipe
    assert from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_reading_leaves_the_values_as_they_were(recipe):
    values = recipe().to_dict()
    kept = json.dumps(values)
    from_dict(values)
    assert json.dumps(values) == kept


WRONG = {
    "no network": {"network": None},
    "no patch": {"patch": None},
    "no phases": {"phases": None},
    "no samplings": {"samplings": None},
    "unknown entry": {"momentum": 0.9},
    "unknown entry of a phase": {"phases": [{"rate": 1e-3, "patches": 4, "warm": 1}]},
    "phase without a rate": {"phases": [{"patches": 4}]},
    "empty phases": {"phases": []},
    "phases a number": {"phases": 3},
    "patch no multiple of 32": {"patch": 40},
    "patch 0": {"patch": 0},
    "negative patch": {"patch": -32},
    "batch 0": {"batch": 0},
    "patch in quotes": {"patch": "32"},
    "unknown sampling": {"samplings": {"5:5:5": 1.0}},
    "quality 0": {"quality": [0, 95]},
    "quality 101": {"quality": [1, 101]},
    "qualities reversed": {"low_quality": [40, 5]},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_recipe_that_cannot_be_followed_is_a_usage_error(recipe, change):
    values = {name: value for name, value in (recipe().to_dict() | change).items() if value is not None}
    with pytest.raises(UsageError):
        from_dict(values)


def test_file_that_is_no_recipe_is_a_usage_error(tmp_path):
    path = tmp_path / "recipe.toml"
    for content in (b"network = ", b"\xff\xfe\x00", b"", b'network = "fast-arcnn"\n'):
        path.write_bytes(content)
        with pytest.raises(UsageError):
            load(path)
    with pytest.raises(UsageError):
        load(tmp_path / "none.toml")


def test_steps_are_whole_batches(recipe):
    assert recipe().steps == 6
    assert recipe(batch=5).steps == 2


def test_rate_follows_the_patches_seen(recipe):
    made = recipe(phases=[{"rate": 3.0, "patches": 8}, {"rate": 2.0, "patches": 4}, {"rate": 1.0, "patches": 2}])
    assert [made.rate(step) for step in range(9)] == [3, 3, 3, 3, 2, 2, 1, 1, 1]
    odd = recipe(batch=3, phases=[{"rate": 2.0, "patches": 4}, {"rate": 1.0, "patches": 5}])
    assert [odd.rate(step) for step in range(4)] == [2, 2, 1, 1]


@pytest.mark.parametrize("patches", [12, 24, 120, 6])
def test_scaling_keeps_the_shares_of_the_phases(recipe, patches):
    made = scaled(recipe(), patches=patches)
    assert made.phases == (Phase(1e-3, patches * 8 // 12), Phase(1e-4, max(2, patches * 4 // 12)))
    assert made.to_dict() | {"phases": None} == recipe().to_dict() | {"phases": None}


def test_scaling_leaves_every_phase_a_step(recipe):
    made = scaled(recipe(), patches=1)
    assert [phase.patches for phase in made.phases] == [2, 2]
    assert made.steps == 2
