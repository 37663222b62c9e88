"""From a checkpoint to an ONNX file that computes what torch computes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from export import to_onnx  # noqa: E402
from jpegfilter.errors import WeightsError  # noqa: E402
from jpegfilter.networks import build  # noqa: E402
from jpegfilter.training.checkpoint import Checkpoint  # noqa: E402
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
    network, content = to_onnx.exported(state)
    path.write_bytes(content)
    return network, path


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
