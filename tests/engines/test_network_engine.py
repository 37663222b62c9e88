"""The network in ONNX Runtime: what its contract says, whatever its weights are, and its errors."""

import dataclasses
import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from skimage import data

from jpegfilter import weights
from jpegfilter.engines import devices, views
from jpegfilter.engines import network as network_engine
from jpegfilter.engines.devices import DEVICES, Device
from jpegfilter.engines.network import EngineOptions, Network, _open, open_network
from jpegfilter.errors import DeviceError, JpegFilterError, UsageError, WeightsError
from jpegfilter.jpeg import color, tables

TOLD = (tables.ijg_table(tables.LUMA, 20), tables.ijg_table(tables.CHROMA, 20))
NEAR = 1e-3
"""Float32 sums in another order, in 8-bit steps: as in tests/pipeline/test_restoration.py."""
SHOWN = 0.05
"""What changes a sample by less counts as nothing: no 8-bit picture can show it (`export/reach.py`)."""
CPU = EngineOptions(device="cpu", threads=1)


@pytest.fixture(scope="module")
def engine():
    return open_network(CPU)


@pytest.fixture(scope="module")
def planes():
    """Y, Cb and Cr of a photo, level-shifted, as engines take them."""
    return color.ycbcr_from_rgb(color.from_pixels(data.astronaut()[:96, 180:300]))


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of weights of the test's own, a copy of those that ship."""
    folder = tmp_path / "weights"
    shutil.copytree(weights.directory(), folder)
    monkeypatch.setattr(weights, "directory", lambda: folder)
    weights.find.cache_clear()
    yield folder
    weights.find.cache_clear()


# The contract.


def test_planes_in_planes_out(engine, planes):
    kept = planes.copy()
    restored = engine.restore(planes, TOLD)
    assert (restored.shape, restored.dtype) == (planes.shape, np.float32)
    assert np.isfinite(restored).all()
    assert not np.array_equal(restored, planes)
    assert np.array_equal(planes, kept)


def test_results_are_not_clipped(engine):
    bright = np.zeros((3, 32, 32), np.float32)
    bright[0] = 200
    assert engine.restore(bright, TOLD)[0, 16, 16] > 128


@pytest.mark.parametrize("sides", [(1, 1), (1, 9), (5, 1), (16, 23)])
def test_every_multiple_is_taken(sides, engine):
    height, width = (side * engine.multiple for side in sides)
    assert engine.restore(np.zeros((3, height, width), np.float32), TOLD).shape == (3, height, width)


def test_the_halo_is_all_that_counts(engine, planes):
    top, left = (3 * engine.halo // (2 * engine.multiple) * engine.multiple for _ in range(2))
    side = 4 * engine.multiple
    reach = -(-engine.halo // engine.multiple) * engine.multiple
    picture = np.resize(planes, (3, 2 * top + side, 2 * left + side))
    whole = engine.restore(picture, TOLD)[:, top : top + side, left : left + side]
    around = np.s_[:, top - reach : top + side + reach, left - reach : left + side + reach]
    part = engine.restore(np.ascontiguousarray(picture[around]), TOLD)[:, reach : reach + side, reach : reach + side]
    assert np.abs(part - whole).max() < NEAR


def test_what_lies_beyond_the_halo_changes_nothing(engine):
    # One sample in the middle: everything that it moves lies inside the halo about it.
    side = 2 * engine.halo + 8 * engine.multiple
    quiet = np.zeros((3, side, side), np.float32)
    loud = quiet.copy()
    loud[:, side // 2, side // 2] = 100
    moved = np.argwhere(np.abs(engine.restore(loud, TOLD) - engine.restore(quiet, TOLD)).max(0) > SHOWN)
    assert len(moved) > 9
    assert np.abs(moved - side // 2).max() <= engine.halo


def test_threads_change_nothing_but_rounding(engine, planes):
    two = open_network(dataclasses.replace(CPU, threads=2))
    assert np.abs(two.restore(planes, TOLD) - engine.restore(planes, TOLD)).max() < NEAR


def test_the_same_twice_is_the_same(engine, planes):
    assert np.array_equal(engine.restore(planes, TOLD), engine.restore(planes, TOLD))


def test_threads_may_share_a_session(engine, planes):
    pictures = [np.ascontiguousarray(np.roll(planes, 16 * n, 2)[:, : 32 + 8 * n]) for n in range(8)]
    expected = [engine.restore(picture, TOLD) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda picture: engine.restore(picture, TOLD), pictures))
    assert all(np.array_equal(a, b) for a, b in zip(results, expected, strict=True))


def test_the_card_is_the_contract(engine):
    card = weights.find(weights.DEFAULT)
    assert (engine.halo, engine.multiple, engine.card) == (card.halo, card.multiple, card)


def test_doubt_is_the_cards_as_two_tables(engine):
    card = weights.find(weights.DEFAULT)
    numbers = np.arange(1, 129).tolist()
    doubting = Network(dataclasses.replace(card, doubt=tuple(numbers), caught=3.0), None, description="a probe").doubt
    assert (doubting.deviation.shape, doubting.deviation.dtype) == ((2, 8, 8), np.float32)
    assert doubting.deviation.ravel().tolist() == numbers
    assert doubting.caught == 3
    assert Network(dataclasses.replace(card, doubt=()), None, description="a probe").doubt is None


def test_tables_go_to_networks_that_read_them():
    class Session:
        def run(self, names, feed):
            self.feed = feed
            return [feed["planes"] + 1]

    card = weights.find(weights.DEFAULT)
    for inputs in (("planes",), ("planes", "tables")):
        session = Session()
        network = Network(dataclasses.replace(card, inputs=inputs), session, description="a probe")
        out = network.restore(np.zeros((3, 8, 8), np.float32), TOLD)
        assert out.shape == (3, 8, 8)
        assert set(session.feed) == set(inputs)
        if "tables" in inputs:
            assert session.feed["tables"].dtype == np.float32
            assert np.array_equal(session.feed["tables"], np.stack(TOLD)[None])


@pytest.mark.parametrize("name", weights.names())
def test_gray_pictures_are_color_ones_without_color(name, planes):
    engine = open_network(dataclasses.replace(CPU, model=name))
    gray = planes[:1, :48, :64]
    kept = gray.copy()
    restored = engine.restore(gray, TOLD)
    color = engine.restore(np.concatenate((gray, np.zeros((2, *gray.shape[1:]), np.float32))), TOLD)
    assert (restored.shape, restored.dtype) == (gray.shape, np.float32)
    assert np.array_equal(restored, color[:1])
    assert not np.array_equal(restored, gray)
    assert np.array_equal(gray, kept)


# Options.


@pytest.mark.parametrize(("threads", "said"), [(1, "CPU, 1 thread"), (3, "CPU, 3 threads")])
def test_the_description_names_device_and_threads(threads, said):
    assert open_network(EngineOptions(device="cpu", threads=threads)).description == said


def test_threads_are_obeyed_where_affinity_is_unknown(monkeypatch):
    # macOS and Windows.
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    assert open_network(EngineOptions(device="cpu", threads=3)).description == "CPU, 3 threads"
    assert open_network(EngineOptions(device="cpu")).description == "CPU, 5 threads"


# Float16. ONNX Runtime's CPU provider runs such files too, slowly: it stands in for a GPU that is not here.


LIKE_A_GPU = Device("like-a-gpu", "CPUExecutionProvider", "not a GPU", half=True)


@pytest.mark.parametrize("name", weights.names())
def test_float16_is_taken_where_the_device_has_it_and_agrees(name, planes):
    card = weights.find(name)
    whole = _open(card, dataclasses.replace(LIKE_A_GPU, half=False), 0, 1)
    half = _open(card, LIKE_A_GPU, 0, 1)
    assert (whole.description, half.description) == ("not a GPU 0", "not a GPU 0, float16")
    planes = planes[
        :, : planes.shape[1] // card.multiple * card.multiple, : planes.shape[2] // card.multiple * card.multiple
    ]
    planes = np.ascontiguousarray(planes)
    difference = np.abs(half.restore(planes, TOLD) - whole.restore(planes, TOLD))
    assert 0 < difference.max() < 0.5
    assert half.restore(planes, TOLD).dtype == np.float32


def test_a_file_in_float16_that_errs_is_not_taken(shelf):
    card = weights.find(weights.DEFAULT)
    other = next(weights.find(name) for name in weights.names() if weights.find(name).inputs != card.inputs)
    shutil.copy(shelf / other.files["half"][0], shelf / card.files["half"][0])
    vouched = dataclasses.replace(card, half=other.half)
    assert _open(vouched, LIKE_A_GPU, 0, 1).description == "not a GPU 0"


def test_a_network_without_float16_runs_without_it():
    card = dataclasses.replace(weights.find(weights.DEFAULT), half="")
    assert _open(card, LIKE_A_GPU, 0, 1).description == "not a GPU 0"


def test_damaged_float16_is_refused_by_its_hash(shelf):
    card = weights.find(weights.DEFAULT)
    (shelf / card.files["half"][0]).write_bytes(b"")
    with pytest.raises(WeightsError, match=f"{card.files['half'][0]} with SHA-256"):
        _open(card, LIKE_A_GPU, 0, 1)


# A network whose filters are made of the tables by a file of their own.


@pytest.fixture(scope="module")
def parted():
    """Such a network, every weight of which matters, and its files."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from export import to_onnx
    from jpegfilter.networks import build

    random = torch.Generator().manual_seed(6)
    narrow = {
        "manifold": 12, "rank": 3, "channels": 6, "growth": 3, "unblocked": 2, "frequency": 2, "frequency_growth": 2,
        "color": 4, "color_growth": 3, "guided": 8, "guided_growth": 3,
    }  # fmt: skip
    network = build("qgac", narrow).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            scale = 0.3 if parameter.ndim < 2 else parameter[0].numel() ** -0.5
            if ".filter." in name:
                scale *= network.get_submodule(name.partition(".filter.")[0]).inputs ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=random) * scale)
        network.know(10 * torch.randn(2, 64, generator=random), torch.full((2, 64), 20.0))
    content, filters = to_onnx.split(network)
    return network, {"whole": content, "half": to_onnx.halved(content), "filters": filters}


@pytest.fixture
def laid_out(parted, shelf):
    """Return what lays such a network out on the shelf, with a card that may be changed."""
    network, files = parted

    def lay(**changes):
        digests = {kind: hashlib.sha256(content).hexdigest() for kind, content in files.items()}
        card = dataclasses.replace(
            weights.find(weights.DEFAULT), name="parted", file="parted.onnx", sha256=digests["whole"],
            half=digests["half"], filters=digests["filters"], inputs=network.inputs, halo=network.halo,
            multiple=network.multiple, doubt=(), views=1,
        )  # fmt: skip
        card = dataclasses.replace(card, **changes)
        for kind, (name, _) in card.files.items():
            (shelf / name).write_bytes(files[kind])
        (shelf / "parted.json").write_text(card.to_json())
        weights.find.cache_clear()
        return card

    return lay


PARTED = dataclasses.replace(CPU, model="parted")
OTHER = (tables.ijg_table(tables.LUMA, 70), tables.ijg_table(tables.LUMA, 30))
"""Luma's for chroma, too."""


def by_torch(network, planes, told):
    import torch

    with torch.no_grad():
        return network(torch.from_numpy(planes)[None], torch.from_numpy(np.stack(told).astype(np.float32))[None])[0]


@pytest.mark.parametrize("sides", [(16, 16), (96, 112), (32, 80)], ids=str)
@pytest.mark.parametrize("count", [3, 1], ids=["color", "gray"])
def test_network_of_filters_restores_as_torch_does(laid_out, parted, planes, sides, count):
    laid_out()
    engine, results = open_network(PARTED), []
    picture = np.ascontiguousarray(planes[:count, : sides[0], : sides[1]])
    kept = picture.copy()
    for told in (TOLD, OTHER, TOLD):
        results.append(engine.restore(picture, told))
        assert (results[-1].shape, results[-1].dtype) == (picture.shape, np.float32)
        assert np.abs(results[-1] - by_torch(parted[0], picture, told).numpy()).max() < NEAR
        assert (np.abs(results[-1] - picture).mean((1, 2)) > 3).all()
    assert (np.abs(results[1] - results[0]).max((1, 2)) > 1).all()
    assert np.array_equal(results[0], results[2])
    assert np.array_equal(picture, kept)


class Watched:
    """A session that notes what it is given."""

    def __init__(self, session, runs):
        self._session, self._runs = session, runs

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run(self, names, feed):
        self._runs.append(feed)
        return self._session.run(names, feed)


@pytest.fixture
def runs(monkeypatch):
    """What is given to any session that is opened from now on."""
    noted, opened = [], network_engine._session
    monkeypatch.setattr(network_engine, "_session", lambda *args: Watched(opened(*args), noted))
    return noted


def told_in(runs):
    return [feed["tables"] for feed in runs if set(feed) == {"tables"}]


def test_filters_are_made_once_for_all_tiles_of_the_same_tables(laid_out, planes, runs):
    laid_out()
    engine = open_network(PARTED)
    for told in (TOLD, OTHER):
        for left in (0, 16, 32):
            engine.restore(planes[:, :32, left : left + 32], [table.copy() for table in told])
    engine.restore(planes[:1, :32, :32], OTHER)
    assert len(runs) == 7 + 2
    assert all(np.array_equal(made[0], np.stack(told)) for made, told in zip(told_in(runs), (TOLD, OTHER), strict=True))


def test_every_view_has_the_filters_of_its_tables(laid_out, parted, planes, runs):
    """Which are two: along the diagonal, rows are columns."""
    laid_out(views=views.VIEWS)
    engine = open_network(PARTED)
    picture = np.ascontiguousarray(planes[:, :32, :48])
    restored = engine.restore(picture, TOLD)

    def restore(turned, told):
        return by_torch(parted[0], turned, told).numpy()

    assert np.abs(restored - views.average(restore, picture, TOLD, views.VIEWS)).max() < NEAR
    engine.restore(picture, TOLD)
    first, second = told_in(runs)
    assert len(runs) == 2 * views.VIEWS + 2
    assert np.array_equal(first.swapaxes(-1, -2), second)
    assert not np.array_equal(first, second)


def test_threads_may_share_filters(laid_out, planes):
    laid_out()
    engine = open_network(PARTED)
    steps = [[tables.ijg_table(base, quality) for base in (tables.LUMA, tables.CHROMA)] for quality in range(10, 90, 5)]
    picture = np.ascontiguousarray(planes[:, :16, :32])
    expected = [engine.restore(picture, told) for told in steps]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda told: engine.restore(picture, told), steps))
    assert all(np.array_equal(a, b) for a, b in zip(results, expected, strict=True))
    assert len({result.tobytes() for result in results}) == len(steps)


def test_network_of_filters_agrees_in_float16(laid_out, planes):
    """Whose filters are made in float32."""
    card = laid_out()
    whole = _open(card, dataclasses.replace(LIKE_A_GPU, half=False), 0, 1)
    half = _open(card, LIKE_A_GPU, 0, 1)
    assert (whole.description, half.description) == ("not a GPU 0", "not a GPU 0, float16")
    for picture in (planes[:, :, :112], planes[:1, :, :112]):
        difference = np.abs(half.restore(picture, TOLD) - whole.restore(picture, TOLD))
        assert 0 < difference.max() < 0.5


@pytest.mark.parametrize("damage", ["a byte", "the end", "everything", "another file"])
def test_damaged_filters_are_refused_by_their_hash(damage, laid_out, shelf):
    card = laid_out()
    path = shelf / card.files["filters"][0]
    content = bytearray(path.read_bytes())
    if damage == "a byte":
        content[len(content) // 2] ^= 1
    other = (shelf / card.file).read_bytes()
    path.write_bytes(
        {"a byte": bytes(content), "the end": bytes(content[:-1]), "everything": b"", "another file": other}[damage]
    )
    with pytest.raises(WeightsError, match=f"{path.name} with SHA-256"):
        open_network(PARTED)


def test_missing_filters_are_named(laid_out, shelf):
    path = shelf / laid_out().files["filters"][0]
    path.unlink()
    with pytest.raises(WeightsError, match=path.name):
        open_network(PARTED)


def test_filters_that_are_none_are_refused_even_if_the_card_vouches_for_them(laid_out, shelf):
    card = laid_out(filters=hashlib.sha256(b"no filters").hexdigest())
    (shelf / card.files["filters"][0]).write_bytes(b"no filters")
    with pytest.raises(JpegFilterError):
        open_network(PARTED)


def test_odd_sides_through_filters_are_one_line_of_ours(laid_out, capfd):
    laid_out()
    with pytest.raises(DeviceError) as caught:
        open_network(PARTED).restore(np.zeros((3, 16, 24), np.float32), TOLD)
    assert "\n" not in str(caught.value)
    assert "24x16" in str(caught.value)
    assert capfd.readouterr() == ("", "")


# Errors.


@pytest.mark.parametrize("name", ["", "absent", "../weights/fast-arcnn", "fast-arcnn.onnx", "FAST-ARCNN"])
def test_an_unknown_model_is_refused_with_those_that_are_known(name):
    with pytest.raises(WeightsError) as caught:
        open_network(EngineOptions(model=name))
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in weights.names())


def test_an_unknown_device_is_refused():
    with pytest.raises(UsageError, match="'tpu'"):
        open_network(EngineOptions(device="tpu"))


@pytest.mark.parametrize("name", [name for name in DEVICES if name != "cpu"])
def test_a_device_that_is_not_there_is_an_error(name):
    listed = onnxruntime.get_available_providers()
    if devices.is_plausible(DEVICES[name], listed):
        pytest.skip(f"there may be a {name} here: its absence is NOT tested")
    with pytest.raises(DeviceError, match=f"a working {name}.*--device cpu or auto"):
        open_network(EngineOptions(device=name))


def test_what_the_session_refuses_is_one_line_of_ours(engine, capfd):
    odd = np.zeros((3, 8 * engine.multiple + 1, 8 * engine.multiple), np.float32)
    with pytest.raises(DeviceError) as caught:
        engine.restore(odd, TOLD)
    assert "\n" not in str(caught.value)
    assert f"{odd.shape[2]}x{odd.shape[1]}" in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("damage", ["a byte", "the end", "everything"])
def test_damaged_weights_are_refused_by_their_hash(damage, shelf):
    path = shelf / weights.find(weights.DEFAULT).file
    content = bytearray(path.read_bytes())
    if damage == "a byte":
        content[len(content) // 2] ^= 1
    path.write_bytes({"a byte": bytes(content), "the end": bytes(content[:-1]), "everything": b""}[damage])
    with pytest.raises(WeightsError, match=f"{path.name} with SHA-256"):
        open_network(CPU)


def test_missing_weights_are_named(shelf):
    path = shelf / weights.find(weights.DEFAULT).file
    path.unlink()
    with pytest.raises(WeightsError, match=path.name):
        open_network(CPU)


@pytest.mark.parametrize("content", [b"", b"no network", bytes(1000)])
def test_a_file_that_is_no_network_is_refused_even_if_its_card_vouches_for_it(content, shelf):
    card = shelf / f"{weights.DEFAULT}.json"
    values = json.loads(card.read_text())
    (shelf / values["file"]).write_bytes(content)
    card.write_text(json.dumps(values | {"sha256": hashlib.sha256(content).hexdigest()}))
    with pytest.raises(JpegFilterError):
        open_network(CPU)
