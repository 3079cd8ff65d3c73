# SPDX-License-Identifier: MIT
"""The device as a network block device: what a client writes it reads, and no client harms another (docs/nbd.md)."""

from __future__ import annotations

import errno
import json
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from driver import CramDevice
from hw.link import PAGE_BYTES as PAGE
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from sim.cli import cli
from sim.nbd import Disk, RequestError
from tests.sim.nbd_client import Command, NbdClient

SECTOR = 512
PAGES = 24
ROOT = Path(__file__).resolve().parent.parent.parent


class Bench:
    """A disk on a model device whose media hold about `raw` pages that do not compress."""

    def __init__(self, raw: int) -> None:
        self.clock = VirtualClock()
        link = ModelLink(self.clock, DeviceParameters(32, raw * PAGE, cache_pages=2))
        self.device = self.clock.run_until(CramDevice.probe(link))
        self.disk = self.clock.run_until(Disk.on(self.device, PAGES * PAGE))

    def read(self, offset: int, length: int) -> bytes:
        return self.clock.run_until(self.disk.read(offset, length))

    def write(self, offset: int, data: bytes) -> None:
        self.clock.run_until(self.disk.write(offset, data))

    def trim(self, offset: int, length: int) -> None:
        self.clock.run_until(self.disk.trim(offset, length))

    def zero(self, offset: int, length: int) -> None:
        self.clock.run_until(self.disk.zero(offset, length))


def noise(seed: int, length: int) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(length)


def refused(error: RequestError) -> str:
    return errno.errorcode[error.number]


SECTORS = PAGES * PAGE // SECTOR
RANGES = st.tuples(st.integers(0, SECTORS - 1), st.integers(1, 32)).map(
    lambda pair: (pair[0] * SECTOR, min(pair[1], SECTORS - pair[0]) * SECTOR)
)
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["noise", "noise", "text", "zero", "trim", "flush"]), RANGES, st.integers(0, 1 << 20)),
    min_size=10, max_size=60,
)  # fmt: skip


@given(operations=OPERATIONS)
@settings(max_examples=60, deadline=None)
def test_the_disk_is_its_bytes_also_when_the_media_are_full(operations: list[tuple[str, tuple[int, int], int]]) -> None:
    bench, shadow = Bench(raw=12), bytearray(PAGES * PAGE)
    for kind, (offset, length), seed in operations:
        end = offset + length
        before, data = bytes(shadow[offset:end]), bytes(length)
        try:
            if kind == "trim":
                bench.trim(offset, length)
                first, last = -(-offset // PAGE), end // PAGE
                if first < last:
                    shadow[first * PAGE : last * PAGE] = bytes((last - first) * PAGE)
            elif kind == "flush":
                bench.clock.run_until(bench.disk.flush())
            elif kind == "zero":
                bench.zero(offset, length)
                shadow[offset:end] = data
            else:
                data = noise(seed, length) if kind == "noise" else (b"%d " % seed * length)[:length]
                bench.write(offset, data)
                shadow[offset:end] = data
        except RequestError as error:
            assert refused(error) == "ENOSPC"
            now = bench.read(offset, length)
            borders = [0, *range(-offset % PAGE or PAGE, length, PAGE)]
            if kind == "zero":  # whole pages have been dropped; of those at the edges one was refused
                first, last = -(-offset // PAGE) * PAGE - offset, end // PAGE * PAGE - offset
                wholes = bytes(before[:first] + bytes(max(0, last - first)) + before[max(first, last) :])
                possible = [wholes, bytes(max(0, first)) + wholes[max(0, first) :]]
            else:
                possible = [data[:border] + before[border:] for border in borders]
            assert now in possible
            shadow[offset:end] = now
    assert bench.read(0, PAGES * PAGE) == shadow


def test_a_full_disk_refuses_new_pages_keeps_what_it_has_and_takes_more_after_a_trim() -> None:
    bench = Bench(raw=12)
    with pytest.raises(RequestError) as full:
        for page in range(PAGES):
            bench.write(page * PAGE, noise(page, PAGE))
    assert refused(full.value) == "ENOSPC"
    written = bench.disk.counts["pages_written"]
    assert 6 <= written <= 12
    assert all(bench.read(page * PAGE, PAGE) == noise(page, PAGE) for page in range(written))
    assert not any(bench.read(written * PAGE, PAGE))
    bench.write(0, noise(100, PAGE))  # what is stored can be rewritten
    bench.trim(0, 4 * PAGE)
    bench.write(20 * PAGE, noise(20, PAGE))
    assert bench.read(20 * PAGE, PAGE) == noise(20, PAGE)


def test_a_trim_leaves_no_page_on_the_media() -> None:
    bench = Bench(raw=16)
    bench.write(0, b"some text " * 4096)
    assert bench.clock.run_until(bench.disk.usage()).resident_pages == 10
    bench.trim(0, PAGES * PAGE)
    usage = bench.clock.run_until(bench.disk.usage())
    assert (usage.resident_pages, usage.used_bytes, bench.disk.peak.resident_pages) == (0, 0, 10)


def test_a_lost_page_is_an_error_until_it_is_written_as_a_whole() -> None:
    bench = Bench(raw=16)
    bench.write(0, noise(1, 3 * PAGE))
    bench.clock.run_until(bench.device.flush())
    bench.clock.run_until(bench.device.cxl.inject_poison(1))
    for attempt in (lambda: bench.read(0, 2 * PAGE), lambda: bench.write(PAGE, bytes(SECTOR))):
        with pytest.raises(RequestError) as lost:
            attempt()
        assert refused(lost.value) == "EIO"
    assert (
        bench.read(0, PAGE) + bench.read(2 * PAGE, PAGE) == noise(1, 3 * PAGE)[:PAGE] + noise(1, 3 * PAGE)[2 * PAGE :]
    )
    bench.write(PAGE, noise(2, PAGE))
    assert bench.read(PAGE, PAGE) == noise(2, PAGE)


# Over a socket


@contextmanager
def server(socket: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`vcram nbd`, ready for clients; ended if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sim.cli", "nbd", "--socket", str(socket), "--size", "4M", *options],
        cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr, process:
        try:
            line = process.stderr.readline()
            assert line.startswith("serving nbd+unix:///?socket="), line + process.stderr.read()
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a running server."""
    path = tmp_path_factory.mktemp("nbd") / "disk"
    with server(path):
        yield path


def test_only_the_owner_may_open_the_socket(socket: Path) -> None:
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600


def test_what_one_client_writes_another_reads(socket: Path) -> None:
    data = noise(1, 5 * PAGE + SECTOR)
    with NbdClient(socket) as one, NbdClient(socket) as other:
        assert one.size == 4 << 20
        assert one.write(3 * SECTOR, data) == 0
        assert other.read(3 * SECTOR, len(data)) == data
        assert other.request(Command.TRIM, PAGE, PAGE)[0] == 0
        assert other.request(Command.WRITE_ZEROES, 4 * PAGE, PAGE + SECTOR)[0] == 0
        assert other.request(Command.FLUSH)[0] == 0
        shadow = bytearray(3 * SECTOR) + data
        shadow[PAGE : 2 * PAGE] = bytes(PAGE)
        shadow[4 * PAGE : 5 * PAGE + SECTOR] = bytes(PAGE + SECTOR)
        assert one.read(0, len(shadow)) == shadow


@pytest.mark.parametrize(
    ("command", "offset", "length"),
    [
        (Command.READ, 4 << 20, PAGE),
        (Command.READ, (1 << 64) - PAGE, PAGE),
        (Command.WRITE, (4 << 20) - SECTOR, PAGE),
        (Command.TRIM, PAGE, 0xFFFFFFFF),
        (Command.WRITE_ZEROES, 4 << 20, PAGE),
        (Command.READ, 1, PAGE),
        (Command.READ, 0, 100),
        (Command.WRITE, 100, SECTOR),
        (Command.WRITE_ZEROES, 0, 513),
        (Command.TRIM, 511, PAGE),
        (Command.READ, 0, 0),
        (Command.READ, 0, (64 << 20) + PAGE),
        (9, 0, PAGE),
        (0xFFFF, 0, 0),
    ],
)
def test_a_request_that_is_wrong_gets_an_error_and_nothing_else_happens(
    socket: Path, command: int, offset: int, length: int
) -> None:
    with NbdClient(socket) as client:
        assert client.write(0, noise(5, PAGE)) == 0
        error, _ = client.request(command, offset, length, bytes(length) if command == Command.WRITE else b"")
        assert error in (errno.EINVAL, errno.ENOSPC, errno.ENOMEM)
        assert client.read(0, PAGE) == noise(5, PAGE)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        NbdClient.header(Command.WRITE, 0, PAGE)[:11],
        NbdClient.header(Command.WRITE, 0, PAGE) + bytes(100),
        NbdClient.header(Command.WRITE, 0, 0xFFFFFFFF) + bytes(PAGE),
        NbdClient.header(Command.READ, 0, 4 << 20) * 8,
        b"\xff" * 28,
    ],
)
def test_a_client_that_stops_in_the_middle_harms_nobody(socket: Path, sent: bytes) -> None:
    with NbdClient(socket) as other:
        assert other.write(0, noise(6, PAGE)) == 0
        with NbdClient(socket) as client:
            client.send(sent)
        assert other.read(0, PAGE) == noise(6, PAGE)
    with NbdClient(socket) as later:
        assert later.read(0, PAGE) == noise(6, PAGE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_while_clients_are_connected(tmp_path: Path, number: signal.Signals) -> None:
    socket, figures = tmp_path / "disk", tmp_path / "figures.json"
    with server(socket, "--json", str(figures)) as process, NbdClient(socket) as client:
        assert client.write(0, noise(1, 3 * PAGE)) == 0
        process.send_signal(number)
        assert process.stderr is not None
        assert "pages written" in process.stderr.read()
        assert process.wait() == 0
    assert not socket.exists()
    told = json.loads(figures.read_text())
    assert (told["disk"]["writes"], told["disk"]["pages_written"], told["end"]["resident_pages"]) == (1, 3, 3)


def test_a_server_that_is_killed_takes_nbdkit_along_and_its_socket_is_taken_over(tmp_path: Path) -> None:
    socket = tmp_path / "disk"
    with server(socket) as process, NbdClient(socket) as client:
        process.kill()
        with pytest.raises((EOFError, ConnectionError)):
            client.receive(1)
    assert socket.exists()
    with server(socket), NbdClient(socket) as client:
        assert not any(client.read(0, PAGE))


def test_a_socket_in_use_is_left_alone(socket: Path) -> None:
    result = CliRunner().invoke(cli, ["nbd", "--socket", str(socket), "--size", "1M"])
    assert result.exit_code == 1
    assert result.stderr == f"vcram: {socket}: in use by another server: name another one\n"
    with NbdClient(socket) as client:
        assert client.size == 4 << 20


def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    result = CliRunner().invoke(cli, ["nbd", "--socket", str(tmp_path / "precious"), "--size", "1M"])
    assert (result.exit_code, (tmp_path / "precious").read_text()) == (1, "data")
    assert "exists and is no socket" in result.stderr


def test_without_nbdkit_one_line_tells_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(cli, ["nbd", "--socket", str(tmp_path / "disk"), "--size", "1M"])
    assert result.exit_code == 3
    assert result.stderr == "vcram: no nbdkit here: apt-get install nbdkit nbdkit-plugin-python\n"
    assert not any(tmp_path.iterdir())
