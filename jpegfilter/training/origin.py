"""Where a checkpoint comes from: the commit of the code, the data and the versions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import torch


def _commit() -> str:
    """Return the commit of the source tree, "-dirty" where it was changed, or "unknown" outside a checkout."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def describe(manifest: str) -> dict[str, str]:
    """Return what made a run, as text by name.

    Args:
        manifest: sha256 of the training images' names and sizes.
    """
    return {"commit": _commit(), "data": manifest, "torch": torch.__version__, "numpy": np.__version__}
