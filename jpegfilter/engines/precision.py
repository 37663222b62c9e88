"""In which numbers torch computes."""

from __future__ import annotations

import contextlib

import torch


def autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bf16 where the processor multiplies it, otherwise float32."""
    if device.type == "cpu" and not torch.cpu._is_avx512_bf16_supported():
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
