# SPDX-License-Identifier: MIT
"""A device for scripts: one handle, three devices behind it, the same answers."""

from __future__ import annotations

import array
from collections.abc import Callable, Iterator
from typing import Any

import lz4.block
import numpy as np
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


def test_every_integer_and_every_bytes_like_object_will_do(device: DeviceHandle) -> None:
    page = noise_page(1)
    contents: list[Any] = [page, bytearray(page), memoryview(page), memoryview(page + page)[::2]]
    contents += [array.array("I", page), np.frombuffer(page, np.uint16)]
    for number, data in enumerate(contents):
        device.store(np.int64(number), data)
        assert device.load(np.uint8(number)) == memoryview(data).tobytes()
    device.store_line(True, np.int32(3), memoryview(page)[:64])
    assert device.load_line(1, 3) == page[:64]
    device.trim(np.arange(6))
    assert device.page_state(np.int16(2)).state == PageState.FREE


WRONG: list[tuple[Callable[[DeviceHandle], object], type[Exception], str]] = [
    (lambda device: device.load(1.0), TypeError, "'float' object cannot be interpreted as an integer"),  # type: ignore[arg-type]
    (lambda device: device.load(np.float32(1)), TypeError, "cannot be interpreted as an integer"),  # type: ignore[arg-type]
    (lambda device: device.load("1"), TypeError, "'str' object cannot be interpreted as an integer"),  # type: ignore[arg-type]
    (lambda device: device.load_line(1, 1.0), TypeError, "'float' object cannot be interpreted as an integer"),  # type: ignore[arg-type]
    (lambda device: device.trim([1.0]), TypeError, "'float' object cannot be interpreted as an integer"),  # type: ignore[list-item]
    (lambda device: device.page_state(None), TypeError, "'NoneType' object cannot be interpreted as an integer"),  # type: ignore[arg-type]
    (lambda device: device.export(1.0), TypeError, "'float' object cannot be interpreted as an integer"),  # type: ignore[arg-type]
    (lambda device: device.store(1, "x" * 4096), TypeError, "a bytes-like object is required, not 'str'"),  # type: ignore[arg-type]
    (lambda device: device.store(1, 4096), TypeError, "a bytes-like object is required, not 'int'"),  # type: ignore[arg-type]
    (lambda device: device.store(1, b"x"), ValueError, "a page is 4096 bytes, got 1"),
    (lambda device: device.store(1, memoryview(bytes(8192))), ValueError, "a page is 4096 bytes, got 8192"),
    (lambda device: device.store_line(1, 1, b""), ValueError, "a line is 64 bytes, got 0"),
    (lambda device: device.load(-1), AddressOutOfRange, "page -1, the device has 256"),
    (lambda device: device.load(256), AddressOutOfRange, "page 256, the device has 256"),
    (lambda device: device.load(1 << 80), AddressOutOfRange, f"page {1 << 80}, the device has 256"),
    (lambda device: device.store(np.int64(-1), bytes(4096)), AddressOutOfRange, "page -1, the device has 256"),
    (lambda device: device.load_line(1, 64), AddressOutOfRange, "line 64, a page has 64"),
    (lambda device: device.load_line(1, -1), AddressOutOfRange, "line -1, a page has 64"),
    (lambda device: device.trim([0, 256]), AddressOutOfRange, "page 256, the device has 256"),
    (lambda device: device.page_state(-1), AddressOutOfRange, "page -1, the device has 256"),
]


def test_what_is_no_page_line_or_content_is_the_same_error_with_every_device(device: DeviceHandle) -> None:
    for attempt, kind, said in WRONG:
        with pytest.raises(kind) as caught:
            attempt(device)
        assert type(caught.value) is kind and said in str(caught.value)
    assert device.load(1) == ZERO_PAGE


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


def test_a_parameter_is_an_integer_of_any_kind() -> None:
    with open_device("model", pages=np.int64(256), media_bytes=np.int32(64 << 10), cache_pages=np.uint8(4)) as device:
        device.store(255, ZERO_PAGE)
        with pytest.raises(AddressOutOfRange):
            device.load(256)
    for illegal in ({"pages": 256.0}, {"media_bytes": 65536.0}, {"cache_pages": 4.0}, {"sector_bytes": "256"}):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            open_device("model", **illegal)
