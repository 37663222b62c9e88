"""A trained network as an ONNX file that computes what torch computes."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.transformers import float16
from onnxruntime.transformers.onnx_model import OnnxModel
from torch import Tensor, nn

from jpegfilter.errors import WeightsError
from jpegfilter.networks import Network, build
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


def to_onnx(network: nn.Module) -> bytes:
    """Return the network as an ONNX file with free batch, height and width."""
    names: tuple[str, ...] = network.inputs  # type: ignore[assignment]
    size = {0: "batch", 2: "height", 3: "width"}
    axes = {"planes": size, "restored": size, "tables": {0: "batch"}}
    given = _example(1, 64, 64)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The TorchScript exporter is deprecated, but needs one dependency less and writes the same few operators.
        warnings.simplefilter("ignore", DeprecationWarning)
        path = Path(folder, "network.onnx")
        torch.onnx.export(
            network, tuple(given[name] for name in names), path, input_names=list(names), output_names=["restored"],
            opset_version=OPSET, dynamic_axes={name: axes[name] for name in (*names, "restored")}, dynamo=False,
        )  # fmt: skip
        content = path.read_bytes()
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    return content


def halved(content: bytes) -> bytes:
    """Return the same file in float16, which reads and gives float32: for GPUs."""
    model = OnnxModel(float16.convert_float_to_float16(onnx.load_from_string(content), keep_io_types=True))
    model.topological_sort()
    half: bytes = model.model.SerializeToString()
    onnx.checker.check_model(onnx.load_from_string(half), full_check=True)
    return half


def difference(network: nn.Module, content: bytes, *, seed: int = 0) -> float:
    """Return the largest difference between torch and ONNX Runtime over pictures of several sizes, in 8-bit steps."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names: tuple[str, ...] = network.inputs  # type: ignore[assignment]
    worst = 0.0
    for batch, height, width in ((1, 64, 64), (2, 96, 40), (1, 8, 8), (1, 248, 168)):
        given = {name: _example(batch, height, width, seed=seed)[name] for name in names}
        with torch.no_grad():
            expected = network(*given.values()).numpy()
        found = session.run(None, {name: value.numpy() for name, value in given.items()})[0]
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst


def exported(state: Checkpoint) -> tuple[Network, bytes]:
    """Return a checkpoint's network and its ONNX file, having compared them.

    Raises:
        WeightsError: torch and ONNX Runtime disagree.
    """
    network = network_of(state)
    content = to_onnx(network)
    worst = difference(network, content)
    if not worst <= TOLERANCE:
        raise WeightsError(f"torch and ONNX Runtime within {TOLERANCE} steps", f"{worst:.5f}", "do not ship this file")
    return network, content
