"""From a checkpoint to an ONNX file that computes what torch computes."""

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from export import calibrate, reach, to_onnx  # noqa: E402
from jpegfilter.compression.planes import clean_planes  # noqa: E402
from jpegfilter.errors import WeightsError  # noqa: E402
from jpegfilter.jpeg import tables  # noqa: E402
from jpegfilter.networks import build  # noqa: E402
from jpegfilter.training import validation  # noqa: E402
from jpegfilter.training.checkpoint import Checkpoint  # noqa: E402
from jpegfilter.training.data import Photos  # noqa: E402
from jpegfilter.training.degradation import Step  # noqa: E402
from jpegfilter.training.recipe import from_dict  # noqa: E402

WIDTHS = {"width": 8, "shrunk": 6, "narrow": 4}
SIZES = [(1, 2, 2), (1, 30, 46), (3, 18, 10), (1, 130, 2), (2, 64, 66)]
"""Batch, height and width."""


@pytest.fixture(scope="module")
def state():
    """A checkpoint whose average differs from its weights, and whose network does much."""
    random = torch.Generator().manual_seed(4)
    shapes = build("fast-arcnn", WIDTHS).state_dict()
    scales = {name: 0.3 if tensor.ndim < 4 else tensor[0].numel() ** -0.5 for name, tensor in shapes.items()}
    weights, average = (
        {name: torch.randn(shapes[name].shape, generator=random) * scale for name, scale in scales.items()}
        for _ in range(2)
    )
    recipe = from_dict(
        {"network": "fast-arcnn", "widths": WIDTHS, "patch": 32, "batch": 1, "phases": [{"rate": 1e-3, "patches": 4}],
         "samplings": {"4:2:0": 1.0}}
    )  # fmt: skip
    return Checkpoint(4, weights, average, {}, recipe, {})


@pytest.fixture(scope="module")
def written(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "network.onnx"
    made = to_onnx.exported(state)
    path.write_bytes(made.content)
    assert not made.filters
    return made.network, path


def planes(batch, height, width):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(5)) * 256 - 128


@pytest.mark.parametrize("size", SIZES, ids=str)
@torch.no_grad()
def test_file_computes_what_torch_computes(written, size):
    network, path = written
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (result,) = session.run(["restored"], {"planes": planes(*size).numpy()})
    expected = network(planes(*size)).numpy()
    assert result.shape == expected.shape
    assert np.abs(expected - planes(*size).numpy()).mean() > 10
    assert np.abs(result - expected).max() <= to_onnx.TOLERANCE


@torch.no_grad()
def test_shipped_function_is_the_averages(written, state):
    network, _ = written
    average = build("fast-arcnn", WIDTHS)
    average.load_state_dict(state.average)
    assert not network.training
    torch.testing.assert_close(network(planes(1, 16, 16)), average(planes(1, 16, 16)), rtol=0, atol=to_onnx.TOLERANCE)


def test_file_is_valid_and_says_what_goes_in_and_out(written):
    _, path = written
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [opset.version for opset in model.opset_import if not opset.domain] == [to_onnx.OPSET]
    for values, name in ((model.graph.input, "planes"), (model.graph.output, "restored")):
        (value,) = values
        batch, channels, height, width = value.type.tensor_type.shape.dim
        assert value.name == name
        assert channels.dim_value in (0, 3)
        assert all(dim.dim_param for dim in (batch, height, width))


def test_half_gives_nearly_the_same_in_float32(written):
    path = written[1]
    whole, half = (
        onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        for content in (path.read_bytes(), to_onnx.halved(path.read_bytes()))
    )
    assert [(i.name, i.type) for i in half.get_inputs()] == [("planes", "tensor(float)")]
    assert [(o.name, o.type) for o in half.get_outputs()] == [("restored", "tensor(float)")]
    for size in SIZES:
        given = {"planes": planes(*size).numpy()}
        expected, found = (session.run(None, given)[0] for session in (whole, half))
        error = np.abs(found - expected)
        assert error.max() < 0.01 * np.abs(expected).max()
    assert error.max() > 0


def test_difference_is_small_for_the_same_and_large_for_another(written, state):
    network, path = written
    content = path.read_bytes()
    assert to_onnx.difference(network, content) <= to_onnx.TOLERANCE
    other = build("fast-arcnn", WIDTHS)
    other.load_state_dict(state.weights)
    assert to_onnx.difference(other.eval(), content) > 1


def test_disagreement_is_an_error(state, monkeypatch):
    monkeypatch.setattr(to_onnx, "TOLERANCE", -1.0)
    with pytest.raises(WeightsError, match="do not ship"):
        to_onnx.exported(state)


def test_wrong_file_is_found_out(state, monkeypatch):
    wrong = build("fast-arcnn", WIDTHS)
    wrong.load_state_dict(state.weights)
    content = to_onnx.to_onnx(wrong.eval())
    monkeypatch.setattr(to_onnx, "to_onnx", lambda _: content)
    with pytest.raises(WeightsError):
        to_onnx.exported(state)


TOLD = {"fine": 4, "middle": 6, "coarse": 8, "coarse_blocks": 1}


@pytest.fixture(scope="module")
def told():
    """A checkpoint of the network that is told the tables, in which every weight matters."""
    random = torch.Generator().manual_seed(6)
    shapes = build("table-unet", TOLD).state_dict()
    average = {
        name: torch.randn(tensor.shape, generator=random) * (0.3 if tensor.ndim < 2 else tensor.shape[1] ** -0.5)
        for name, tensor in shapes.items()
    }
    average["leave.matrix"] *= 0.1  # changes of some ten steps, as real ones are at most
    recipe = from_dict(
        {"network": "table-unet", "widths": TOLD, "patch": 32, "batch": 1, "phases": [{"rate": 1e-3, "patches": 4}],
         "samplings": {"4:2:0": 1.0}}
    )  # fmt: skip
    return Checkpoint(4, shapes, average, {}, recipe, {})


@pytest.fixture(scope="module")
def told_session(told):
    made = to_onnx.exported(told)
    return made.network, onnxruntime.InferenceSession(made.content, providers=["CPUExecutionProvider"])


def steps(batch, seed=7):
    return torch.randint(1, 256, (batch, 2, 8, 8), generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("size", [(1, 8, 8), (1, 24, 72), (3, 16, 40), (2, 128, 8)], ids=str)
@torch.no_grad()
def test_file_that_is_told_the_tables_computes_what_torch_computes(told_session, size):
    """At every size, and with other tables for each picture of a batch."""
    network, session = told_session
    given, tables = planes(*size), steps(size[0])
    (result,) = session.run(["restored"], {"planes": given.numpy(), "tables": tables.numpy()})
    expected = network(given, tables).numpy()
    assert result.shape == expected.shape
    assert np.abs(expected - given.numpy()).mean() > 10
    assert np.abs(result - expected).max() <= to_onnx.TOLERANCE
    (other,) = session.run(["restored"], {"planes": given.numpy(), "tables": steps(size[0], seed=8).numpy()})
    assert np.abs(other - result).max() > 1


def test_inputs_are_named_and_of_free_size(told_session):
    _, session = told_session
    inputs = {value.name: (value.type, value.shape) for value in session.get_inputs()}
    assert set(inputs) == {"planes", "tables"}
    kind, (batch, channels, height, width) = inputs["planes"]
    assert (kind, channels) == ("tensor(float)", 3)
    assert all(isinstance(size, str) for size in (batch, height, width))
    assert inputs["tables"] == ("tensor(float)", [batch, 2, 8, 8])
    assert [value.name for value in session.get_outputs()] == ["restored"]


@torch.no_grad()
def test_shipped_function_of_both_inputs_is_the_averages(told_session, told):
    network, _ = told_session
    average = build("table-unet", TOLD)
    average.load_state_dict(told.average)
    given = planes(2, 16, 16), steps(2)
    torch.testing.assert_close(network(*given), average(*given), rtol=0, atol=to_onnx.TOLERANCE)


@torch.no_grad()
def test_file_of_other_weights_is_found_out_whatever_the_inputs(told_session, told):
    network, _ = told_session
    other = build("table-unet", TOLD)
    other.load_state_dict(told.average)
    content = to_onnx.to_onnx(other.eval())
    assert to_onnx.difference(network, content) <= to_onnx.TOLERANCE
    other.code[2].weight.mul_(0.5)  # what the tables do alone
    assert to_onnx.difference(network, to_onnx.to_onnx(other)) > 1


PARTED = {
    "manifold": 12, "rank": 3, "channels": 6, "growth": 3, "unblocked": 2, "frequency": 2, "frequency_growth": 2,
    "color": 4, "color_growth": 3, "guided": 8, "guided_growth": 3,
}  # fmt: skip


@pytest.fixture(scope="module", params=[1, 0], ids=["in steps", "paper's"])
def parted(request):
    """A checkpoint of the network whose filters are made of the tables, in which every weight matters."""
    random = torch.Generator().manual_seed(6)
    widths = PARTED | {"steps": request.param}
    network = build("qgac", widths)
    average = {}
    for name, tensor in network.state_dict().items():
        scale = 0.3 if tensor.ndim < 2 else tensor[0].numel() ** -0.5
        if ".filter." in name:
            scale *= network.get_submodule(name.partition(".filter.")[0]).inputs ** -0.5
        average[name] = torch.randn(tensor.shape, generator=random) * scale
    average |= {"mean": 10 * torch.randn(2, 64, generator=random), "deviation": torch.full((2, 64), 40.0)}
    recipe = from_dict(
        {"network": "qgac", "widths": widths, "patch": 32, "batch": 1, "phases": [{"rate": 1e-3, "patches": 4}],
         "samplings": {"4:2:0": 1.0}}
    )  # fmt: skip
    return Checkpoint(4, network.state_dict(), average, {}, recipe, {})


def on_cpu(content):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def split(parted):
    return to_onnx.exported(parted)


@pytest.fixture(scope="module")
def split_sessions(split):
    return on_cpu(split.content), on_cpu(split.filters)


def made_of(session, tables):
    """The filters that a file makes of tables `(1, 2, 8, 8)`, by name."""
    return dict(
        zip([o.name for o in session.get_outputs()], session.run(None, {"tables": tables.numpy()}), strict=True)
    )


def restored(session, filters, planes):
    """What a file makes of planes `(1, 3, H, W)` through filters."""
    given = {"luma": planes[:, :1].numpy(), "chroma": planes[0, 1:, None].numpy()}
    return np.concatenate(session.run(["restored_luma", "restored_chroma"], {**given, **filters}))[None, :, 0]


@pytest.mark.parametrize("size", [(16, 16), (48, 112), (160, 16), (64, 96)], ids=str)
@torch.no_grad()
def test_files_of_filters_and_of_what_takes_them_compute_what_torch_computes(split, split_sessions, size):
    """At every size, and with other tables."""
    session, making = split_sessions
    given, results = planes(1, *size), []
    for seed in (7, 8):
        tables = steps(1, seed=seed)
        results.append(restored(session, made_of(making, tables), given))
        expected = split.network(given, tables).numpy()
        assert results[-1].shape == expected.shape
        assert (np.abs(expected - given.numpy()).mean((0, 2, 3)) > 10).all()
        assert np.abs(results[-1] - expected).max() <= to_onnx.TOLERANCE
    assert (np.abs(results[1] - results[0]).max((0, 2, 3)) > 1).all()


@torch.no_grad()
def test_file_of_filters_makes_torchs(split, split_sessions):
    """Those of the Y network first, then the color network's, matrix and bias in turn; last of each come its units."""
    _, making = split_sessions
    for seed in (7, 8):
        found = made_of(making, steps(1, seed=seed))
        of_luma, of_color = split.network.filters(steps(1, seed=seed))
        parts = {}
        for index, pair in enumerate((*of_luma, *of_color)):
            parts |= zip((f"filter_{index}", f"bias_{index}"), pair, strict=True)
        if not split.network.steps:  # nor does it look at them
            del parts[f"filter_{len(of_luma) - 1}"], parts[f"filter_{len(of_luma) + len(of_color) - 1}"]
        assert list(found) == list(parts)
        for (name, result), expected in zip(found.items(), parts.values(), strict=True):
            assert result.shape == expected.shape, name
            # Four sums in a row, of 64 products at most.
            np.testing.assert_allclose(result, expected, rtol=0, atol=256 * 2.0**-24 * float(expected.abs().max()))


def test_filters_are_all_that_the_file_is_told_of_the_tables(split_sessions):
    session, making = split_sessions
    assert [(i.name, i.type, i.shape) for i in making.get_inputs()] == [("tables", "tensor(float)", [1, 2, 8, 8])]
    inputs = {i.name: i for i in session.get_inputs()}
    filters = {o.name: o for o in making.get_outputs()}
    assert set(inputs) == {"luma", "chroma"} | set(filters)
    assert all(inputs[name].shape == made.shape for name, made in filters.items())
    for name, count in (("luma", 1), ("chroma", 2)):
        batch, channels, height, width = inputs[name].shape
        assert (batch, channels) == (count, 1)
        assert isinstance(height, str)
        assert isinstance(width, str)
    assert [o.name for o in session.get_outputs()] == ["restored_luma", "restored_chroma"]


@pytest.mark.parametrize("size", [(16, 16), (48, 80)], ids=str)
@torch.no_grad()
def test_luma_is_restored_the_same_with_one_cell_of_chroma(split, split_sessions, size):
    """As of a gray picture."""
    session, making = split_sessions
    given, filters = planes(1, *size), made_of(making, steps(1))
    whole = restored(session, filters, given)
    feed = {"luma": given[:, :1].numpy(), "chroma": np.zeros((2, 1, 16, 16), np.float32), **filters}
    luma, chroma = session.run(None, feed)
    assert chroma.shape == (2, 1, 16, 16)
    np.testing.assert_array_equal(luma[:, 0], whole[:, 0])
    assert np.abs(luma - split.network(given[:, :1], steps(1)).numpy()).max() <= to_onnx.TOLERANCE


@torch.no_grad()
def test_shipped_function_of_filters_is_the_averages_rounded_to_float16(split, parted):
    average = build("qgac", parted.recipe.widths)
    average.load_state_dict({name: weight.half().float() for name, weight in parted.average.items()})
    assert torch.equal(split.network(planes(2, 16, 32), steps(2)), average(planes(2, 16, 32), steps(2)))


def test_network_is_exported_as_it_runs(written, told_session, split):
    """Not as it is trained."""
    assert [network.training for network in (written[0], told_session[0], split.network)] == [False] * 3


def changed(content, name):
    """The file with half of one of its weights."""
    model = onnx.load_from_string(content)
    (held,) = (entry for entry in model.graph.initializer if entry.name.endswith(name))
    held.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(held) / 2, held.name))
    return model.SerializeToString()


@pytest.fixture(scope="module")
def wrong(split):
    """Both files of another network."""
    return changed(split.content, "luma.fuse.weight"), changed(split.filters, "luma.second.embed.narrow.weight")


def test_wrong_file_of_either_kind_is_found_out(split, wrong):
    content, filters = wrong
    assert to_onnx.difference(split.network, split.content, split.filters) <= to_onnx.TOLERANCE
    assert to_onnx.difference(split.network, content, split.filters) > 1
    assert to_onnx.difference(split.network, split.content, filters) > 1


def test_disagreement_of_files_is_an_error(parted, wrong, monkeypatch):
    monkeypatch.setattr(to_onnx, "split", lambda _: wrong)
    with pytest.raises(WeightsError, match="do not ship"):
        to_onnx.exported(parted)


def test_half_of_the_file_that_takes_filters_gives_nearly_the_same(split, split_sessions):
    whole, making = split_sessions
    half = on_cpu(to_onnx.halved(split.content))
    for values, halves in ((whole.get_inputs(), half.get_inputs()), (whole.get_outputs(), half.get_outputs())):
        assert [(v.name, v.type, v.shape) for v in values] == [(v.name, v.type, v.shape) for v in halves]
    for size in ((16, 16), (64, 96)):
        given, filters = planes(1, *size), made_of(making, steps(1))
        expected, found = (restored(session, filters, given) for session in (whole, half))
        error = np.abs(found - expected)
        assert 0 < error.max() < 0.01 * np.abs(expected).max()


@torch.no_grad()
def test_blocks_that_differ_most_fit_into_float16(split, split_sessions):
    """Black ones beside white ones, in steps of 1: their departures' squares are more than it holds."""
    session, making = split_sessions
    extremes = 255.0 * (torch.randint(0, 2, (1, 3, 6, 8), generator=torch.Generator().manual_seed(5)) > 0) - 128
    given, ones = extremes.repeat_interleave(8, 2).repeat_interleave(8, 3), torch.ones(1, 2, 8, 8)
    filters = made_of(making, ones)
    expected = restored(session, filters, given)
    assert np.abs(expected - split.network(given, ones).numpy()).max() <= to_onnx.TOLERANCE
    half = restored(on_cpu(to_onnx.halved(split.content)), filters, given)
    assert np.abs(half - expected).max() < 0.01 * np.abs(expected).max()


@pytest.fixture(scope="module")
def photos():
    """One photograph of 64 by 96, of which the middle is looked at."""
    return Photos((torch.from_numpy(np.ascontiguousarray(data.astronaut()[60:124, 180:276])),), np.ones(1), "")


def test_network_that_is_told_the_tables_is_calibrated(told, photos):
    """One of the tried deviations for each frequency of luma and of chroma, and one of the tried factors."""
    doubt = calibrate.doubt(to_onnx.network_of(told), photos)
    assert doubt.deviation.shape == (2, 8, 8)
    assert set(doubt.deviation.flat) <= set(calibrate._CANDIDATES.round(3))
    assert (doubt.deviation > 0).sum() > 64
    assert doubt.caught in calibrate.CAUGHT


class Knowing(torch.nn.Module):
    """Gives the clean picture with noise of a standard deviation, and remembers what it is told."""

    inputs = ("planes", "tables")

    def __init__(self, photos, *, noise):
        super().__init__()
        clean = clean_planes(validation.central_crop(photos.images[0]))
        self.answer = clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(9))
        self.told = []

    def forward(self, planes, tables):
        self.told.append(tables)
        return self.answer


def test_network_that_knows_is_not_doubted(photos):
    assert not calibrate.doubt(Knowing(photos, noise=0.0), photos).deviation.any()


def test_doubt_grows_with_the_error_and_is_of_its_size(photos):
    """An orthonormal transform leaves the deviation of noise as it is. Intervals catch much of it."""
    luma = [np.median(calibrate.doubt(Knowing(photos, noise=noise), photos).deviation[0]) for noise in (1, 4, 8)]
    assert luma[0] < luma[1] < luma[2]
    assert luma[1] == pytest.approx(4, rel=0.5)


def test_network_that_fails_in_some_blocks_is_doubted_more_where_it_is_caught(photos):
    """Noise everywhere tells nothing of where it is worst; rare gross errors do."""
    even, rare = Knowing(photos, noise=4.0), Knowing(photos, noise=0.5)
    rare.answer[..., 16:32, 16:48] += 40 * torch.randn(16, 32, generator=torch.Generator().manual_seed(3))
    assert calibrate.doubt(even, photos).caught < calibrate.doubt(rare, photos).caught


def test_network_is_calibrated_on_the_tables_of_each_quality(photos):
    network = Knowing(photos, noise=0.0)
    calibrate.doubt(network, photos)
    told = iter(network.told)
    for quality in calibrate.QUALITIES:
        for _ in calibrate._SAMPLINGS:
            for table, base in zip(next(told)[0].numpy(), (tables.LUMA, tables.CHROMA), strict=True):
                assert np.array_equal(table, tables.ijg_table(base, quality))
    assert next(told, None) is None


@pytest.fixture(scope="module")
def large():
    """One photograph of 256 by 256."""
    return Photos((torch.from_numpy(np.ascontiguousarray(data.astronaut()[:256, 128:384])),), np.ones(1), "")


def reached(network, photos):
    return reach.reach(network, photos, farthest=network.halo, multiple=network.multiple)


@torch.no_grad()
def test_tile_needs_no_halo_where_the_network_changes_nothing(told, large):
    network = to_onnx.network_of(told)
    network.leave.matrix.zero_()
    assert reached(network, large) == 2 * network.multiple


@torch.no_grad()
def test_halo_that_is_measured_is_enough_and_less_is_not(told, large):
    """In a corner of the picture, where it was not measured, too; one multiple is there to spare."""
    network = to_onnx.network_of(told)
    halo = reached(network, large)
    assert network.multiple < halo <= network.halo
    step = Step(validation.table_row(tables.LUMA, 20), validation.table_row(tables.CHROMA, 20), "4:2:0")
    given = step(validation.central_crop(large.images[0]))
    whole = network(given, step.tables)[..., 64:128, 64:128]

    def error(by):
        seen = given[..., 64 - by : 128 + by, 64 - by : 128 + by]
        return float((network(seen, step.tables)[..., by : by + 64, by : by + 64] - whole).abs().max())

    assert error(halo) <= reach.TOLERANCE
    assert error(network.multiple) > reach.TOLERANCE


def test_halo_is_the_farthest_where_no_picture_can_tell(told, photos):
    network = to_onnx.network_of(told)
    assert reached(network, photos) == network.halo


def test_packed_files_are_smaller_and_give_the_very_same(split, split_sessions):
    """The weights of networks with filters are rounded when they are exported: float16 holds them."""
    whole, making = split_sessions
    content, filters = to_onnx.packed(split.content), to_onnx.packed(split.filters)
    assert len(content) < 0.9 * len(split.content)
    assert len(filters) < 0.9 * len(split.filters)
    given = planes(1, 64, 96)
    expected = restored(whole, made_of(making, steps(1)), given)
    assert np.array_equal(restored(on_cpu(content), made_of(on_cpu(filters), steps(1)), given), expected)


def test_weights_that_float16_would_round_stay_as_they_are(written):
    content = written[1].read_bytes()
    assert len(to_onnx.packed(content)) == len(content)
