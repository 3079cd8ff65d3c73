# SPDX-License-Identifier: MIT
"""A device for scripts and notebooks: plain calls, no tasks, no clock to run.

    from sim import open_device

    with open_device("model", pages=4096, media_bytes=4 << 20) as device:
        device.store(7, data)
        assert device.load(7) == data
        print(device.page_state(7), device.stats()["free_sectors"], device.cycles)

Three devices behind one handle: "model" is functional and needs no compiler; "verilated" is the RTL as a library in
this process; "cocotb" is the RTL in a simulator (Verilator) of its own, which ends with the handle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from types import TracebackType
from typing import Any, Literal, Protocol, SupportsIndex, get_args

from driver import CramDevice, PageInfo
from hw.link import Link
from hw.links.in_process import InProcess, open_link
from hw.parameters import DEFAULTS, DeviceParameters
from hw.virtual_time import VirtualClock
from sim.handle.arguments import Bytes, content, number

Kind = Literal[InProcess, "cocotb"]


class _Caller(Protocol):
    """Runs a method of the driver's device to its end."""

    def call(self, method: str, *arguments: Any) -> Any: ...

    def cycles(self) -> int: ...

    def close(self) -> None: ...


class DeviceHandle:
    """A device with blocking calls. Errors are the driver's (driver/errors.py, docs/driver.md).

    Pages and lines are integers of any kind, data is bytes-like. Anything else is a TypeError, data of another length a
    ValueError, the same with every device.
    """

    def __init__(self, caller: _Caller) -> None:
        self._caller = caller

    def store(self, page: SupportsIndex, data: Bytes) -> None:
        """Write a page of 4096 bytes. Raises DeviceFull, PagePoisoned, AddressOutOfRange."""
        self._caller.call("store", number(page), content(data))

    def load(self, page: SupportsIndex) -> bytes:
        """Read a page of 4096 bytes. Raises PagePoisoned, AddressOutOfRange."""
        return bytes(self._caller.call("load", number(page)))

    def store_line(self, page: SupportsIndex, line: SupportsIndex, data: Bytes) -> None:
        """Write a line of 64 bytes. Raises as `store` does."""
        self._caller.call("store_line", number(page), number(line), content(data))

    def load_line(self, page: SupportsIndex, line: SupportsIndex) -> bytes:
        """Read a line of 64 bytes. Raises as `load` does."""
        return bytes(self._caller.call("load_line", number(page), number(line)))

    def trim(self, pages: Iterable[SupportsIndex]) -> None:
        """Drop pages. Raises AddressOutOfRange."""
        self._caller.call("trim", [number(page) for page in pages])

    def export(self, page: SupportsIndex) -> bytes | None:
        """The LZ4 block of a page; None where it is free, zero, same-filled or raw. Raises PagePoisoned."""
        block: bytes | None = self._caller.call("export", number(page))
        return block

    def page_state(self, page: SupportsIndex) -> PageInfo:
        """What the page table says of a page, once the device is at rest."""
        which = number(page)
        self._caller.call("settle")
        info: PageInfo = self._caller.call("page_state", which)
        return info

    def stats(self) -> dict[str, int]:
        """Counters and capacity (docs/device/registers.md), once the device is at rest."""
        self._caller.call("settle")
        return asdict(self._caller.call("counters")) | asdict(self._caller.call("capacity"))

    @property
    def cycles(self) -> int:
        """Device clock cycles so far."""
        return self._caller.cycles()

    def close(self) -> None:
        """Give the device up. Idempotent."""
        self._caller.close()

    def __enter__(self) -> DeviceHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_device(
    kind: Kind = "model",
    *,
    pages: SupportsIndex = DEFAULTS.perceived_pages,
    media_bytes: SupportsIndex = DEFAULTS.media_bytes,
    sector_bytes: SupportsIndex = DEFAULTS.sector_bytes,
    cache_pages: SupportsIndex = DEFAULTS.cache_pages,
    bytes_per_cycle: SupportsIndex = DEFAULTS.bytes_per_cycle,
    fill_engines: SupportsIndex = DEFAULTS.fill_engines,
    promoted_pages: SupportsIndex = DEFAULTS.promoted_pages,
) -> DeviceHandle:
    """A device of its own, ready; close it, or use it in a `with` statement.

    Args:
        kind: "model", "verilated" or "cocotb". The last two compile the RTL when it is not compiled yet (a minute).
        pages, media_bytes, sector_bytes, cache_pages, bytes_per_cycle, fill_engines, promoted_pages:
            docs/device/ports.md, "Parameters".

    Raises:
        ValueError: no such kind, or an illegal parameter.
        TypeError: a parameter is no integer of any kind.
        hw.tools.ToolError, hw.build.BuildError: the RTL cannot be compiled here.
    """
    if kind not in (kinds := get_args(Kind)):
        raise ValueError(f"kind is {kind!r}, expected {', '.join(kinds[:-1])} or {kinds[-1]}")
    asked = pages, media_bytes, sector_bytes, cache_pages, bytes_per_cycle, fill_engines, promoted_pages
    parameters = DeviceParameters(*map(number, asked))
    if kind == "cocotb":
        from sim.handle.simulator import Simulator  # loads cocotb, which the others need not

        return DeviceHandle(Simulator(parameters))
    clock = VirtualClock()
    return DeviceHandle(_InProcess(clock, open_link(kind, clock, parameters)))


class _InProcess:
    """The driver on a virtual clock in this process."""

    def __init__(self, clock: VirtualClock, link: Link) -> None:
        self._clock, self._link = clock, link
        self._device = clock.run_until(CramDevice.probe(link))

    def call(self, method: str, *arguments: Any) -> Any:
        return self._clock.run_until(getattr(self._device, method)(*arguments))

    def cycles(self) -> int:
        return self._link.cycles

    def close(self) -> None:
        self._clock.run_until(self._link.close())
        self._clock.shut_down()
