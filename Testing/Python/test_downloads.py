"""Downloads are resumed, verified and whole, from real servers: with ranges, without, breaking off, and wrong."""

from __future__ import annotations

import hashlib
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from WSPCirrhosisLib import downloads
from WSPCirrhosisLib.downloads import download
from WSPCirrhosisLib.errors import CANCELLED, InputError
from WSPCirrhosisLib.events import Events

CONTENT = np.random.default_rng(3).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT.

    Args:
        ranges: whether it knows them.
        break_offs: after how many bytes each of the first answers ends.
        pause_s: after every 64 kB.
        status: instead of an answer.
    """

    daemon_threads = True

    def __init__(self, ranges=True, break_offs=(), pause_s=0.0, status=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges, self.break_offs = ranges, list(break_offs)
        self.pause_s, self.status = pause_s, status
        self.asked: list[str | None] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/model.onnx"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if server.status:
            self.send_error(server.status)
            return
        first = int(wanted.split("=")[1].rstrip("-")) if wanted and server.ranges else 0
        if first >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.end_headers()
        end = first + server.break_offs.pop(0) if server.break_offs else len(CONTENT)
        for start in range(first, min(end, len(CONTENT)), 1 << 16):
            self.wfile.write(CONTENT[start : min(start + (1 << 16), end)])
            time.sleep(server.pause_s)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_S", 0.01)
    servers = []

    def start(**manners) -> Server:
        servers.append(Server(**manners))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refused(*arguments, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        download(*arguments, **options)
    return caught.value


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(serve, tmp_path: Path):
    records = []
    target = tmp_path / "models" / "model.onnx"
    download(serve().url, target, SHA256, len(CONTENT), Events(records.append))
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["model.onnx"]
    steps = [record["step"] for record in records if record["stage"] == "download"]
    assert steps == sorted(steps) and steps[-1] == len(CONTENT) == records[-1]["total"]


def test_a_connection_that_breaks_off_is_taken_up_where_it_ended(serve, tmp_path: Path):
    server = serve(break_offs=(1_000_000, 500_000))
    assert download(server.url, tmp_path / "m", SHA256).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-", "bytes=1500000-"]


def test_a_server_without_ranges_begins_anew_and_the_file_is_right(serve, tmp_path: Path):
    server = serve(ranges=False, break_offs=(1_000_000,))
    assert download(server.url, tmp_path / "m", SHA256).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-"]


def test_what_came_before_a_failure_is_kept_for_the_next_call(serve, tmp_path: Path):
    broken = serve(ranges=False, break_offs=(700_000,) * 9)
    error = refused(broken.url, tmp_path / "m", SHA256)
    assert error.code == "download.offline" and "add it by hand" in error.hint
    assert not (tmp_path / "m").exists()
    server = serve()
    download(server.url, tmp_path / "m", SHA256)
    assert server.asked == ["bytes=700000-"]
    assert (tmp_path / "m").read_bytes() == CONTENT


def test_a_wrong_hash_leaves_nothing(serve, tmp_path: Path):
    error = refused(serve().url, tmp_path / "m", "0" * 64)
    assert error.code == "download.other_hash" and SHA256 in error.message
    assert list(tmp_path.iterdir()) == []


def test_a_longer_file_than_the_list_says_is_refused_at_once(serve, tmp_path: Path):
    error = refused(serve().url, tmp_path / "m", SHA256, 1000)
    assert error.code == "download.refused" and "3000000 bytes" in error.message
    assert not (tmp_path / "m").exists()


def test_a_file_that_is_there_is_neither_fetched_again_nor_replaced(serve, tmp_path: Path):
    server = serve()
    (tmp_path / "m").write_bytes(CONTENT)
    download(server.url, tmp_path / "m", SHA256)
    (tmp_path / "other").write_bytes(b"mine")
    assert refused(server.url, tmp_path / "other", SHA256).code == "output.exists"
    assert (tmp_path / "other").read_bytes() == b"mine" and server.asked == []


def test_a_servers_no_is_passed_on(serve, tmp_path: Path):
    error = refused(serve(status=404).url, tmp_path / "m", SHA256)
    assert error.code == "download.refused" and "404" in error.message


def test_a_server_that_always_fails_is_given_up(serve, tmp_path: Path):
    server = serve(status=503)
    assert refused(server.url, tmp_path / "m", SHA256).code == "download.offline"
    assert len(server.asked) == downloads.FRUITLESS_ATTEMPTS


def test_without_a_network_the_error_says_how_to_do_it_by_hand(serve, tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = refused(f"http://127.0.0.1:{port}/m.onnx", tmp_path / "m", SHA256)
    assert error.code == "download.offline" and "SHA-256" in error.hint
    assert refused("file:///etc/hostname", tmp_path / "m", SHA256).code == "download.refused"


def test_a_cancelled_command_goes_on_from_where_it_was(serve, tmp_path: Path):
    slow = serve(pause_s=0.05)
    target = tmp_path / "model.onnx"
    command = [sys.executable, "-m", "WSPCirrhosisLib", "download", slow.url]
    command += ["--output", str(target), "--sha256", SHA256, "--size", str(len(CONTENT))]
    process = subprocess.Popen([*command, "--events"], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if '"progress"' in line and '"step": 0,' not in line:
            process.send_signal(signal.SIGTERM)
            break
    process.stdout.read()
    assert process.wait(60) == CANCELLED
    assert not target.exists()
    slow.pause_s = 0
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert target.read_bytes() == CONTENT
    assert [wanted is None for wanted in slow.asked] == [True, False]
    assert list(tmp_path.iterdir()) == [target]
