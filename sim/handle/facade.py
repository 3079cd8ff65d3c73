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

import secrets
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

from driver import CramDevice, DeviceLost, PageInfo
from hw.build import build
from hw.link import Link
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.simulate import command
from hw.virtual_time import VirtualClock

Kind = Literal["model", "verilated", "cocotb"]

CONNECT_S = 60.0  # a simulator that has not called back by then has died


class _Caller(Protocol):
    """Runs a method of the driver's device to its end."""

    def call(self, method: str, *arguments: Any) -> Any: ...

    def cycles(self) -> int: ...

    def close(self) -> None: ...


class DeviceHandle:
    """A device with blocking calls. Errors are the driver's (driver/errors.py, docs/driver.md)."""

    def __init__(self, caller: _Caller) -> None:
        self._caller = caller

    def store(self, page: int, data: bytes) -> None:
        """Write a page of 4096 bytes. Raises DeviceFull, PagePoisoned, AddressOutOfRange."""
        self._caller.call("store", page, data)

    def load(self, page: int) -> bytes:
        """Read a page of 4096 bytes. Raises PagePoisoned, AddressOutOfRange."""
        return bytes(self._caller.call("load", page))

    def store_line(self, page: int, line: int, data: bytes) -> None:
        """Write a line of 64 bytes. Raises as `store` does."""
        self._caller.call("store_line", page, line, data)

    def load_line(self, page: int, line: int) -> bytes:
        """Read a line of 64 bytes. Raises as `load` does."""
        return bytes(self._caller.call("load_line", page, line))

    def trim(self, pages: Iterable[int]) -> None:
        """Drop pages. Raises AddressOutOfRange."""
        self._caller.call("trim", list(pages))

    def export(self, page: int) -> bytes | None:
        """The LZ4 block of a page; None where it is free, zero, same-filled or raw. Raises PagePoisoned."""
        block: bytes | None = self._caller.call("export", page)
        return block

    def page_state(self, page: int) -> PageInfo:
        """What the page table says of a page, once the device is at rest."""
        self._caller.call("settle")
        info: PageInfo = self._caller.call("page_state", page)
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
    pages: int = 4096,
    media_bytes: int = 4 << 20,
    sector_bytes: int = 256,
    cache_pages: int = 8,
    bytes_per_cycle: int = 8,
) -> DeviceHandle:
    """A device of its own, ready; close it, or use it in a `with` statement.

    Args:
        kind: "model", "verilated" or "cocotb". The last two compile the RTL when it is not compiled yet (a minute).
        pages, media_bytes, sector_bytes, cache_pages, bytes_per_cycle: docs/device/ports.md, "Parameters".

    Raises:
        ValueError: no such kind, or an illegal parameter.
        hw.tools.ToolError, hw.build.BuildError: the RTL cannot be compiled here.
    """
    parameters = DeviceParameters(pages, media_bytes, sector_bytes, cache_pages, bytes_per_cycle)
    if kind == "cocotb":
        return DeviceHandle(_Simulator(parameters))
    clock = VirtualClock()
    link: Link
    if kind == "model":
        link = ModelLink(clock, parameters)
    elif kind == "verilated":
        from hw.links.verilated import VerilatedLink  # needs a compiler; the model must not

        link = VerilatedLink(clock, parameters)
    else:
        raise ValueError(f"kind is {kind!r}, expected model, verilated or cocotb")
    return DeviceHandle(_InProcess(clock, link))


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


class _Simulator:
    """The driver inside a simulator process (sim/handle/remote.py), called over a socket of this user alone."""

    def __init__(self, parameters: DeviceParameters) -> None:
        from hw.links.cocotb import BENCH_SOURCES

        built = build("cram_tb", "verilator", parameters.verilog(), sources=BENCH_SOURCES)
        self._folder = tempfile.TemporaryDirectory(prefix="vcram-device-")
        socket, key = str(Path(self._folder.name) / "socket"), secrets.token_bytes(16)
        self._connection: Connection[Any, Any] | None = None
        with Listener(socket, authkey=key) as listener:
            listener._listener._socket.settimeout(CONNECT_S)  # type: ignore[attr-defined] # accept() cannot wait less
            argv, environment = command(
                built,
                "sim.handle.remote",
                {"VCRAM_SOCKET": socket, "VCRAM_KEY": key.hex(), "COCOTB_LOG_LEVEL": "ERROR"},
            )
            log = (Path(self._folder.name) / "simulation.log").open("wb")
            with log:
                self._process = subprocess.Popen(
                    argv, env=environment, cwd=self._folder.name, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            try:
                self._connection = listener.accept()
            except BaseException as error:
                self.close()
                if isinstance(error, TimeoutError):
                    raise DeviceLost(f"the simulator did not answer within {CONNECT_S:.0f} s") from None
                raise

    def call(self, method: str, *arguments: Any) -> Any:
        if self._connection is None:
            raise DeviceLost("the device was closed")
        try:
            self._connection.send((method, arguments))
            error, result = self._connection.recv()
        except (EOFError, OSError):
            self.close()
            raise DeviceLost("the simulator has ended") from None
        if error is None:
            return result
        kind, text, attributes = error
        raised = kind.__new__(kind, text)
        raised.__dict__.update(attributes)
        raise raised

    def cycles(self) -> int:
        return int(self.call("cycles"))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process.poll() is None:
            try:
                self._process.wait(5)  # it ends by itself when the connection does
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()
