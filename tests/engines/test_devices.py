"""Choosing a device: names, errors, and silence about what is not there."""

import os
import subprocess
import sys

import pytest

from jpegfilter.engines import devices
from jpegfilter.engines.devices import DEVICES, cuda_devices, is_plausible, parse
from jpegfilter.errors import UsageError

OPEN = """
from jpegfilter.engines.network import EngineOptions, open_network
print(open_network(EngineOptions(threads=1)).description)
"""


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_is_known_by_its_name_and_number(name):
    assert parse(name) == (DEVICES[name], 0)
    assert parse(f"{name}:0") == (DEVICES[name], 0)
    assert parse(f"{name}:12") == (DEVICES[name], 12)
    assert DEVICES[name].name == name


@pytest.mark.parametrize(
    "name",
    [
        *("tpu", "", ":", ":1", "CUDA", "cuda ", " cuda", "gpu", "auto", "auto:1"),
        *("cuda:x", "cuda:-1", "cuda:1:2", "cuda:1.0", "cuda: 1", "cuda:+1"),
    ],
)
def test_anything_else_is_refused_with_what_is_known(name):
    with pytest.raises(UsageError) as caught:
        parse(name)
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in ("auto", *DEVICES))


@pytest.mark.parametrize("name", ["cuda:²", "cuda:①"])
def test_digits_that_are_no_numbers_are_refused(name):
    with pytest.raises(UsageError):
        parse(name)


def test_auto_tries_every_other_device_before_the_processor():
    assert list(DEVICES)[-1] == "cpu"
    assert [d.provider for d in DEVICES.values()] == list(dict.fromkeys(d.provider for d in DEVICES.values()))


def test_providers_are_those_that_onnx_runtime_knows():
    import onnxruntime

    known = onnxruntime.get_all_providers()
    # MIGraphX is listed by builds that have it alone.
    assert {d.provider for d in DEVICES.values() if d.name != "rocm"} <= set(known)


def test_counting_gpus_prints_nothing(capfd):
    assert cuda_devices() >= 0
    assert capfd.readouterr() == ("", "")


def test_a_driver_that_is_missing_or_refuses_counts_no_gpu(monkeypatch):
    class Refusing:
        def cuInit(self, flags):
            return 100

    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    for answer in (missing, lambda name: Refusing()):
        monkeypatch.setattr(devices.ctypes, "CDLL", answer)
        assert cuda_devices() == 0


def test_a_provider_must_be_listed_and_its_driver_there(monkeypatch):
    everything = [device.provider for device in DEVICES.values()]
    for count in (0, 2):
        monkeypatch.setattr(devices, "cuda_devices", lambda count=count: count)
        assert is_plausible(DEVICES["cuda"], everything) is (count > 0)
        assert not is_plausible(DEVICES["cuda"], ["CPUExecutionProvider"])
        assert is_plausible(DEVICES["cpu"], everything)
        assert not is_plausible(DEVICES["directml"], ["CPUExecutionProvider"])


def test_processors_are_those_of_this_process(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        assert devices.cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert devices.cores() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert devices.cores() == 1


@pytest.mark.skipif(cuda_devices() > 0, reason="there is a GPU: its absence is NOT tested")
def test_auto_without_a_gpu_is_the_processor_and_says_nothing():
    command = [sys.executable, "-W", "error", "-c", OPEN]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "CPU, 1 thread\n", "")
