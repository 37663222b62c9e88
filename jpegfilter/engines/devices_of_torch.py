"""The devices of `EngineOptions`, as torch has them."""

from __future__ import annotations

import torch

from jpegfilter.errors import DeviceError

_TORCHS = {"rocm": "cuda", "coreml": "mps"}
"""What torch calls devices that ONNX Runtime calls otherwise."""


def device(name: str, threads: int | None) -> torch.device:
    """Return a torch device by the name that `EngineOptions` has for it; "auto" is a GPU where there is one.

    Args:
        name: a device.
        threads: torch's threads on the CPU, from now on; None leaves them as they are.

    Raises:
        DeviceError: it does not work here.
    """
    if threads:
        torch.set_num_threads(threads)
    base, _, number = name.partition(":")
    name = _TORCHS.get(base, base) + (f":{number}" if number else "")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).add_(1)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise DeviceError(f"a torch device that works, not {name}", why, "choose --device cpu or auto") from error
    return torch.device(name)
