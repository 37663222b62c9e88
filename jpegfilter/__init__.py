"""jpegfilter takes out of a photo what JPEG compression put in: blocks, ringing, bleeding colors.

    >>> import jpegfilter
    >>> image = jpegfilter.restore("in.jpg")  # doctest: +SKIP

Importing this package loads neither torch nor ONNX Runtime; the first restoration loads the latter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jpegfilter.engines.network import EngineOptions
    from jpegfilter.errors import JpegFilterError
    from jpegfilter.pipeline.restoration import RestoreOptions
    from jpegfilter.pipeline.restorer import Restorer, restore

__all__ = ["EngineOptions", "JpegFilterError", "RestoreOptions", "Restorer", "__version__", "restore"]
__version__ = "0.1.0"

_HOMES = {
    "EngineOptions": "jpegfilter.engines.network",
    "JpegFilterError": "jpegfilter.errors",
    "RestoreOptions": "jpegfilter.pipeline.restoration",
    "Restorer": "jpegfilter.pipeline.restorer",
    "restore": "jpegfilter.pipeline.restorer",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
