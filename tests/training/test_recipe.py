"""Recipes: read, written back, refused, and followed."""

import dataclasses
import itertools
import json
import math
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
    "unknown optimizer": {"optimizer": "sgd"},
    "unknown loss": {"loss": "l2"},
    "unknown part": {"part": "chroma"},
    "no part": {"part": ""},
    "unknown part in a phase": {"phases": [{"rate": 1e-3, "patches": 4, "changes": {"part": "Luma"}}]},
    "unknown past": {"pasts": {"none": 0.5, "thrice": 0.5}},
    "pasts that are never drawn": {"pasts": {"none": 0.0}},
    "negative past": {"pasts": {"none": 1.5, "twice": -0.5}},
    "pasts a list": {"pasts": ["none", "twice"]},
    "samplings a list": {"samplings": ["4:2:0"]},
    "samplings that are never drawn": {"samplings": {"4:2:0": 0.0}},
    "negative sampling": {"samplings": {"4:2:0": 1.5, "gray": -0.5}},
    "other tables above 1": {"other_tables": 1.5},
    "other tables below 0": {"other_tables": -0.1},
    "negative warm-up": {"warm_up": -1},
    "matrix rate 0": {"matrix_rate": 0.0},
    "end below 0": {"phases": [{"rate": 1e-3, "patches": 4, "end": -1e-3}]},
    "end in quotes": {"phases": [{"rate": 1e-3, "patches": 4, "end": "1e-6"}]},
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
    assert recipe(batch=4).steps == 3
    assert recipe(batch=5).steps == 1  # a phase's rest is not mixed with the next


def test_rate_follows_the_patches_seen(recipe):
    made = recipe(phases=[{"rate": 3.0, "patches": 8}, {"rate": 2.0, "patches": 4}, {"rate": 1.0, "patches": 2}])
    assert [made.at(step)[1] for step in range(9)] == [3, 3, 3, 3, 2, 2, 1, 1, 1]
    odd = recipe(batch=3, phases=[{"rate": 2.0, "patches": 4}, {"rate": 1.0, "patches": 5}])
    assert [odd.at(step)[1] for step in range(4)] == [2, 1, 1, 1]


def test_phase_changes_the_recipe_while_it_lasts(recipe):
    changes = {"patch": 64, "batch": 3, "low_quality": [1, 9]}
    made = recipe(phases=[{"rate": 2.0, "patches": 4}, {"rate": 1.0, "patches": 6, "end": 0.0, "changes": changes}])
    assert made.steps == 2 + 2
    assert [made.at(step)[0].patch for step in range(5)] == [32, 32, 64, 64, 64]
    assert [made.at(step)[0].batch for step in range(5)] == [2, 2, 3, 3, 3]
    assert list(made.at(3)[0].low_quality) == [1, 9]
    assert [made.at(step)[1] for step in range(5)] == pytest.approx([2, 2, 1, 0.5, 0])
    assert made.at(0)[0] == made


@pytest.mark.parametrize("changes", [{"patch": 40}, {"batch": 0}, {"loss": "l3"}, {"patches": 1}, 7])
def test_changes_of_no_use_are_a_usage_error(recipe, changes):
    with pytest.raises(UsageError):
        recipe(phases=[{"rate": 1.0, "patches": 8, "changes": changes}])


def test_parts_follow_each_other(recipe):
    phases = [{"rate": 1.0, "patches": 4, "changes": {"part": part}} for part in ("luma", "color")]
    made = recipe(phases=[*phases, {"rate": 1.0, "patches": 2}])
    assert [made.at(step)[0].part for step in range(5)] == ["luma", "luma", "color", "color", "all"]
    assert from_dict(json.loads(json.dumps(made.to_dict()))) == made


@pytest.mark.parametrize("patches", [12, 24, 120, 6])
def test_scaling_keeps_the_shares_of_the_phases(recipe, patches):
    made = scaled(recipe(), patches=patches)
    assert made.phases == (Phase(1e-3, patches * 8 // 12), Phase(1e-4, max(2, patches * 4 // 12)))
    assert made.to_dict() | {"phases": None} == recipe().to_dict() | {"phases": None}


def test_scaling_leaves_every_phase_a_step(recipe):
    made = scaled(recipe(), patches=1)
    assert [phase.patches for phase in made.phases] == [2, 2]
    assert made.steps == 2


def test_phase_without_an_end_keeps_its_rate():
    phase = Phase(rate=2.0, patches=10)
    assert [phase.at(seen) for seen in (0, 5, 10)] == [2, 2, 2]


def test_cosine_leads_from_rate_to_end():
    """Half a cosine: flat at both ends, the mean in the middle, and symmetric about it."""
    phase = Phase(rate=3.0, patches=1000, end=1.0)
    rates = [phase.at(seen) for seen in range(1001)]
    assert (rates[0], rates[1000]) == (3, 1)
    assert rates[500] == pytest.approx(2)
    assert rates[250] == pytest.approx(2 + math.cos(math.pi / 4))
    assert all(one > next_ for one, next_ in itertools.pairwise(rates))
    assert [a + b for a, b in zip(rates, reversed(rates), strict=True)] == pytest.approx([4] * 1001)
    assert phase.at(2000) == 1


def test_rate_may_fall_to_nothing_or_rise(recipe):
    falling = recipe(phases=[{"rate": 1.0, "patches": 8, "end": 0.0}])
    rising = recipe(phases=[{"rate": 1.0, "patches": 8, "end": 2.0}])
    assert [falling.at(step)[1] for step in (0, 2, 4, 9)] == pytest.approx([1, 0.5, 0, 0])
    assert [rising.at(step)[1] for step in (0, 2, 4, 9)] == pytest.approx([1, 1.5, 2, 2])


def test_each_phase_has_its_own_cosine(recipe):
    made = recipe(phases=[{"rate": 4.0, "patches": 8, "end": 2.0}, {"rate": 1.0, "patches": 4, "end": 0.5}])
    low, high = (1 - math.sqrt(0.5)) / 2, (1 + math.sqrt(0.5)) / 2
    expected = [4, 2 + 2 * high, 3, 2 + 2 * low, 1, 0.75, 0.5, 0.5]
    assert [made.at(step)[1] for step in range(8)] == pytest.approx(expected)


def test_rate_rises_to_the_phases_in_equal_steps(recipe):
    phases = [{"rate": 3.0, "patches": 16, "end": 1.0}]
    cold, warm = recipe(phases=phases), recipe(phases=phases, warm_up=5)
    assert warm.at(0)[1] > 0
    for step in range(10):
        assert warm.at(step)[1] == pytest.approx(cold.at(step)[1] * min(1, (step + 1) / 5))


def test_scaling_keeps_the_ends(recipe):
    made = recipe(phases=[{"rate": 1.0, "patches": 8, "end": 0.5}, {"rate": 0.5, "patches": 8}], warm_up=3)
    longer = scaled(made, patches=160)
    assert [phase.end for phase in longer.phases] == [0.5, None]
    assert longer.phases[0].at(40) == made.phases[0].at(4)
    assert longer.warm_up == 3


def test_a_base_may_have_a_base(tmp_path):
    whole = SHIPPED[0].with_name("default.toml").read_text()
    (tmp_path / "lowest.toml").write_text(whole)
    (tmp_path / "middle.toml").write_text('base = "lowest"\nseed = 41\npatch = 64\n')
    (tmp_path / "top.toml").write_text('base = "middle"\nseed = 42\n')
    expected = dataclasses.replace(load(tmp_path / "lowest.toml"), patch=64, seed=42)
    assert load(tmp_path / "top.toml") == expected


def test_a_recipe_based_on_itself_is_refused(tmp_path):
    (tmp_path / "one.toml").write_text('base = "other"\n')
    (tmp_path / "other.toml").write_text('base = "one"\n')
    with pytest.raises(UsageError, match="itself"):
        load(tmp_path / "one.toml")
