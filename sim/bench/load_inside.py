# SPDX-License-Identifier: MIT
"""Inside the simulator: the workloads of loaded.py, at the device's pins. Started by loaded.py.

The host and the media are two objects that look at the pins at each clock edge and set what they drive until the next.
"""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import RisingEdge

from hw.link import LINE_BYTES, LINES_PER_PAGE, PAGE_BYTES
from sim.bench.dram import Fixed, Timing, timing

PERIOD_NS = 2
LONG = 100_000  # cycles; no operation of the device takes longer
INCR, SIZE_64 = 1, 6
FULL = (1 << LINE_BYTES) - 1
WARM = 0.1  # of the accesses go before those that are measured


class Media:
    """A memory that answers in order, a beat a cycle each way, each when its `timing` says so."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.timing: Timing = Fixed(1)
        self.beats = 0
        self._held: dict[int, tuple[int, int]] = {}  # by address: data and check
        self._reads: deque[tuple[int, int, bool]] = deque()  # due, address, last of its burst
        self._writes: deque[list[int]] = deque()  # next address
        self._responses: deque[int] = deque()  # due
        self._shown = self._responds = False
        for name in ("awready", "wready", "arready"):
            getattr(dut, f"m_axi_{name}").value = 1
        for name in ("rvalid", "bvalid", "rresp", "bresp", "rid", "bid", "rlast"):
            getattr(dut, f"m_axi_{name}").value = 0

    def edge(self, now: int) -> None:
        """What the last cycle has brought, and what the next one shows."""
        dut = self.dut
        if dut.m_axi_arvalid.value == 1:
            address, length = int(dut.m_axi_araddr.value), int(dut.m_axi_arlen.value)
            for beat in range(length + 1):
                place = address + beat * LINE_BYTES
                self._reads.append((self.timing.done(now, place, False), place, beat == length))
        if dut.m_axi_awvalid.value == 1:
            self._writes.append([int(dut.m_axi_awaddr.value)])
        if dut.m_axi_wvalid.value == 1:
            address = self._writes[0][0]
            self._held[address] = int(dut.m_axi_wdata.value), int(dut.m_axi_wuser.value)
            self._writes[0][0] += LINE_BYTES
            self.beats += 1
            done = self.timing.done(now, address, True)
            if dut.m_axi_wlast.value == 1:
                self._writes.popleft()
                self._responses.append(done)
        if self._shown and dut.m_axi_rready.value == 1:
            self._shown = False
            self.beats += 1
            dut.m_axi_rvalid.value = 0
        if not self._shown and self._reads and self._reads[0][0] <= now + 1:
            _, address, last = self._reads.popleft()
            data, check = self._held.get(address, (0, 0))
            dut.m_axi_rdata.value, dut.m_axi_ruser.value, dut.m_axi_rlast.value = data, check, int(last)
            dut.m_axi_rvalid.value = 1
            self._shown = True
        if self._responds and dut.m_axi_bready.value == 1:
            self._responds = False
            dut.m_axi_bvalid.value = 0
        if not self._responds and self._responses and self._responses[0] <= now + 1:
            self._responses.popleft()
            dut.m_axi_bvalid.value = 1
            self._responds = True


class Host:
    """Reads of one line, each of an ID of its own, and writes of some lines, so many under way at a time."""

    def __init__(self, dut: Any, memory: list[bytes]) -> None:
        self.dut = dut
        self.memory = memory
        self.took: list[int] = []  # cycles of each read
        self.ended = 0  # when the last answer came
        self._reads: deque[tuple[int, int]] = deque()  # to be sent: page, line
        self._writes: deque[tuple[int, int, list[bytes]]] = deque()
        self._read_depth = self._write_depth = 1
        self._ids = list(range(256))
        self._under_way: dict[int, tuple[int, int, int]] = {}  # by ID: cycle, page, line
        self._asking: int | None = None
        self._unanswered = 0
        self._addressing = False
        self._beats: deque[tuple[bytes, bool]] = deque()
        self._sending = False
        dut.s_axi_rready.value = dut.s_axi_bready.value = 1
        for name in ("arvalid", "awvalid", "wvalid", "arid", "awid", "arlen", "awlen"):
            getattr(dut, f"s_axi_{name}").value = 0
        for channel in ("ar", "aw"):
            getattr(dut, f"s_axi_{channel}size").value = SIZE_64
            getattr(dut, f"s_axi_{channel}burst").value = INCR
        dut.s_axi_wstrb.value = FULL

    @property
    def rests(self) -> bool:
        """All is answered."""
        return not (self._reads or self._writes or self._under_way or self._unanswered or self._asking is not None)

    def send(
        self, reads: list[tuple[int, int]], writes: list[tuple[int, int, list[bytes]]], depth: tuple[int, int]
    ) -> None:
        """Queue reads (page, line) and writes (page, line, lines), so many of each under way."""
        self._reads.extend(reads)
        self._writes.extend(writes)
        self._read_depth, self._write_depth = depth

    def edge(self, now: int) -> None:
        """What the last cycle has brought, and what the next one shows."""
        dut = self.dut
        if dut.s_axi_rvalid.value == 1:
            identifier = int(dut.s_axi_rid.value)
            start, page, line = self._under_way.pop(identifier)
            self._ids.append(identifier)
            self.took.append(now - start)
            self.ended = now
            wanted = int.from_bytes(self.memory[page][line * LINE_BYTES : (line + 1) * LINE_BYTES], "little")
            assert int(dut.s_axi_rresp.value) == 0 and int(dut.s_axi_rdata.value) == wanted, f"page {page} line {line}"
        if dut.s_axi_bvalid.value == 1:
            assert int(dut.s_axi_bresp.value) == 0, "a write was refused"
            self._unanswered -= 1
            self.ended = now
        if self._asking is not None and dut.s_axi_arready.value == 1:
            _, page, line = self._under_way[self._asking]
            self._under_way[self._asking] = now, page, line
            self._asking = None
            dut.s_axi_arvalid.value = 0
        if self._asking is None and self._reads and len(self._under_way) < self._read_depth:
            page, line = self._reads.popleft()
            self._asking = self._ids.pop(0)
            self._under_way[self._asking] = now, page, line
            dut.s_axi_arid.value, dut.s_axi_araddr.value = self._asking, page * PAGE_BYTES + line * LINE_BYTES
            dut.s_axi_arvalid.value = 1
        self._edge_of_writes()

    def _edge_of_writes(self) -> None:
        dut = self.dut
        if self._addressing and dut.s_axi_awready.value == 1:
            self._addressing = False
            dut.s_axi_awvalid.value = 0
        if self._sending and dut.s_axi_wready.value == 1:
            self._sending = False
            dut.s_axi_wvalid.value = 0
        if not self._addressing and self._writes and self._unanswered < self._write_depth:
            page, line, lines = self._writes.popleft()
            start = line * LINE_BYTES
            data = b"".join(lines)
            self.memory[page] = self.memory[page][:start] + data + self.memory[page][start + len(data) :]
            self._beats.extend((one, one is lines[-1]) for one in lines)
            self._unanswered += 1
            dut.s_axi_awaddr.value, dut.s_axi_awlen.value = page * PAGE_BYTES + start, len(lines) - 1
            dut.s_axi_awvalid.value = 1
            self._addressing = True
        if not self._sending and self._beats:
            data, last = self._beats.popleft()
            dut.s_axi_wdata.value, dut.s_axi_wlast.value = int.from_bytes(data, "little"), int(last)
            dut.s_axi_wvalid.value = 1
            self._sending = True


class Bench:
    """The device between host and media."""

    def __init__(self, dut: Any, pages: list[bytes]) -> None:
        self.dut = dut
        self.now = 0
        self.pages = pages
        dut.rst_ni.value = dut.media_rst_ni.value = 0
        for name in ("awvalid", "wvalid", "bready", "arvalid", "rready"):
            getattr(dut, f"s_axil_{name}").value = 0
        self.media = Media(dut)
        self.host = Host(dut, [bytes(PAGE_BYTES)] * len(pages))
        Clock(dut.clk_i, PERIOD_NS, unit="ns").start()

    async def begin(self) -> None:
        """Reset, and store the pages."""
        for _ in range(4):
            await RisingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = self.dut.media_rst_ni.value = 1
        for _ in range(2 * len(self.pages) + 10):
            await RisingEdge(self.dut.clk_i)
        lines = range(0, PAGE_BYTES, LINE_BYTES)
        whole = [(number, 0, [page[at : at + LINE_BYTES] for at in lines]) for number, page in enumerate(self.pages)]
        self.host.send([], whole, (0, 1))
        await self.rest()

    async def rest(self) -> None:
        """Run until the host and the device have nothing to do."""
        quiet = 0
        since = self.now
        while quiet < 4:
            await RisingEdge(self.dut.clk_i)
            self.now += 1
            self.media.edge(self.now)
            self.host.edge(self.now)
            quiet = quiet + 1 if self.host.rests and self.dut.idle_o.value == 1 else 0
            if not self.host.rests:
                since = max(since, self.host.ended)
            assert self.now - since < LONG, "the device does not come to rest"

    async def run(self, workload: dict[str, Any]) -> dict[str, Any]:
        """One workload; its row."""
        source = Random(1)  # workloads of one shape make the same accesses
        self.media.timing = timing(workload["media"], workload["media_latency"])
        await self._accesses(workload, round(WARM * workload["count"]), source)
        self.host.took.clear()
        beats, start = self.media.beats, self.now
        await self._accesses(workload, workload["count"], source)
        took = sorted(self.host.took)
        host_bytes = workload["count"] * LINE_BYTES
        return {
            "workload": workload["name"],
            "p50": took[(len(took) - 1) // 2],
            "p99": took[(99 * len(took) - 1) // 100],
            "bytes_per_cycle": round(host_bytes / (self.host.ended - start), 3),
            "media_bytes_per_host_byte": round((self.media.beats - beats) * LINE_BYTES / host_bytes, 2),
        }

    async def _accesses(self, workload: dict[str, Any], count: int, source: Random) -> None:
        pages = workload["pages"]
        share = workload["writes"] / (workload["reads"] + workload["writes"])
        writes = round(share * count)

        def place(first: int) -> tuple[int, int]:
            return first + source.randrange(pages), source.randrange(LINES_PER_PAGE)

        half = len(self.pages) // 2  # those behind are written
        changes = []
        for _ in range(writes):
            other, at = source.choice(self.pages), source.randrange(LINES_PER_PAGE) * LINE_BYTES
            changes.append((*place(half), [other[at : at + LINE_BYTES]]))
        reads = [place(0) for _ in range(count - writes)]
        depth = workload["reads"], workload["writes"]
        if workload["rests"]:
            for read in reads:
                self.host.send([read], [], depth)
                await self.rest()
        else:
            self.host.send(reads, changes, depth)
            await self.rest()


@cocotb.test()
async def loaded(dut: HierarchyObject) -> None:
    """All workloads of one device."""
    bench = Bench(dut, _pages())
    await bench.begin()
    _answer([await bench.run(workload) for workload in json.loads(os.environ["VCRAM_LOAD"])])


def _pages() -> list[bytes]:
    data = Path(os.environ["VCRAM_PAGES"]).read_bytes()
    return [data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)]


def _answer(rows: list[dict[str, Any]]) -> None:
    Path(os.environ["VCRAM_FIGURES"]).write_text(json.dumps(rows))
