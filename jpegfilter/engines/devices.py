"""Choosing where a network runs. A provider counts as working when it has run something, not when it is listed.

ONNX Runtime's GPU packages list their providers on machines without a GPU, then fall back to the CPU and complain on
standard error. So drivers are looked for first, quietly, and a provider must be the one the session ends up with.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass

from jpegfilter.errors import UsageError


@dataclass(frozen=True, slots=True)
class Device:
    """A device by name.

    Attributes:
        name: as on the command line.
        provider: ONNX Runtime's name of what drives it.
        label: for people.
        half: runs a network in float16 where there is one.
    """

    name: str
    provider: str
    label: str
    half: bool = False


DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device("cuda", "CUDAExecutionProvider", "NVIDIA GPU (CUDA)", half=True),
        Device("rocm", "MIGraphXExecutionProvider", "AMD GPU (MIGraphX)", half=True),
        Device("directml", "DmlExecutionProvider", "GPU (DirectML)", half=True),
        Device("coreml", "CoreMLExecutionProvider", "Apple GPU or Neural Engine (Core ML)"),
        Device("cpu", "CPUExecutionProvider", "CPU"),
    )
}
"""Every device, in the order in which "auto" tries them."""


def parse(name: str) -> tuple[Device, int]:
    """Return the device and its number of `"cuda"`, `"cuda:1"` and so on; raises `UsageError` for an unknown name."""
    base, _, number = name.partition(":")
    if base not in DEVICES or (number and not (number.isascii() and number.isdigit())):
        raise UsageError(
            "a device", repr(name), f"choose auto, {', '.join(DEVICES)}; a number may follow, as in cuda:1"
        )
    return DEVICES[base], int(number or 0)


def cuda_devices() -> int:
    """Return how many GPUs NVIDIA's driver finds; 0 without a driver. Asks the driver alone and prints nothing."""
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_plausible(device: Device, listed: list[str]) -> bool:
    """Return whether trying a device is worth its noise: its provider is listed and its driver is there."""
    if device.provider not in listed:
        return False
    return device.name != "cuda" or cuda_devices() > 0
