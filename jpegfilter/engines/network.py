"""A shipped network as an ONNX Runtime session. The only door to onnxruntime."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from jpegfilter import weights
from jpegfilter.engines import devices, views
from jpegfilter.engines.devices import DEVICES, Device
from jpegfilter.errors import DeviceError
from jpegfilter.jpeg import color
from jpegfilter.jpeg.types import Floats, Table
from jpegfilter.weights import Card

_QUIET = 4
"""ONNX Runtime's log level for fatal errors alone: what matters is raised."""
_PROBE = 64
"""Side of the picture on which a device must prove itself."""
_AGREEMENT = 1.0
"""Largest difference, in 8-bit steps, between a device's probe and the CPU's (TF32 and fp16 round more coarsely)."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where a network runs.

    Attributes:
        model: a name from the catalogue.
        device: "auto", or a device that must work: "cpu", "cuda", "cuda:1", ...
        threads: CPU threads of one run; None takes all cores.
    """

    model: str = weights.DEFAULT
    device: str = "auto"
    threads: int | None = None


def _session(content: bytes, device: Device, number: int, threads: int) -> Any:
    """Return a session that really runs on `device`; raises `DeviceError` where ONNX Runtime fell back."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_QUIET)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a plan made for each tile size: a third of the memory more, nothing faster
    settings: dict[str, Any] = {}
    if device.name == "cuda":
        onnxruntime.preload_dlls()
        settings = {"device_id": number, "cudnn_conv_algo_search": "HEURISTIC"}
    elif device.name in ("rocm", "directml"):
        settings = {"device_id": number}
    providers = [(device.provider, settings)]
    try:
        session = onnxruntime.InferenceSession(content, options, providers=providers)
        session.disable_fallback()
    except _failures() as error:
        raise DeviceError(f"a working {device.name}", _first_line(error), "choose --device cpu or auto") from error
    if session.get_providers()[0] != device.provider:
        raise DeviceError(
            f"a working {device.name}", "a session that fell back to the CPU", "choose --device cpu or auto"
        )
    return session


@lru_cache(maxsize=1)
def _failures() -> tuple[type[Exception], ...]:
    """Return everything ONNX Runtime raises: its exceptions have no common parent but `Exception`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (getattr(state, name) for name in dir(state))
    return (RuntimeError, ValueError, *(k for k in kinds if isinstance(k, type) and issubclass(k, Exception)))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


Filters: TypeAlias = "Callable[[bytes], dict[str, Any]]"
"""Filters by name, of the bytes of tables as float32 `(1, 2, 8, 8)`."""
_KEPT = 4
"""Tables whose filters are remembered: a picture's, and those of its mirror images along the diagonal."""


def _filters(session: Any) -> Filters:
    """Return what computes a network's filters of tables, once for each."""
    names = [output.name for output in session.get_outputs()]

    @lru_cache(maxsize=_KEPT)
    def made(tables: bytes) -> dict[str, Any]:
        told = np.frombuffer(tables, np.float32).reshape(1, 2, 8, 8)
        return dict(zip(names, session.run(None, {"tables": told}), strict=True))

    return made


class Network:
    """An engine (see `contract.Engine`) that runs one ONNX file on one device.

    Args:
        card: of the network.
        session: of its file.
        description: device and threads, for people.
        filters: for a network whose filters are made by a file of their own.
    """

    def __init__(self, card: Card, session: Any, *, description: str, filters: Filters | None = None) -> None:
        self.card, self.description = card, description
        self.halo, self.multiple = card.halo, card.multiple
        self.doubt = card.doubts
        self._session, self._filters = session, filters

    def restore(self, planes: Floats, tables: Sequence[Table]) -> Floats:
        """Return the restored planes; see `contract.Engine.restore`."""
        return views.average(self._once, planes, tables, self.card.views)

    def _once(self, planes: Floats, tables: Sequence[Table]) -> Floats:
        told = np.stack(tables).astype(np.float32)[None]
        try:
            if self._filters is not None:
                return self._through(self._filters(told.tobytes()), planes)
            feed = {"planes": color.with_chroma(planes)[None], "tables": told}
            restored: Floats = self._session.run(None, {name: feed[name] for name in self.card.inputs})[0][0]
        except _failures() as error:
            raise DeviceError(
                f"a tile of {planes.shape[2]}x{planes.shape[1]} through {self.card.name}",
                _first_line(error),
                "choose a smaller --tile, or --device cpu",
            ) from error
        return restored[: len(planes)]

    def _through(self, filters: dict[str, Any], planes: Floats) -> Floats:
        """Return the restored planes of a network that takes its filters as inputs.

        It restores as much of chroma as it is given: of a gray picture, one cell of nothing.
        """
        gray = len(planes) == 1
        chroma = np.zeros((2, self.multiple, self.multiple), np.float32) if gray else planes[1:]
        parts = self._session.run(None, {"luma": planes[None, :1], "chroma": chroma[:, None], **filters})
        restored: Floats = parts[0][0] if gray else np.concatenate(parts)[:, 0]
        return restored


def _probe(engine: Network) -> Floats:
    ramp = np.linspace(-100, 100, _PROBE * _PROBE, dtype=np.float32).reshape(_PROBE, _PROBE)
    return engine.restore(np.stack((ramp, ramp.T / 4, -ramp.T / 4)), [np.full((8, 8), 16, np.uint16)] * 2)


def _proven(
    card: Card, device: Device, number: int, threads: int, *, half: bool, probe: Floats, filters: Filters | None
) -> Network:
    """Return the engine on a device whose probe agrees with the CPU's; raises `DeviceError` otherwise."""
    session = _session(weights.onnx_bytes(card, "half" if half else "whole"), device, number, threads)
    engine = Network(card, session, description=f"{device.label} {number}{', float16' * half}", filters=filters)
    difference = float(np.abs(_probe(engine) - probe).max())
    if not difference <= _AGREEMENT:
        raise DeviceError(
            f"a {device.name} that computes", f"results {difference:.1f} steps off", "choose --device cpu"
        )
    return engine


def _open(card: Card, device: Device, number: int, threads: int) -> Network:
    """Return the engine on a device: in float16 where the device gains by it and comes out right.

    Filters are made on the CPU wherever the network runs: once a picture, in milliseconds.
    """
    filters = None
    if card.filters:
        filters = _filters(_session(weights.onnx_bytes(card, "filters"), DEVICES["cpu"], 0, threads))
    on_cpu = Network(
        card,
        _session(weights.onnx_bytes(card), DEVICES["cpu"], 0, threads),
        description=f"CPU, {threads} thread{'s' * (threads != 1)}",
        filters=filters,
    )
    if device.name == "cpu":
        return on_cpu
    probe = _probe(on_cpu)
    if device.half and card.half:
        with contextlib.suppress(DeviceError):
            return _proven(card, device, number, threads, half=True, probe=probe, filters=filters)
    return _proven(card, device, number, threads, half=False, probe=probe, filters=filters)


def open_network(options: EngineOptions) -> Network:
    """Return the engine for a shipped network.

    "auto" takes the first device that runs a probe and agrees with the CPU; a device asked for by name is taken or is
    an error.

    Raises:
        WeightsError: no such model, or a damaged file.
        DeviceError: the device asked for does not work here.
        UsageError: no such device.
    """
    import onnxruntime

    card = weights.find(options.model)
    threads = options.threads or devices.cores()
    listed = onnxruntime.get_available_providers()
    if options.device != "auto":
        device, number = devices.parse(options.device)
        if not devices.is_plausible(device, listed):
            why = "no driver or no GPU" if device.provider in listed else "an ONNX Runtime built without it"
            raise DeviceError(
                f"a working {device.name}", why, "choose --device cpu or auto; docs/gpu.md says what to install"
            )
        return _open(card, device, number, threads)
    for device in DEVICES.values():
        if device.name != "cpu" and devices.is_plausible(device, listed):
            try:
                return _open(card, device, 0, threads)
            except DeviceError:
                continue  # "auto" means that what does not work is passed over
    return _open(card, DEVICES["cpu"], 0, threads)
