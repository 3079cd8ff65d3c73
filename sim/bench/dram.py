# SPDX-License-Identifier: MIT
"""Media: when a memory behind the device has done a request. A fixed latency, or a DRAM's banks, rows and refresh.

One channel without reordering: requests are served in the order in which they come, each bank as soon as it can. The
times of a DRAM are those of its JEDEC standard: JESD79-4 for DDR4, JESD79-5 for DDR5, of the speed bin named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hw.link import LINE_BYTES

FIXED = "fixed"
CYCLE_NS = 4.0  # of the device: 250 MHz, about what the engines reach (docs/hwbench.md)
FRONT_NS = 20.0  # memory controller and PHY, there and back


class Timing(Protocol):
    """When a memory has done what it is asked."""

    def done(self, now: int, address: int, write: bool) -> int:
        """The cycle in which a line's request of cycle `now` is done; requests come in their order."""


@dataclass(frozen=True)
class Fixed:
    """Every request takes so many cycles."""

    cycles: int

    def done(self, now: int, address: int, write: bool) -> int:
        """See Timing."""
        return now + self.cycles


@dataclass(frozen=True)
class DramTimes:
    """Times of a DRAM, ns, by their names in the standards; a line of 64 bytes is one burst.

    Attributes:
        banks: of the channel.
        row_bytes: that are open in a bank, over all chips of the channel.
        burst: the bus carries one line.
        cl, cwl: from a column command to its data: read, write.
        rcd, rp, ras: from activate to a column command; from precharge to activate; from activate to precharge.
        rtp, wr: from a read, from the end of a write's data, to precharge.
        wtr: from the end of a write's data to a read.
        rrd, faw: from one activate to the next; to the fourth one after it.
        refi, rfc: from one refresh of all banks to the next; that it takes.
    """

    banks: int
    row_bytes: int
    burst: float
    cl: float
    cwl: float
    rcd: float
    rp: float
    ras: float
    rtp: float
    wr: float
    wtr: float
    rrd: float
    faw: float
    refi: float
    rfc: float


DRAMS: Mapping[str, DramTimes] = {
    # 8 chips of 8 Gbit x8, 3200AA (22-22-22), a channel of 64 bits
    "DDR4-3200": DramTimes(
        banks=16, row_bytes=8192, burst=2.5, cl=13.75, cwl=10.0, rcd=13.75, rp=13.75, ras=32.0, rtp=7.5, wr=15.0,
        wtr=7.5, rrd=4.9, faw=21.0, refi=7800.0, rfc=350.0,
    ),
    # 4 chips of 16 Gbit x8, 4800B (40-39-39), one of the two channels of 32 bits
    "DDR5-4800": DramTimes(
        banks=32, row_bytes=4096, burst=3.33, cl=16.67, cwl=15.83, rcd=16.25, rp=16.25, ras=32.0, rtp=7.5, wr=30.0,
        wtr=10.0, rrd=5.0, faw=13.33, refi=3900.0, rfc=295.0,
    ),
}  # fmt: skip


@dataclass
class _Bank:
    row: int | None = None  # that is open
    activate: float = 0.0  # not before, ns; so below
    column: float = 0.0
    precharge: float = 0.0


@dataclass
class Dram:
    """The banks of a DRAM, and its data bus; rows stay open until another one is wanted or a refresh closes them."""

    times: DramTimes
    cycle_ns: float = CYCLE_NS
    front_ns: float = FRONT_NS
    _banks: list[_Bank] = field(init=False)
    _bus: float = 0.0  # free from, ns
    _written: float = float("-inf")  # end of the last write's data
    _activates: deque[float] = field(default_factory=lambda: deque([float("-inf")] * 4, maxlen=4))
    _refresh: float = field(init=False)

    def __post_init__(self) -> None:
        self._banks = [_Bank() for _ in range(self.times.banks)]
        self._refresh = self.times.refi

    def done(self, now: int, address: int, write: bool) -> int:
        """See Timing."""
        end = self.serve(now * self.cycle_ns, address, write) + self.front_ns
        return -int(-end // self.cycle_ns)

    def serve(self, now: float, address: int, write: bool) -> float:
        """When the last byte of a line is on the bus, ns, of a request that comes at `now`."""
        times = self.times
        while now >= self._refresh:
            for bank in self._banks:
                bank.row, bank.activate = None, max(bank.activate, self._refresh + times.rfc)
            self._refresh += times.refi
        number, row = self.place(address)
        bank = self._banks[number]
        if bank.row != row:
            at = now
            if bank.row is not None:
                at = max(at, bank.precharge) + times.rp
            at = max(at, bank.activate, self._activates[-1] + times.rrd, self._activates[0] + times.faw)
            self._activates.append(at)
            bank.row, bank.column, bank.precharge = row, at + times.rcd, at + times.ras
        latency = times.cwl if write else times.cl
        command = max(now, bank.column, self._bus - latency)
        if not write:
            command = max(command, self._written + times.wtr)
        self._bus = command + latency + times.burst
        if write:
            self._written = self._bus
        bank.precharge = max(bank.precharge, self._bus + times.wr if write else command + times.rtp)
        return self._bus

    def place(self, address: int) -> tuple[int, int]:
        """Bank and row. Rows that follow each other are in other banks; which ones differs from row to row, so that
        large strides do not meet in one bank (permutation-based interleaving)."""
        row, bank = divmod(address // self.times.row_bytes, self.times.banks)
        return (bank ^ row) % self.times.banks, row


def timing(name: str, latency: int) -> Timing:
    """The memory of this name: FIXED, of `latency` cycles, or one of DRAMS. Raises KeyError."""
    return Fixed(max(1, latency)) if name == FIXED else Dram(DRAMS[name])


assert all(times.row_bytes % LINE_BYTES == 0 for times in DRAMS.values())
