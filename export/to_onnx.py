"""A trained network as an ONNX file that computes what torch computes."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.transformers import float16
from onnxruntime.transformers.onnx_model import OnnxModel
from torch import Tensor, nn
from torch.onnx.utils import register_custom_op_symbolic

from jpegfilter.errors import WeightsError
from jpegfilter.networks import Network, Qgac, build, inputs_of
from jpegfilter.training.checkpoint import Checkpoint

OPSET = 17
TOLERANCE = 2e-3
"""Largest difference allowed between torch and ONNX Runtime, in 8-bit steps of samples up to 128: float32 rounding."""


def network_of(state: Checkpoint) -> Network:
    """Return a checkpoint's network with the moving average of its weights, in its fewest operations."""
    network = build(state.recipe.network, state.recipe.widths)
    network.load_state_dict(state.average)
    return network.eval().merged()


def _example(batch: int, height: int, width: int, *, seed: int = 0) -> dict[str, Tensor]:
    """Return random inputs of every kind: planes in -128..128, tables of 1..255."""
    random = torch.Generator().manual_seed(seed)
    planes = torch.rand(batch, 3, height, width, generator=random) * 256 - 128
    return {"planes": planes, "tables": torch.randint(1, 256, (batch, 2, 8, 8), generator=random).float()}


def _asinh(graph: Any, x: Any) -> Any:
    """Return `asinh`, which the exporter does not know, as `sign(x) log(|x| + sqrt(x^2 + 1))`.

    The root is taken of what is divided by `u^2 = (|x| + 1)^2`: `x^2` alone may be more than float16 holds.
    """
    one = graph.op("Constant", value_t=torch.tensor(1.0))
    size = graph.op("Abs", x)
    u = graph.op("Add", size, one)
    squares = [graph.op("Mul", part, part) for part in (graph.op("Div", size, u), graph.op("Div", one, u))]
    root = graph.op("Mul", u, graph.op("Sqrt", graph.op("Add", *squares)))
    return graph.op("Mul", graph.op("Sign", x), graph.op("Log", graph.op("Add", size, root)))


register_custom_op_symbolic("aten::asinh", _asinh, OPSET)


def _written(network: nn.Module, given: dict[str, Tensor], made: list[str], axes: dict[str, dict[int, str]]) -> bytes:
    """Return a module as an ONNX file with the free axes `axes`."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The TorchScript exporter is deprecated, but needs one dependency less and writes the same few operators.
        warnings.simplefilter("ignore", DeprecationWarning)
        path = Path(folder, "network.onnx")
        torch.onnx.export(
            network, tuple(given.values()), path, input_names=list(given), output_names=made, opset_version=OPSET,
            dynamic_axes=axes, dynamo=False,
        )  # fmt: skip
        content = path.read_bytes()
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    return content


def to_onnx(network: nn.Module) -> bytes:
    """Return the network as an ONNX file with free batch, height and width."""
    names: tuple[str, ...] = network.inputs  # type: ignore[assignment]
    size = {0: "batch", 2: "height", 3: "width"}
    axes = {"planes": size, "restored": size, "tables": {0: "batch"}}
    given = {name: _example(1, 64, 64)[name] for name in names}
    return _written(network, given, ["restored"], {name: axes[name] for name in (*names, "restored")})


class _Filters(nn.Module):
    """Tables in, what `Qgac.filters` makes of them out, the two parts of each pair in turn, or `wanted` of them."""

    def __init__(self, network: Qgac, wanted: Sequence[int] | None = None) -> None:
        super().__init__()
        self.network, self.wanted = network, wanted

    def forward(self, tables: Tensor) -> tuple[Tensor, ...]:
        """Return the filters of one picture's tables, `(1, 2, 8, 8)`."""
        parts = [part for filters in self.network.filters(tables) for made in filters for part in made]
        return tuple(parts if self.wanted is None else [parts[index] for index in self.wanted])


class _Filtering(nn.Module):
    """Planes and filters in, restored planes out."""

    def __init__(self, network: Qgac, of_luma: int) -> None:
        """Take the network and how many pairs are luma's, of which the last are its units."""
        super().__init__()
        self.network, self.of_luma = network, of_luma

    def forward(self, luma: Tensor, chroma: Tensor, *parts: Tensor) -> tuple[Tensor, Tensor]:
        """Return Y `(1, 1, H, W)`, and Cb and Cr, `(2, 1, h, w)`.

        Chroma smaller than luma is that of its upper left corner: a gray picture needs none, but something.
        """
        filters = list(zip(parts[::2], parts[1::2], strict=True))
        restored = self.network.restore_luma(luma, filters[: self.of_luma])
        guide = restored[:, :, : chroma.shape[2], : chroma.shape[3]]
        steps = filters[self.of_luma - 1]
        return restored, self.network.restore_chroma(chroma, guide, filters[self.of_luma :], steps)


def split(network: Qgac) -> tuple[bytes, bytes]:
    """Return two ONNX files: what restores planes through given filters, and what makes these of tables.

    Filters are the same for all tiles of a picture.
    """
    tables = _example(1, 16, 16)["tables"]
    with torch.no_grad():
        made = _Filters(network)(tables)
    names = [f"{kind}_{index}" for index in range(len(made) // 2) for kind in ("filter", "bias")]
    planes = _example(1, 64, 64)["planes"]
    given = {"luma": planes[:, :1], "chroma": planes[0, 1:, None], **dict(zip(names, made, strict=True))}
    axes = {name: {2: "height", 3: "width"} for name in ("luma", "restored_luma")}
    axes |= {name: {2: "chroma_height", 3: "chroma_width"} for name in ("chroma", "restored_chroma")}
    filtering = _Filtering(network, len(network.filters(tables)[0])).eval()
    content = _written(filtering, given, ["restored_luma", "restored_chroma"], axes)
    # A network that does not count in steps does not look at them, and the exporter drops such inputs.
    taken = {value.name for value in onnx.load_from_string(content).graph.input}
    wanted = [index for index, name in enumerate(names) if name in taken]
    making = _Filters(network, wanted).eval()
    return content, _written(making, {"tables": tables}, [names[index] for index in wanted], {})


def halved(content: bytes) -> bytes:
    """Return the same file in float16, which reads and gives float32: for GPUs."""
    model = OnnxModel(float16.convert_float_to_float16(onnx.load_from_string(content), keep_io_types=True))
    model.topological_sort()
    half: bytes = model.model.SerializeToString()
    onnx.checker.check_model(onnx.load_from_string(half), full_check=True)
    return half


_WORTH_PACKING = 1024
"""Numbers of a weight from which half their size is worth an operation more in the file."""


def packed(content: bytes) -> bytes:
    """Return the same file with every large weight in float16 that loses nothing by it; loading casts it back."""
    if not content:
        return b""
    model = onnx.load_from_string(content)
    casts = []
    for weight in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            small = values.astype(np.float16)
        if values.dtype != np.float32 or values.size < _WORTH_PACKING or not np.array_equal(small, values):
            continue
        name = weight.name
        weight.CopyFrom(onnx.numpy_helper.from_array(small, f"{name}.packed"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.packed"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    whole: bytes = model.SerializeToString()
    return whole


def _session(content: bytes) -> Any:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def _computing(network: nn.Module, content: bytes, filters: bytes) -> Callable[..., NDArray[np.float32]]:
    """Return what ONNX Runtime computes of planes and tables: `content` alone, or with `filters` made before."""
    session = _session(content)
    names: tuple[str, ...] = network.inputs  # type: ignore[assignment]
    if not filters:
        return lambda **given: session.run(None, {name: given[name] for name in names})[0]
    making = _session(filters)
    made = [output.name for output in making.get_outputs()]

    def compute(planes: NDArray[np.float32], tables: NDArray[np.float32]) -> NDArray[np.float32]:
        restored = []
        for picture, told in zip(planes, tables, strict=True):
            feed = dict(zip(made, making.run(None, {"tables": told[None]}), strict=True))
            feed |= {"luma": picture[None, :1], "chroma": picture[1:, None]}
            restored.append(np.concatenate(session.run(None, feed))[:, 0])
        return np.stack(restored)

    return compute


def difference(network: nn.Module, content: bytes, filters: bytes = b"", *, seed: int = 0) -> float:
    """Return the largest difference between torch and ONNX Runtime over pictures of several sizes, in 8-bit steps."""
    compute = _computing(network, content, filters)
    worst, least = 0.0, int(network.multiple)  # type: ignore[arg-type]
    for batch, height, width in ((1, 64, 64), (2, 96, 48), (1, least, least), (1, 240, 160)):
        given = _example(batch, height, width, seed=seed)
        with torch.no_grad():
            expected = network(*inputs_of(network, **given)).numpy()
        found = compute(**{name: value.numpy() for name, value in given.items()})
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst


@dataclass(frozen=True, slots=True)
class Exported:
    """A network and its ONNX files.

    Attributes:
        network: what they compute, in torch.
        content: the file that restores.
        filters: the file that makes its filters of tables; nothing where it needs none.
    """

    network: Network
    content: bytes
    filters: bytes


def exported(state: Checkpoint) -> Exported:
    """Return a checkpoint's network and its ONNX files, having compared them.

    A network with filters of its own for each picture has so many weights that they are rounded to float16.

    Raises:
        WeightsError: torch and ONNX Runtime disagree.
    """
    network = network_of(state)
    if isinstance(network, Qgac):
        network.load_state_dict({name: weight.half().float() for name, weight in network.state_dict().items()})
    content, filters = split(network) if isinstance(network, Qgac) else (to_onnx(network), b"")
    worst = difference(network, content, filters)
    if not worst <= TOLERANCE:
        raise WeightsError(f"torch and ONNX Runtime within {TOLERANCE} steps", f"{worst:.5f}", "do not ship this file")
    return Exported(network, content, filters)
