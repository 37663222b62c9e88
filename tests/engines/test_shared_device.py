"""Several pictures at a time on one device: side by side while memory lasts, alone where it does not."""

import threading

import pytest

pytest.importorskip("torch")

import torch

from jpegfilter.engines.shared_device import SharedDevice
from jpegfilter.errors import DeviceError, InputError

LONG = 30


@pytest.fixture
def device():
    return SharedDevice(torch.device("cpu"))


def test_what_is_done_is_returned(device):
    assert device.run(lambda: 3) == 3


def test_work_is_done_side_by_side(device):
    meeting = threading.Barrier(2, timeout=LONG)
    threads = [threading.Thread(target=device.run, args=(meeting.wait,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not meeting.broken


def test_what_does_not_fit_is_done_again_when_nothing_is_beside_it(device):
    """A third that comes meanwhile waits until then, too."""
    said, began, end = [], threading.Event(), threading.Event()

    def large():
        began.set()
        assert end.wait(LONG)
        said.append("large")

    def crowded():
        if said:
            said.append("crowded, alone")
            third.start()
            third.join(0.2)
            said.append("crowded, done")
            return
        end.set()
        raise torch.OutOfMemoryError("no room")

    first = threading.Thread(target=device.run, args=(large,))
    third = threading.Thread(target=device.run, args=(lambda: said.append("third"),))
    first.start()
    assert began.wait(LONG)
    device.run(crowded)
    first.join(LONG)
    third.join(LONG)
    assert said == ["large", "crowded, alone", "crowded, done", "third"]


def test_what_does_not_fit_alone_is_an_error(device):
    asked = []

    def huge():
        asked.append(1)
        raise torch.OutOfMemoryError("tried to allocate 90 GiB")

    with pytest.raises(DeviceError, match="90 GiB"):
        device.run(huge)
    assert len(asked) == 2
    assert device.run(lambda: 3) == 3


def test_another_failure_is_passed_on_at_once_and_leaves_the_device_free(device):
    asked = []

    def broken():
        asked.append(1)
        raise InputError("a JPEG", "none")

    with pytest.raises(InputError):
        device.run(broken)
    assert len(asked) == 1

    def crowded():
        if len(asked) < 2:
            asked.append(1)
            raise torch.OutOfMemoryError("no room")
        return "alone"

    assert device.run(crowded) == "alone"
