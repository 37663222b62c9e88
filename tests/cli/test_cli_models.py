"""`jpegfilter models`: the catalogue for people and for programs."""

import dataclasses
import json
import shutil

import pytest

from jpegfilter import weights


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of weights of the test's own, a copy of those that ship."""
    folder = tmp_path / "weights"
    shutil.copytree(weights.directory(), folder)
    monkeypatch.setattr(weights, "directory", lambda: folder)
    weights.find.cache_clear()
    yield folder
    weights.find.cache_clear()


def test_the_list_names_every_model_and_the_default(cli, lines):
    result = cli("models")
    assert (result.exit_code, result.stderr) == (0, "")
    heads = [line for line in lines(result.stdout) if not line.startswith(" ")]
    assert [head.partition(":")[0].removesuffix(" (default)") for head in heads] == weights.names()
    assert [" (default):" in head for head in heads] == [True] + [False] * (len(heads) - 1)


def test_the_list_says_size_and_cost(cli):
    for name in weights.names():
        card = weights.find(name)
        used = [name for kind, (name, _) in card.files.items() if kind != "half"]
        size = sum((weights.directory() / name).stat().st_size for name in used) / 1e6
        line = f"  {size:.2f} MB, {card.parameters} parameters, {card.macs} multiply-adds a pixel, {card.speed}\n"
        assert line in cli("models").stdout


def test_scores_are_shown_where_there_are_any(cli, shelf):
    path = shelf / f"{weights.DEFAULT}.json"
    scores = {"LIVE1 4:2:0": {"10": [26.5, 27.25], "20": [28.75, 29.5]}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scores": scores}))
    expected = "  LIVE1 4:2:0, PSNR in dB: q10 26.50 -> 27.25  q20 28.75 -> 29.50\n"
    assert expected in cli("models").stdout


def test_json_holds_the_whole_cards(cli):
    result = cli("models", "--json")
    cards = [dataclasses.asdict(weights.find(name)) for name in weights.names()]
    assert json.loads(result.stdout, parse_constant=pytest.fail) == json.loads(json.dumps(cards))


def test_missing_weights_are_one_line_and_status_4(cli, shelf, lines):
    (shelf / weights.find(weights.DEFAULT).file).unlink()
    result = cli("models")
    assert result.exit_code == 4
    (line,) = lines(result.stderr)
    assert line.startswith("jpegfilter: wanted ")


def test_a_broken_card_is_one_line_and_status_4(cli, shelf, lines):
    (shelf / f"{weights.DEFAULT}.json").write_text("{")
    for arguments in (["models"], ["models", "--json"]):
        result = cli(*arguments)
        assert result.exit_code == 4
        (line,) = lines(result.stderr)
        assert line.startswith("jpegfilter: wanted a model card in ")


def test_models_takes_no_argument(cli):
    assert cli("models", "fast-arcnn").exit_code == 2
