"""What fewer bits save and cost: a model in float16, and quantized statically to eight-bit integers, beside itself.

    python benchmarks/precision.py TRAIN [--model default] [--qualities 10,30,75,90]

TRAIN holds the training images: some of those that were trained on calibrate the ranges of the activations, some of the
held-out ones are scored, as the network's own planes, without the projection. Weights by output channel, activations as
unsigned bytes; the first and the last convolution stay in float32. Processors have no float16 convolution: its time
here is that of conversions and means nothing for a GPU; its loss does. Needs the extra "export" and a quiet machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from jpegfilter import weights
from jpegfilter.compression.libjpeg import Step
from jpegfilter.compression.planes import clean_planes
from jpegfilter.jpeg import tables
from jpegfilter.training import data, losses
from jpegfilter.training import recipe as recipes
from jpegfilter.training.validation import central_crop, table_row

Feed = dict[str, NDArray[np.float32]]
PICTURES = 16
"""Pictures that calibrate, and pictures that are scored."""


def shown(image: torch.Tensor, quality: int) -> tuple[Feed, torch.Tensor]:
    """Return a network's inputs for a picture's crop at a quality, and the clean planes."""
    rgb = central_crop(image)
    step = Step(table_row(tables.LUMA, quality), table_row(tables.CHROMA, quality), "4:2:0")
    return {"planes": step(rgb).numpy(), "tables": step.tables.numpy()}, clean_planes(rgb)


class Reader(CalibrationDataReader):
    """Hands the calibration its inputs, one by one."""

    def __init__(self, photos: data.Photos, qualities: list[int]) -> None:
        every = [
            shown(image, quality)[0]
            for image in photos.images[:: len(photos.images) // PICTURES]
            for quality in qualities
        ]
        self.feeds = iter(every)

    def get_next(self) -> Feed | None:
        """Return the next inputs, or None after the last."""
        return next(self.feeds, None)


def seconds(session: onnxruntime.InferenceSession) -> float:
    """Return seconds a megapixel, the best of five."""
    feed = {"planes": np.zeros((1, 3, 768, 768), np.float32), "tables": np.full((1, 2, 8, 8), 16, np.float32)}
    times = []
    for _ in range(6):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return min(times[1:]) / 768**2 * 1e6


def psnr(session: onnxruntime.InferenceSession, photos: data.Photos, quality: int) -> float:
    """Return the mean PSNR over the scored pictures."""
    found = []
    for image in photos.images[:PICTURES]:
        feed, clean = shown(image, quality)
        restored = torch.from_numpy(session.run(None, feed)[0])
        found.append(float(-10 * torch.log10(losses.rgb_error(restored, clean))))
    return sum(found) / len(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=weights.DEFAULT)
    parser.add_argument("--qualities", default="10,30,75,90")
    options = parser.parse_args()
    qualities = [int(quality) for quality in options.qualities.split(",")]
    card = weights.find(options.model)
    made = recipes.from_dict({key: value for key, value in card.recipe.items() if key != "steps done"})
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, small = (Path(folder, name) for name in ("plain.onnx", "ready.onnx", "int8.onnx"))
        plain.write_bytes(weights.onnx_bytes(card))
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        names = [node.name for node in onnx.load(ready).graph.node if node.op_type == "Conv"]
        quantize_static(
            ready, small, Reader(data.load(options.folder, made, held_out=False), qualities),
            quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, op_types_to_quantize=["Conv"], nodes_to_exclude=[names[0], names[-1]],
        )  # fmt: skip
        half = weights.onnx_bytes(card, "half")
        sessions = {
            name: onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
            for name, graph in (("float32", plain), ("float16", half), ("int8", small))
        }
    held_out = data.load(options.folder, made, held_out=True)
    print(f"| | s/MP | {' | '.join(f'q{quality}' for quality in qualities)} |\n|{'---|' * (2 + len(qualities))}")
    for name, session in sessions.items():
        row = " | ".join(f"{psnr(session, held_out, quality):.3f}" for quality in qualities)
        print(f"| {name} | {seconds(session):.3f} | {row} |")


if __name__ == "__main__":
    main()
