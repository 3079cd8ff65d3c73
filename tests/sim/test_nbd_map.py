# SPDX-License-Identifier: MIT
"""Free pages are holes that read as zeros, for clients that ask: other people's, and ours (docs/nbd.md)."""

from __future__ import annotations

import errno
import json
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from driver import CramDevice
from hw.link import PAGE_BYTES as PAGE
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from sim.cli import cli
from sim.nbd import Disk, RequestError
from tests.sim.nbd_client import Command, MappingClient, NbdClient
from tests.sim.test_nbd import PAGES, SECTOR, Bench, noise, server

SIZE = 4 << 20
HOLE, DATA = 3, 0  # NBD_STATE_HOLE | NBD_STATE_ZERO


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a running server whose disk holds pages 2 and 3, 700 and 1023."""
    path = tmp_path_factory.mktemp("nbd") / "disk"
    with server(path):
        with NbdClient(path) as client:
            for page, count in ((2, 2), (700, 1), (1023, 1)):
                assert client.write(page * PAGE, noise(page, count * PAGE)) == 0
        yield path


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


# Other people's clients


def test_qemu_img_reads_the_map(socket: Path) -> None:
    found = json.loads(run("qemu-img", "map", "--output=json", "-f", "raw", f"nbd+unix:///?socket={socket}"))
    data = [(part["start"], part["length"]) for part in found if part["data"]]
    assert data == [(2 * PAGE, 2 * PAGE), (700 * PAGE, PAGE), (1023 * PAGE, PAGE)]
    assert all(part["zero"] for part in found if not part["data"])


def test_nbdinfo_reads_the_same_map(socket: Path) -> None:
    found = json.loads(run("nbdinfo", "--map", "--json", f"nbd+unix:///?socket={socket}"))
    assert [(part["offset"] // PAGE, part["length"] // PAGE, part["type"]) for part in found] == [
        (0, 2, HOLE), (2, 2, DATA), (4, 696, HOLE), (700, 1, DATA), (701, 322, HOLE), (1023, 1, DATA),
    ]  # fmt: skip


def test_a_copy_reads_the_pages_that_hold_data_and_no_others(tmp_path: Path) -> None:
    socket, figures = tmp_path / "disk", tmp_path / "figures.json"
    with server(socket, "--json", str(figures)) as process:
        shadow = bytearray(SIZE)
        with NbdClient(socket) as client:
            for page in (2, 3, 700, 1023):
                shadow[page * PAGE : (page + 1) * PAGE] = noise(page, PAGE)
                assert client.write(page * PAGE, noise(page, PAGE)) == 0
        copies = [tmp_path / "one", tmp_path / "two"]
        run("nbdcopy", "--request-size=4096", f"nbd+unix:///?socket={socket}", str(copies[0]))
        run("qemu-img", "convert", "-f", "raw", "-O", "raw", f"nbd+unix:///?socket={socket}", str(copies[1]))
        assert all(copy.read_bytes() == shadow for copy in copies)
        process.send_signal(signal.SIGINT)
        process.wait()
    counts = json.loads(figures.read_text())["disk"]
    assert counts["pages_read"] == 2 * 4 and counts["statuses"] > 0


def test_a_copy_onto_the_disk_keeps_its_holes(socket: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(5 * PAGE) + noise(5, PAGE) + bytes(SIZE - 6 * PAGE))
    target = tmp_path / "disk"
    with server(target):
        uri = f"nbd+unix:///?socket={target}"
        run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", str(image), uri)
        found = json.loads(run("nbdinfo", "--map", "--json", uri))
        held = [(part["offset"], part["length"]) for part in found if part["type"] == DATA]
        assert held == [(5 * PAGE, PAGE)]


# By hand


def test_a_client_asks_for_the_context_and_gets_extents_of_the_range(socket: Path) -> None:
    with MappingClient(socket) as client:
        assert client.contexts() == ["base:allocation"]
        assert client.contexts("base:") == ["base:allocation"]
        assert client.contexts("other:thing") == []
        client.go("base:allocation")
        assert client.status(0, 8 * PAGE) == [(2 * PAGE, HOLE), (2 * PAGE, DATA), (4 * PAGE, HOLE)]
        assert client.status(3 * PAGE - SECTOR, PAGE) == [(SECTOR + PAGE - SECTOR, DATA)]
        assert client.status(0, 8 * PAGE, one=True) == [(2 * PAGE, HOLE)]


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 0), (SIZE, PAGE), (SIZE - PAGE, 2 * PAGE), (1, PAGE), (0, 100), ((1 << 64) - PAGE, PAGE)]
)
def test_the_status_of_a_range_that_is_none_is_an_error_and_the_connection_goes_on(
    socket: Path, offset: int, length: int
) -> None:
    with MappingClient(socket) as client:
        client.go("base:allocation")
        assert client.status(offset, length) == errno.EINVAL
        assert client.status(2 * PAGE, PAGE) == [(PAGE, DATA)]


def test_a_status_without_the_context_and_unknown_flags_are_errors(socket: Path) -> None:
    with MappingClient(socket) as client:
        client.go()
        assert client.status(0, PAGE) == errno.EINVAL
    with MappingClient(socket) as client:
        client.go("base:allocation")
        assert client.status(0, PAGE, flags=0x8000) == errno.EINVAL
        assert client.status(2 * PAGE, PAGE) == [(PAGE, DATA)]


def test_what_one_client_writes_or_trims_the_map_of_another_shows(tmp_path: Path) -> None:
    with server(tmp_path / "disk"), NbdClient(tmp_path / "disk") as writer, MappingClient(tmp_path / "disk") as reader:
        reader.go("base:allocation")
        assert reader.status(0, 2 * PAGE) == [(2 * PAGE, HOLE)]
        assert writer.write(SECTOR, b"x" * SECTOR) == 0
        assert reader.status(0, 2 * PAGE) == [(PAGE, DATA), (PAGE, HOLE)]
        assert writer.request(Command.TRIM, 0, PAGE)[0] == 0
        assert reader.status(0, 2 * PAGE) == [(2 * PAGE, HOLE)]


def test_the_map_says_hole_only_where_the_disk_reads_as_zeros() -> None:
    """Whatever was written, zeroed, trimmed or refused on media that are too small."""
    rng = random.Random(4)
    for _ in range(10):
        bench = Bench(raw=12)
        for _ in range(30):
            page, count = rng.randrange(PAGES - 4), rng.randrange(1, 4)
            try:
                match rng.randrange(4):
                    case 0:
                        bench.trim(page * PAGE + rng.choice([0, SECTOR]), count * PAGE)
                    case 1:
                        bench.zero(page * PAGE + rng.choice([0, SECTOR]), count * PAGE)
                    case 2:
                        bench.write(page * PAGE, bytes(count * PAGE))
                    case _:
                        bench.write(page * PAGE + rng.choice([0, SECTOR]), noise(page, count * PAGE))
            except RequestError as error:
                assert errno.errorcode[error.number] == "ENOSPC"
        offset = 0
        for length, data in bench.disk.extents(0, PAGES * PAGE):
            assert data or not any(bench.read(offset, length))
            offset += length
        assert offset == PAGES * PAGE


def test_a_long_answer_is_cut_and_asked_for_again() -> None:
    clock = VirtualClock()
    device = clock.run_until(CramDevice.probe(ModelLink(clock, DeviceParameters(16384, 16384 * PAGE // 4))))
    disk = clock.run_until(Disk.on(device, 16384 * PAGE))
    for page in range(0, 16384, 2):
        clock.run_until(disk.write(page * PAGE, b"x" * PAGE))
    offset, answers, data = 0, 0, 0
    while offset < disk.size:
        found = disk.extents(offset, disk.size - offset)
        offset += sum(length for length, _ in found)
        data += sum(length for length, holds in found if holds)
        answers += 1
    assert (offset, data, answers) == (disk.size, disk.size // 2, 4)


# Sizes


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("0", "'0' is nothing: say 4K or more"),
        ("0G", "'0G' is nothing: say 4K or more"),
        ("10K", "'10K' is no whole number of pages of 4K: say 8K or 12K"),
        ("1K", "'1K' is no whole number of pages of 4K: say 4K"),
        ("-1", "is no size"),
        ("1.5G", "is no size"),
        ("many", "is no size"),
        ("\N{ARABIC-INDIC DIGIT THREE}M", "is no size"),
    ],
)
@pytest.mark.parametrize("option", ["--size", "--media"])
def test_a_size_that_is_none_is_refused_with_a_remedy(tmp_path: Path, option: str, size: str, said: str) -> None:
    result = CliRunner().invoke(cli, ["nbd", "--socket", str(tmp_path / "disk"), f"{option}={size}"])
    assert result.exit_code == 2 and said in result.stderr and option in result.stderr
    assert not any(tmp_path.iterdir())
