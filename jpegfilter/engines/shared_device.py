"""Several pictures at a time on one device in torch, as long as its memory holds them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from jpegfilter.errors import DeviceError

_T = TypeVar("_T")


class SharedDevice:
    """A device on which threads work side by side; what finds too little memory there is done again alone.

    Args:
        device: a processor or a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._left = threading.Condition()
        self._inside = 0
        self._alone = threading.Lock()

    @property
    def is_gpu(self) -> bool:
        """Whether there is room for several fits at a time: on processors, one takes them all."""
        return self.device.type != "cpu"

    def run(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns, which may be called twice.

        Raises:
            DeviceError: there is too little memory for it alone.
        """
        with self._alone:  # nobody comes in while someone wants to be alone
            self._enter()
        try:
            with self._stream():
                return work()
        except torch.OutOfMemoryError:
            pass  # and with the exception goes what its frames hold
        finally:
            self._leave()
        with self._alone:
            with self._left:
                self._left.wait_for(lambda: not self._inside)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                with self._stream():
                    return work()
            except torch.OutOfMemoryError as error:
                why = str(error).splitlines()[0]
                raise DeviceError(f"enough memory on {self.device}", why, "choose --device cpu") from error

    def _enter(self) -> None:
        with self._left:
            self._inside += 1

    def _leave(self) -> None:
        with self._left:
            self._inside -= 1
            self._left.notify_all()

    @contextlib.contextmanager
    def _stream(self) -> Iterator[None]:
        """Give a GPU's kernels of this thread an order of their own, so that those of others run beside them."""
        if self.device.type != "cuda":
            yield
            return
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.default_stream(self.device))  # on which shared weights came
        with torch.cuda.stream(stream):
            yield
