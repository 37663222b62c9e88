"""The weights that ship against their cards."""

import dataclasses
import hashlib
import json
import math

import onnxruntime
import pytest

from jpegfilter import weights
from jpegfilter.errors import WeightsError
from jpegfilter.weights import card as cards

EVERY = pytest.mark.parametrize("name", weights.names())


def test_the_default_comes_first():
    names = weights.names()
    assert names[0] == weights.DEFAULT
    assert names[1:] == sorted(set(names) - {weights.DEFAULT})


def test_every_file_has_a_card_and_every_card_a_file():
    networks = {path.name for path in weights.directory().glob("*.onnx")}
    every = [weights.find(name) for name in weights.names()]
    assert {name for card in every for name, _ in card.files.values()} == networks


@EVERY
def test_a_card_is_found_under_its_own_name(name):
    assert weights.find(name).name == name


@EVERY
def test_the_hash_is_that_of_the_file(name):
    card = weights.find(name)
    assert hashlib.sha256((weights.directory() / card.file).read_bytes()).hexdigest() == card.sha256
    assert weights.onnx_bytes(card) == (weights.directory() / card.file).read_bytes()


@EVERY
def test_the_file_in_half_has_its_hash_too_and_half_the_size(name):
    card = weights.find(name)
    content = weights.onnx_bytes(card, "half")
    assert hashlib.sha256(content).hexdigest() == card.half
    assert content == (weights.directory() / card.files["half"][0]).read_bytes()
    packed = 1.01 if card.filters else 0.6  # whose whole file holds weights in float16, too
    assert len(content) < packed * len(weights.onnx_bytes(card))


@EVERY
def test_a_card_says_what_an_engine_needs(name):
    card = weights.find(name)
    assert card.inputs in (("planes",), ("planes", "tables"))
    assert card.halo > 0
    assert card.multiple > 0
    assert card.parameters > 0
    assert card.macs > 0
    assert card.speed in ("fast", "medium", "slow")


@EVERY
def test_a_card_says_where_it_comes_from(name):
    card = weights.find(name)
    assert card.summary
    assert "\n" not in card.summary
    assert card.recipe
    assert {"commit", "data"} <= set(card.origin)
    assert all(card.origin.values())
    assert card.data.strip()


@EVERY
def test_doubt_is_nothing_or_a_number_for_every_coefficient(name):
    card = weights.find(name)
    assert len(card.doubt) in (0, 128)
    assert all(number >= 0 for number in card.doubt)
    assert (card.doubts is None) == (not card.doubt)
    assert card.caught > 0


@EVERY
def test_scores_are_pairs_of_decibels(name):
    for rows in weights.find(name).scores.values():
        for quality, (plain, restored) in rows.items():
            assert 1 <= int(quality) <= 100
            assert 10 < plain < restored < 60


@EVERY
def test_the_network_reads_and_gives_what_its_card_says(name):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    content = weights.onnx_bytes(weights.find(name))
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs = {i.name: (i.type, len(i.shape), i.shape[1]) for i in session.get_inputs()}
    card = weights.find(name)
    if card.filters:  # planes come apart, and what a file of its own makes of the tables
        making = onnxruntime.InferenceSession(
            weights.onnx_bytes(card, "filters"), options, providers=["CPUExecutionProvider"]
        )
        assert {i.name: i.shape for i in making.get_inputs()} == {"tables": [1, 2, 8, 8]}
        assert set(inputs) == {"luma", "chroma"} | {output.name for output in making.get_outputs()}
        assert len(session.get_outputs()) == 2
        return
    assert set(inputs) == set(card.inputs)
    assert inputs["planes"] == ("tensor(float)", 4, 3)
    if "tables" in card.inputs:
        assert inputs["tables"] == ("tensor(float)", 4, 2)
    assert len(session.get_outputs()) == 1


@EVERY
def test_a_card_survives_its_own_text(name, tmp_path):
    card = weights.find(name)
    (tmp_path / "card.json").write_text(card.to_json(), encoding="utf-8")
    again = cards.load(tmp_path / "card.json")
    assert again == card
    assert json.loads(again.to_json(), parse_constant=lambda word: pytest.fail(word)) == json.loads(card.to_json())


@EVERY
def test_every_number_on_a_card_is_finite(name):
    def walk(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            return all(map(walk, value))
        return not isinstance(value, float) or math.isfinite(value)

    assert walk(dataclasses.asdict(weights.find(name)))


@pytest.mark.parametrize("name", ["", "absent", ".", "../weights/fast-arcnn", "fast-arcnn.json"])
def test_an_unknown_name_is_refused_with_those_that_are_known(name):
    with pytest.raises(WeightsError) as caught:
        weights.find(name)
    assert all(known in str(caught.value) for known in weights.names())


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b'{"inputs": ["planes"]}', b"\xff\xfe", b'"text"']
)
def test_a_malformed_card_is_refused_by_name(content, tmp_path):
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(WeightsError, match=r"card\.json"):
        cards.load(tmp_path / "card.json")


def test_a_card_with_an_entry_too_many_is_refused(tmp_path):
    values = json.loads(weights.find(weights.DEFAULT).to_json()) | {"unheard of": 1}
    (tmp_path / "card.json").write_text(json.dumps(values))
    with pytest.raises(WeightsError):
        cards.load(tmp_path / "card.json")


def test_a_missing_card_is_refused(tmp_path):
    with pytest.raises(WeightsError):
        cards.load(tmp_path / "absent.json")
