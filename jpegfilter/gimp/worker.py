"""A process that restores layers for GIMP's plug-in, one after the other, and waits a while for the next.

The plug-in connects, sends a request as JSON and the layer's samples as bytes, and gets JSON messages back: progress
between 0 and 1, then the answer, then the restored samples as bytes. Whoever hangs up in between has cancelled, and the
worker ends at once; the next call starts another. See docs/gimp.md, "The protocol".
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from jpegfilter.engines.contract import Engine
from jpegfilter.engines.network import EngineOptions, open_network
from jpegfilter.errors import InputError, JpegFilterError, UsageError
from jpegfilter.gimp import parasite
from jpegfilter.jpeg.types import Floats, Pixels
from jpegfilter.pipeline import layer
from jpegfilter.pipeline.layer import Layer
from jpegfilter.pipeline.restoration import Progress, RestoreOptions

PROTOCOL = 1
"""Number of the protocol: a plug-in that speaks another is asked to be installed again."""
IDLE = 180.0
"""Seconds after its last answer that a worker waits for the next request."""
_TYPES: dict[str, np.dtype[Any]] = {"u8": np.dtype(np.uint8), "float": np.dtype("<f4")}
"""Types of samples on the wire, in rows, without gaps."""
_CANCELLED = 3
"""Exit status after the plug-in hung up."""


@lru_cache(maxsize=2)
def _engine(model: str) -> Engine:
    """Return a loaded network, kept for the next request."""
    return open_network(EngineOptions(model=model))


def _samples(request: dict[str, Any], content: bytes) -> Pixels | Floats:
    """Return the layer's samples `(H, W, C)` of a request's bytes; raises `InputError` where they do not fit."""
    shape = tuple(int(request[key]) for key in ("height", "width", "channels"))
    kind = _TYPES[request["type"]]
    if min(shape) < 1 or shape[2] > 4 or len(content) != shape[0] * shape[1] * shape[2] * kind.itemsize:
        raise InputError(f"samples of shape {shape}", f"{len(content)} bytes", "install the plug-in again")
    samples: Pixels | Floats = np.frombuffer(content, kind).reshape(shape)
    return samples


def _layer(request: dict[str, Any], content: bytes) -> Layer:
    path = request.get("file")
    remembered = parasite.tables(bytes(request["jpeg_settings"])) if request.get("jpeg_settings") else None
    return Layer(_samples(request, content), Path(path) if path else None, remembered)


def answer(
    request: dict[str, Any], content: bytes, progress: Progress | None = None
) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer to a request, and the restored samples, or None where there are none.

    Args:
        request: `do` ("look": say what the layer would be restored from; "restore"), `height`, `width`, `channels`
            (1 to 4), `type` of the samples ("u8", or "float" with 0..1), `file` and `jpeg_settings` (the bytes of
            GIMP's parasite) or None, `model`, `strength` and `grain` 0..1, `quality` 0 (automatic) to 100.
        content: the samples.

    Raises:
        JpegFilterError: what was asked for cannot be done.
    """
    try:
        given = _layer(request, content)
        options = RestoreOptions(
            strength=float(request["strength"]),
            quality=int(request["quality"]) or "auto",
            grain=float(request["grain"]),
        )
        model, only_look = str(request["model"]), request["do"] == "look"
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError("a request of the plug-in's", repr(error), "run: jpegfilter gimp install") from error
    engine = _engine(model)
    found = layer.basis(given, engine, options)
    said = {"kind": found.kind, "text": found.text}
    if only_look or found.kind == "nothing":
        return said, None
    restored = layer.restore_layer(given, found, engine, options, progress).tobytes()
    return said | {"bytes": len(restored)}, restored


def _serve(connection: Connection) -> None:
    """Answer one request; whatever goes wrong becomes an error message."""

    def send(message: dict[str, Any]) -> None:
        connection.send_bytes(json.dumps(message).encode())

    request = json.loads(connection.recv_bytes())
    content = connection.recv_bytes()  # read in any case: a plug-in that still sends would not hear the answer
    if request.get("protocol") != PROTOCOL:
        send({"error": "the plug-in and the program are of different versions; run: jpegfilter gimp install"})
        return
    restored = None
    with _ending_when_hung_up(connection):
        try:
            said, restored = answer(request, content, lambda share: send({"progress": share}))
        except JpegFilterError as error:
            said = {"error": str(error)}
        except MemoryError:
            said = {"error": "not enough memory; close other pictures"}
    send(said)
    if restored is not None:
        connection.send_bytes(restored)


@contextlib.contextmanager
def _ending_when_hung_up(connection: Connection) -> Iterator[None]:
    """End the process as soon as the other side hangs up: it sends nothing while it waits."""
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if wait([connection], timeout=0.05) and not done.is_set():
                os._exit(_CANCELLED)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


class _Rest:
    """Ends the process when nothing was asked of it for a while."""

    def __init__(self, seconds: float, address: str) -> None:
        self.seconds, self.address = seconds, address
        self.busy = False
        self.since = time.monotonic()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self.busy or time.monotonic() - self.since < self.seconds:
            time.sleep(min(1.0, self.seconds / 4))
        with contextlib.suppress(OSError):
            Path(self.address).unlink()
        os._exit(0)

    @contextlib.contextmanager
    def interrupted(self) -> Iterator[None]:
        """Keep the process while something is done."""
        self.busy = True
        try:
            yield
        finally:
            self.since = time.monotonic()
            self.busy = False


def serve(address: str, key: bytes, *, idle: float = IDLE) -> None:
    """Answer requests at an address until nobody has asked for `idle` seconds.

    Args:
        address: a socket's path in a folder of the user's own, or a pipe's name on Windows.
        key: known to plug-in and worker alone.
    """
    threadpool_limits(limits=1, user_api="blas")  # see `pipeline.restorer`
    with contextlib.suppress(FileNotFoundError):  # of a worker that was killed: the plug-in found nobody there
        Path(address).unlink()
    with Listener(address, authkey=key) as listener:
        rest = _Rest(idle, address)
        while True:
            with (
                contextlib.suppress(OSError, EOFError, AuthenticationError),
                listener.accept() as connection,
                rest.interrupted(),
            ):
                _serve(connection)
