# SPDX-License-Identifier: MIT
"""A device for scripts: one handle, three devices behind it, the same answers."""

from __future__ import annotations

from collections.abc import Iterator

import lz4.block
import pytest

from driver import AddressOutOfRange, DeviceFull, DeviceLost, PageState
from sim import DeviceHandle, open_device
from sim.handle import simulator
from sim.handle.facade import Kind
from tests.marks import VERIFY, first_in_test
from tests.pages import SAME_PAGE, ZERO_PAGE, noise_page, program_pages

KINDS: tuple[Kind, ...] = ("model", "verilated", "cocotb")


@pytest.fixture(params=first_in_test(KINDS, 2))
def device(request: pytest.FixtureRequest) -> Iterator[DeviceHandle]:
    with open_device(request.param, pages=256, media_bytes=64 << 10, cache_pages=4) as opened:
        yield opened


def test_pages_and_lines_come_back(device: DeviceHandle) -> None:
    page = program_pages()[3]
    device.store(7, page)
    device.store_line(8, 5, page[:64])
    assert device.load(7) == page
    assert device.load_line(7, 63) == page[-64:]
    assert device.load_line(8, 5) == page[:64]
    assert device.cycles > 0


def test_only_lz4_pages_are_exported(device: DeviceHandle) -> None:
    page = program_pages()[3]
    for number, content in enumerate([page, ZERO_PAGE, SAME_PAGE, noise_page(1)]):
        device.store(number, content)
    block = device.export(0)
    assert block is not None and lz4.block.decompress(block, uncompressed_size=4096) == page
    assert [device.export(number) for number in (1, 2, 3, 4)] == [None] * 4
    states = [device.page_state(number).state for number in range(5)]
    assert states == [PageState.LZ4, PageState.ZERO, PageState.SAME, PageState.RAW, PageState.FREE]


def test_stats_count_what_was_done_and_trim_gives_back(device: DeviceHandle) -> None:
    for number in range(4):
        device.store(number, noise_page(number))
    stats = device.stats()
    assert (stats["closed_raw"], stats["free_sectors"], stats["resident_pages"]) == (4, 256 - 64, 4)
    device.trim(range(4))
    assert device.stats()["free_sectors"] == 256
    assert device.load(2) == ZERO_PAGE


def test_errors_are_the_drivers(device: DeviceHandle) -> None:
    for number in range(16):
        device.store(number, noise_page(number))
    with pytest.raises(DeviceFull) as caught:
        device.store(20, noise_page(20))
    assert caught.value.page == 20 and "20" in str(caught.value)
    with pytest.raises(AddressOutOfRange):
        device.load(256)
    assert device.load(3) == noise_page(3)


def test_a_closed_device_is_lost(device: DeviceHandle) -> None:
    device.close()
    device.close()
    with pytest.raises(DeviceLost):
        device.load(1)


@VERIFY
def test_a_simulator_that_dies_at_its_start_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "command", lambda *_: (["false"], {}))
    with pytest.raises(DeviceLost, match="the simulator has ended"):
        open_device("cocotb", pages=256, media_bytes=64 << 10, cache_pages=4)


def test_an_unknown_kind_or_an_illegal_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="expected model, verilated or cocotb"):
        open_device("silicon")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="media_bytes is 0"):
        open_device("model", media_bytes=0)
