"""The worker as the plug-in sees it: a process of its own at an address."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import jpegfilter
from jpegfilter.gimp.worker import PROTOCOL

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a worker's address is NOT tested on Windows")
KEY = b"secret"
PATIENCE = 30


@pytest.fixture
def address(tmp_path):
    return str(tmp_path / "w")


@pytest.fixture
def start(address):
    """Return a starter of workers at the address, all ended afterwards."""
    started = []

    def make(*options):
        command = [sys.executable, "-W", "error", "-m", "jpegfilter", "gimp", "worker", "--address", address, *options]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        worker.stdin.write(KEY + b"\n")
        worker.stdin.close()
        started.append(worker)
        return worker

    yield make
    for worker in started:
        worker.kill()
        worker.wait()
        worker.stderr.close()


def connect(address, key=KEY):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return Client(address, authkey=key)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("worker") / "photo.jpg"
    Image.fromarray(data.astronaut()[:96, 100:228]).save(path, quality=10)
    return path


@pytest.fixture
def request_for(file):
    """Return a request about the photo's layer, and its samples."""
    with Image.open(file) as image:
        pixels = np.array(image)
    height, width, channels = pixels.shape
    request = {
        "protocol": PROTOCOL, "do": "restore", "height": height, "width": width, "channels": channels, "type": "u8",
        "file": str(file), "jpeg_settings": None, "model": "default", "strength": 1.0, "quality": 0,
        "grain": 0.0,
    }  # fmt: skip
    return request, pixels.tobytes()


def ask(connection, request, content):
    """Return the messages of an answer, and the samples."""
    connection.send_bytes(json.dumps(request).encode())
    connection.send_bytes(content)
    messages = [json.loads(connection.recv_bytes())]
    while "progress" in messages[-1]:
        messages.append(json.loads(connection.recv_bytes()))
    return messages, connection.recv_bytes() if "bytes" in messages[-1] else None


def test_layer_comes_back_restored_as_by_the_program(start, address, request_for, file):
    start()
    request, content = request_for
    with connect(address) as connection:
        messages, restored = ask(connection, request, content)
    assert messages[-1]["kind"] == "file"
    assert messages[-1]["bytes"] == len(restored)
    shares = [message["progress"] for message in messages[:-1]]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert restored == jpegfilter.restore(file).tobytes()


def test_looking_changes_nothing_and_says_what_would_be_done(start, address, request_for):
    start()
    request, content = request_for
    with connect(address) as connection:
        messages, restored = ask(connection, request | {"do": "look"}, content)
    assert "photo.jpg" in messages[-1]["text"]
    assert restored is None


def test_a_worker_serves_many_and_knows_its_network_the_second_time(start, address, request_for):
    worker = start()
    request, content = request_for
    results = []
    for _ in range(3):
        with connect(address) as connection:
            results.append(ask(connection, request, content)[1])
    assert results[0] == results[1] == results[2]
    assert worker.poll() is None


def test_remembered_tables_and_floats_are_understood(start, address, request_for):
    start()
    request, content = request_for
    samples = (np.frombuffer(content, np.uint8).reshape(96, 128, 3)[3:, 5:] / np.float32(255)).astype("<f4")
    request |= {"height": 93, "width": 123, "type": "float", "file": None}
    request["jpeg_settings"] = [3, 10, 3, 0, 2, 2, 1, 1, 1, 1]
    with connect(address) as connection:
        messages, restored = ask(connection, request, samples.tobytes())
    assert messages[-1]["kind"] == "tables"
    out = np.frombuffer(restored, "<f4").reshape(samples.shape)
    assert 0 < np.abs(out - samples).max() < 0.5


@pytest.mark.parametrize(
    "change",
    [{"protocol": 0}, {"model": "absent"}, {"strength": 2.0}, {"grain": -1.0}, {"quality": 101}, {"height": 95},
     {"type": "u16"}, {"channels": 5}, {"width": "wide"}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_done_is_an_error_message_and_the_worker_lives(change, start, address, request_for):
    worker = start()
    request, content = request_for
    with connect(address) as connection:
        connection.send_bytes(json.dumps(request | change).encode())
        connection.send_bytes(content)
        assert json.loads(connection.recv_bytes())["error"]
    with connect(address) as connection:
        assert ask(connection, request, content)[1]
    assert worker.poll() is None


def test_hanging_up_ends_the_work_at_once(start, address, tmp_path):
    path = tmp_path / "large.jpg"
    Image.fromarray(np.tile(data.astronaut(), (6, 6, 1))).save(path, quality=30)
    with Image.open(path) as image:
        pixels = np.array(image)
    worker = start()
    request = {
        "protocol": PROTOCOL, "do": "restore", "height": pixels.shape[0], "width": pixels.shape[1], "channels": 3,
        "type": "u8", "file": str(path), "jpeg_settings": None, "model": "default", "strength": 1.0, "quality": 0,
        "grain": 0.0,
    }  # fmt: skip
    with connect(address) as connection:
        connection.send_bytes(json.dumps(request).encode())
        connection.send_bytes(pixels.tobytes())
        assert json.loads(connection.recv_bytes())["progress"] < 0.5
    left = time.monotonic()
    worker.wait(PATIENCE)
    assert time.monotonic() - left < 5
    assert worker.returncode == 3


def test_hanging_up_before_the_samples_costs_nothing(start, address, request_for):
    worker = start()
    request, content = request_for
    with connect(address) as connection:
        connection.send_bytes(json.dumps(request).encode())
    with connect(address) as connection:
        assert ask(connection, request, content)[1]
    assert worker.poll() is None


def test_a_stranger_is_not_served(start, address, request_for):
    start()
    connect(address).close()
    with pytest.raises(AuthenticationError):
        connect(address, b"guessed")
    with connect(address) as connection:
        assert ask(connection, *request_for)[1]


def test_an_idle_worker_goes_and_leaves_nothing(start, address):
    worker = start("--idle", "0.5")
    worker.wait(PATIENCE)
    assert worker.returncode == 0
    assert not Path(address).exists()


def test_the_place_of_a_killed_worker_is_taken(start, address, request_for):
    first = start()
    connect(address).close()
    first.send_signal(signal.SIGKILL)
    first.wait(PATIENCE)
    start()
    with connect(address) as connection:
        assert ask(connection, *request_for)[1]


def test_without_a_key_it_says_who_starts_it(cli_process):
    done = cli_process("gimp", "worker", "--address", "unused", stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert b"key" in done.stderr


@pytest.fixture
def cli_process():
    def run(*arguments, **options):
        command = [sys.executable, "-W", "error", "-m", "jpegfilter", *arguments]
        return subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE, **options)

    return run


def test_silence_is_kept_on_standard_error(start, address, request_for):
    worker = start()
    with connect(address) as connection:
        ask(connection, *request_for)
    with contextlib.suppress(OSError):
        worker.terminate()
    assert worker.stderr.read() == b""
