# SPDX-License-Identifier: MIT
"""page_cache: every handshake, every line and every victim, cycle by cycle, while the test plays the sequencer.

Oracle: `Entry` with a dict of lines; the rules of docs/device/cache.md.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from hw.ecc import line_check
from tests.hw.expect import expect, expect_all

CACHE_PAGES = int(os.environ["CACHE_PAGES"])
PAGES = range(CACHE_PAGES + 2)
FULL = (1 << 64) - 1
SPARE = 1  # the default
PULSES = (
    "take", "drop", "make_dirty", "make_clean", "fill_valid", "fill_begin", "fill_end", "stream_start", "bounce",
)  # fmt: skip
INPUTS = (
    "write_valid", "write_page", "write_line", "write_data", "write_strobe", "read_valid", "read_page", "read_line",
    "wait_valid", "wait_page", "wait_line", "refuse_write", "refuse_read", "lookup_page", "entry", "entry_line",
    "take", "take_page", "take_zero", "drop", "make_dirty", "make_clean", "closing", "fill_valid", "fill_line",
    "fill_data", "stream_start", "stream_dirty", "stream_clear", "stream_ready", "stuck", "flaw_taken", "wait_first",
    "bounce", "close_entry", "fill_begin", "fill_end", "fill_end_entry", "fill_entry", "write_look_page", "read_look",
    "read_look_page", "read_look_line", "read_first", "wait_look_page", "wait_look_line",
)  # fmt: skip


@dataclass
class Entry:
    """An entry as it must be."""

    page: int | None = None
    zero: bool = False
    dirty: bool = False
    lines: dict[int, int] = field(default_factory=dict)
    dirty_lines: set[int] = field(default_factory=set)

    def there(self, line: int) -> bool:
        """The line can be read."""
        return self.zero or line in self.lines

    @property
    def complete(self) -> bool:
        """All lines are dirty."""
        return self.page is not None and len(self.dirty_lines) == 64


@dataclass
class Write:
    """A host write that waits or is taken."""

    page: int
    line: int
    data: int
    strobe: int


@dataclass(frozen=True)
class Found:
    """What a lookup in the cycle before has found: the entry, and whether it had the line."""

    hit: int | None
    there: bool
    valid: bool
    merges: bool = False  # a write of some bytes of a line that is there, and that nothing keeps from it


class TB:
    """The oracle, the host ports, which are always busy, and the sequencer's operations."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.random = random.Random(cocotb.RANDOM_SEED)
        self.entries = [Entry() for _ in range(CACHE_PAGES)]
        self.recency = list(range(CACHE_PAGES))  # most recently used first; at reset entry 0
        self.write: Write | None = None
        self.burst: list[Write] = []  # writes that go before random ones
        self.read: tuple[int, int] | None = None
        self.wait: tuple[int, int] | None = None  # a read that waits for its line, or comes after one that did
        self.write_found = self.wait_found = self.read_found = Found(None, False, False)
        self.sure = self.read_sure = False  # that still counts
        self.write_stays = False  # the write was there in the last cycle, and its line was looked up
        self.filled = False  # a line came in the last cycle
        self.touched: list[int] = []  # entries that were used in the last cycle
        self.closing_was: int | None = None  # the entry that was closed a cycle ago
        self.complete: set[int] = set()  # entries that were complete a cycle ago
        self.answers: list[tuple[int, bool] | None] = [None] * 3  # what the read port must show, from this cycle on
        self.taken: tuple[int | None, Write | None] | None = None  # the write that is taken in this cycle
        self.merge_age = 0  # cycles since a write of some bytes asked for its line; 0: none is under way
        self.merge_at = (0, 0)  # entry and line
        self.filling: set[int] = set()  # entries whose lines come
        self.job: tuple[int, int] | None = None  # a fill that goes on beside all else: its entry, its next line
        self.streamed: list[int] = []
        self.write_was_last = False  # of a write and a read that waited
        self.read_was_last = False  # of host reads and stream, which share the read port
        self.stream_asked = 64  # lines that the stream has read
        self.stream_ahead = 0  # read, and not taken yet
        self.delayed = 0  # cycles in which a read hit gave way to the stream
        self.fired = {"read": 0, "wait": 0, "overtakes": 0, "write": 0, "complete": 0}
        for name in INPUTS:
            getattr(dut, f"{name}_i").value = 0
        dut.rst_ni.value = 0
        Clock(dut.clk_i, 2, unit="ns").start()

    async def reset(self) -> None:
        """Nothing is cached afterwards."""
        for _ in range(2):
            await RisingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 1

    async def cycle(self, **inputs: int) -> None:
        """One cycle: the sequencer drives `inputs`, the host ports what they like; everything is checked."""
        dut, source = self.dut, self.random
        values = dict.fromkeys(PULSES, 0)
        # what nobody calls valid is anything
        for name in (
            "write_page",
            "read_page",
            "wait_page",
            "take_page",
            "lookup_page",
            "write_look_page",
            "wait_look_page",
        ):
            values[name] = source.choice(PAGES)
        for name in ("write_line", "read_line", "wait_line", "fill_line", "entry_line"):
            values[name] = source.randrange(64)
        for name in ("fill_entry", "fill_end_entry"):
            values[name] = source.randrange(CACHE_PAGES)
        values |= {"wait_first": source.getrandbits(1), "bounce": int(source.random() < 0.1)}
        if self.job is not None and "fill_valid" not in inputs and source.random() < 0.3:
            values |= self._go_on(*self.job)
        values |= {"write_strobe": source.getrandbits(64), "take_zero": source.getrandbits(1)} | inputs
        values |= {"stream_ready": source.getrandbits(1), "write_valid": int(self.write is not None)}
        values |= {"read_valid": int(self.read is not None), "wait_valid": int(self.wait is not None)}
        values |= {"read_first": int(self.wait is None), "refuse_read": 0, "read_look": 0} | inputs
        if self.write is not None:
            values |= {"write_page": self.write.page, "write_line": self.write.line, "write_data": self.write.data}
            values |= {"write_strobe": self.write.strobe}
        if self.read is not None:
            values |= {"read_page": self.read[0], "read_line": self.read[1]}
        if self.wait is not None:
            values |= {"wait_page": self.wait[0], "wait_line": self.wait[1]}
        for name, value in values.items():
            getattr(dut, f"{name}_i").value = value
        await FallingEdge(dut.clk_i)
        self._check(values)
        for name, value in self._look().items():  # at what the ports show in the next cycle
            getattr(dut, f"{name}_i").value = value
        self._take_operation(values)
        await RisingEdge(dut.clk_i)
        for name in PULSES:
            getattr(dut, f"{name}_i").value = 0

    def _go_on(self, entry: int, line: int) -> dict[str, int]:
        """The next line of the fill that goes on, or its end."""
        if line == 64:
            self.job = None
            return {"fill_end": 1, "fill_end_entry": entry}
        self.job = entry, line + 1
        return {"fill_valid": 1, "fill_entry": entry, "fill_line": line, "fill_data": self.random.getrandbits(512)}

    @property
    def closing(self) -> int | None:
        """The entry that is closed."""
        return int(self.dut.close_entry_i.value) if self.dut.closing_i.value == 1 else None

    def busy(self, entry: int | None) -> bool:
        """Lines of the entry come, or it is closed: nobody is asked for it, and it is no victim."""
        return entry is not None and (entry in self.filling or entry == self.closing)

    def free(self, entries: list[int]) -> list[int]:
        """Those that are not busy."""
        return [entry for entry in entries if not self.busy(entry)]

    def idle(self, entries: list[int]) -> list[int]:
        """Those that may be victims, or closed: that one is closed is seen a cycle later."""
        return [entry for entry in entries if entry not in self.filling and entry != self.closing_was]

    def _check(self, values: dict[str, int]) -> None:
        """Compare the outputs, then let the host ports take the clock edge."""
        dut = self.dut
        self._check_answer()
        closing = self.closing
        write_hit, read_hit, wait_hit = self.write_found.hit, self.read_found.hit, self.wait_found.hit
        writes = write_wants = merges = False
        reads = self.read is not None and self.read_sure and self.read_found.there
        waits = self.wait is not None and self.sure and self.wait_found.there
        read_misses = self.read is not None and self.read_sure and not reads
        wait_wants = self.sure and not waits and not self.busy(wait_hit) and bool(values["wait_first"])
        read_wants = wait_wants if self.wait is not None else read_misses and not self.busy(read_hit)
        if self.wait is not None and self.sure:
            expect(dut.wait_busy_o, self.busy(wait_hit))
        if self.write is not None and self.sure:
            entry = self.entries[write_hit] if write_hit is not None else None
            full = self.write.strobe == FULL
            there = full or self.write_found.there
            dirty = entry is not None and entry.dirty
            held = write_hit is not None and (write_hit in self.complete or write_hit == self.closing_was)
            comes = self.merge_age == 4 and self.merge_at == (write_hit, self.write.line)
            zero = self.write_found.there and not self.write_found.valid and not self.filled
            some = self.write_stays and (comes or zero)
            writes = dirty and not held and not values["fill_valid"] and (full or some)
            merges = self.write_stays and self.write_found.merges and self.merge_age == 0
            write_wants = self.write_stays and not self.busy(write_hit) and not held and not (dirty and there)
        merged = self.merge_age == 1  # nothing is read in the cycle behind it
        stream_wants = not merges and not merged and self.stream_asked < 64 and self.stream_ahead < 4
        gives_way = (reads or waits) and (merges or merged or (stream_wants and self.read_was_last))
        refused = bool(values["refuse_read"])
        reads &= not gives_way and not waits and not refused
        waits &= not gives_way
        self.delayed = self.delayed + 1 if gives_way else 0
        assert self.delayed < 4, "a read hit waits for one line of the stream and one write, not for more"
        expect_all((dut.read_ready_o, dut.wait_ready_o), (reads, waits or refused))
        expect(dut.read_again_o, not self.read_sure)
        if self.read is not None:
            expect(dut.read_miss_o, read_misses)
        expect(dut.write_ready_o, writes)
        expect(dut.request_valid_o, read_wants or write_wants)
        if read_wants or write_wants:
            self._check_request(write_wants and not (read_wants and self.write_was_last))
        self._check_victims()
        self._check_entries(values)
        if dut.stream_valid_o.value == 1 and values["stream_ready"]:
            data, line = int(dut.stream_data_o.value), len(self.streamed)
            self.streamed.append(data)
            page = self.entries[closing if closing is not None else 0].page
            assert page is not None, "an entry without a page is streamed"
            expect(dut.stream_check_o, line_check(page, line, data.to_bytes(64, "little")))
            expect(dut.stream_error_o, 0)
            expect(dut.stream_index_o, line)
            self.stream_ahead -= 1
        if reads or waits:
            self.read_was_last = True
        elif stream_wants:
            self.read_was_last = False
            self.stream_asked += 1
            self.stream_ahead += 1
        if values["stream_start"]:
            self.stream_asked = 0

        touched = []
        for took, what, found in ((reads, self.read, self.read_found), (waits, self.wait, self.wait_found)):
            if took and what is not None and found.hit is not None:
                content = self.entries[found.hit].lines.get(what[1], 0)
                self.answers[-1] = (content if found.valid else 0), False
                touched.append(found.hit)
        if refused:
            self.answers[-1] = 0, True
        self.fired["read"] += reads
        self.fired["wait"] += waits
        self.fired["overtakes"] += reads and self.wait is not None
        if waits or refused:
            self.wait = None
            self.write_was_last = False
        if reads:
            self.read = None
        elif read_misses and self.wait is None and not waits and not refused:
            self.read, self.wait = None, self.read
        if writes and write_hit is not None:
            touched.append(write_hit)
            self.fired["write"] += 1
            self.write_was_last = True
        elif not waits and not refused and values["bounce"]:
            self.write_was_last = not self.write_was_last
        self._advance_merge()
        if merges and self.write is not None and write_hit is not None:
            self.merge_age, self.merge_at = 1, (write_hit, self.write.line)
        for used in self.touched:
            self._touch(used)
        if values["take"] or values["make_dirty"]:
            self._touch(int(dut.entry_i.value))
        self.touched = touched
        self.taken = (write_hit, self.write) if writes else None

    def _look(self) -> dict[str, int]:
        """What the host ports show in the next cycle, and what is found of it in this one."""
        source = self.random
        stays = self.write is not None and self.taken is None
        if not stays:
            self.write = None
        if self.write is None and self.burst:
            self.write = self.burst.pop()
        elif self.write is None and source.random() < 0.7:
            strobe = source.choice([FULL, FULL, source.getrandbits(64) | 1])
            line = source.choice([source.randrange(64), source.randrange(4)])
            self.write = Write(source.choice(PAGES), line, source.getrandbits(512), strobe)
        look: dict[str, int] = {}
        if self.read is None and source.random() < 0.7:
            self.read = source.choice(PAGES), source.choice([source.randrange(64), source.randrange(4)])
            self.read_sure = False
        if self.read is not None and not self.read_sure:
            look |= {"read_look": 1, "read_look_page": self.read[0], "read_look_line": self.read[1]}
            self.read_found = self._find(self.read)
            self.read_sure = True
        if self.wait is None and source.random() < 0.1:
            self.wait = source.choice(PAGES), source.choice([source.randrange(64), source.randrange(4)])
        if self.wait is not None:
            look |= {"wait_look_page": self.wait[0], "wait_look_line": self.wait[1]}
            self.wait_found = self._find(self.wait)
        if self.write is not None:
            look |= {"write_look_page": self.write.page}
            self.write_found = self._find((self.write.page, self.write.line), self.write.strobe)
        self.write_stays = stays
        return look

    def _find(self, access: tuple[int, int], strobe: int = FULL) -> Found:
        """A lookup of this cycle."""
        hit = self.find(access[0])
        if hit is None:
            return Found(None, False, False)
        entry = self.entries[hit]
        valid = access[1] in entry.lines
        merges = strobe != FULL and valid and entry.dirty and hit != self.closing
        return Found(hit, entry.there(access[1]), valid, merges)

    def _check_answer(self) -> None:
        """Read data comes three cycles after its handshake."""
        due = self.answers.pop(0)
        self.answers.append(None)
        if due is not None:
            expect_all((self.dut.read_data_o, self.dut.read_error_o), due)

    def _advance_merge(self) -> None:
        """The line that a write of some bytes asked for is there in the fourth cycle, and only in that one."""
        self.merge_age = (self.merge_age + 1) % 5 if self.merge_age else 0

    def _check_request(self, of_write: bool) -> None:
        """The sequencer is told of one port what it waits for; a write of a whole line needs no old line."""
        dut, write, read = self.dut, self.write, self.wait or self.read
        expect(dut.request_write_o, of_write)
        fill = not (of_write and write is not None and write.strobe == FULL)
        expect(dut.request_fill_o, fill)
        wanted = (write.page, write.line) if of_write and write is not None else read
        assert wanted is not None, "a request, and neither port waits for anything"
        expect_all((dut.request_page_o, dut.request_line_o), wanted)

    def _check_entries(self, values: dict[str, int]) -> None:
        """What the sequencer sees of the entry it names, and where it finds a page."""
        dut = self.dut
        entry = self.entries[int(dut.entry_i.value)]
        if entry.page is not None:
            expect(dut.entry_page_o, entry.page)
            expect(dut.entry_dirty_o, entry.dirty)
            expect(dut.entry_complete_o, entry.complete)
            expect(dut.entry_missing_o, not entry.zero and len(entry.lines) < 64)
            expect(dut.entry_line_missing_o, not entry.there(values["entry_line"]))
        found = self.find(values["lookup_page"])
        expect(dut.lookup_hit_o, found is not None)
        if found is not None:
            expect(dut.lookup_entry_o, found)

    def _check_victims(self) -> None:
        dut = self.dut
        used = [n for n in reversed(self.recency) if self.entries[n].page is not None]
        unused = self.idle([n for n, entry in enumerate(self.entries) if entry.page is None])
        clean = self.idle([n for n in used if not self.entries[n].dirty])
        dirty = self.free([n for n in used if self.entries[n].dirty][:1])  # one after the other is cleaned
        expect(dut.victim_valid_o, bool(unused or clean or dirty))
        if unused or clean or dirty:
            expect(dut.victim_entry_o, (unused + clean + dirty)[0])
            expect(dut.victim_dirty_o, not unused and not clean)
        expect(dut.dirty_any_o, any(self.entries[n].dirty for n in used))
        expect(dut.dirty_valid_o, bool(dirty))
        if dirty:
            entry = self.entries[dirty[0]]
            expect(dut.dirty_entry_o, dirty[0])
            expect(dut.dirty_missing_o, not entry.zero and len(entry.lines) < 64)
        spare = sum(not entry.dirty and n != self.closing for n, entry in enumerate(self.entries))
        expect_all((dut.scarce_o, dut.crowded_o), (spare < SPARE, spare <= SPARE))
        complete = self.idle(sorted(self.complete))
        self.fired["complete"] += len(complete)
        expect(dut.complete_valid_o, bool(complete))
        if complete:
            expect(dut.complete_entry_o, complete[0])

    def _take_write(self, hit: int, write: Write) -> None:
        entry = self.entries[hit]
        mask = sum(0xFF << 8 * lane for lane in range(64) if write.strobe >> lane & 1)
        old = entry.lines.get(write.line, 0)
        entry.lines[write.line] = (old & ~mask) | (write.data & mask)
        entry.dirty_lines.add(write.line)

    def _take_operation(self, values: dict[str, int]) -> None:
        """Let the entries take the clock edge."""
        changes = values["take"] or values["drop"]
        self.sure = not changes
        self.read_sure &= not (changes and self.read_found.hit in (None, int(self.dut.entry_i.value)))
        self.closing_was = self.closing
        self.filled = bool(values["fill_valid"])
        self.complete = {n for n, entry in enumerate(self.entries) if entry.complete}
        if changes or values["make_clean"]:
            self.complete.discard(int(self.dut.entry_i.value))
        if self.taken is not None and self.taken[0] is not None and self.taken[1] is not None:
            self._take_write(self.taken[0], self.taken[1])
        number = int(self.dut.entry_i.value)
        entry = self.entries[number]
        if values["fill_valid"]:
            self.entries[values["fill_entry"]].lines.setdefault(values["fill_line"], values["fill_data"])
        if values["fill_begin"]:
            self.filling.add(number)
        if values["fill_end"]:
            self.filling.discard(values["fill_end_entry"])
        if values["take"]:
            self.entries[number] = Entry(values["take_page"], bool(values["take_zero"]))
        if values["make_dirty"]:
            entry.dirty = True
        if values["make_clean"]:
            entry.dirty, entry.dirty_lines = False, set()
        if values["drop"]:
            self.entries[number] = Entry()

    def find(self, page: int) -> int | None:
        """The entry that holds a page."""
        return next((n for n, entry in enumerate(self.entries) if entry.page == page), None)

    def _touch(self, entry: int) -> None:
        self.recency.remove(entry)
        self.recency.insert(0, entry)

    # ---- what a sequencer does ----

    async def take(self, page: int | None = None) -> None:
        """Give the victim to a page that is not cached; a dirty one is closed first."""
        if self.dut.victim_valid_o.value == 0:
            return
        victim = int(self.dut.victim_entry_o.value)
        if self.entries[victim].dirty:
            await self.close(victim)
        if page is None:
            page = self.random.choice([page for page in PAGES if self.find(page) is None])
        await self.cycle(entry=victim, take=1, take_page=page, take_zero=self.random.getrandbits(1))

    async def write_whole(self) -> None:
        """Let the host write every line of a dirty page."""
        dirty = [entry.page for entry in self.entries if entry.page is not None and entry.dirty]
        if dirty and not self.burst:
            page = self.random.choice(dirty)
            self.burst = [Write(page, line, self.random.getrandbits(512), FULL) for line in range(64)]

    async def serve(self) -> None:
        """Do what the waiting access of one host port needs, whichever it is."""
        write = self.write if self.random.getrandbits(1) else None
        access = (write.page, write.line) if write is not None else self.wait or self.read
        if access is None:
            return
        page, line = access
        if self.find(page) is None:
            await self.take(page)
        entry = self.find(page)
        if entry is None or self.busy(entry):
            return
        if write is not None and not self.entries[entry].dirty:
            await self.cycle(entry=entry, make_dirty=1)
        if not self.entries[entry].there(line):
            await self.fill(entry)
        if self.entries[entry].complete:
            await self.close(entry)

    async def make_dirty(self) -> None:
        """Some clean entry."""
        clean = self.free([n for n, entry in enumerate(self.entries) if entry.page is not None and not entry.dirty])
        if clean:
            await self.cycle(entry=self.random.choice(clean), make_dirty=1)

    async def fill(self, entry: int | None = None) -> None:
        """All lines, ascending, with gaps; `entry_missing_o` tells when it is needed."""
        used = self.free([n for n, one in enumerate(self.entries) if one.page is not None and not one.zero])
        if entry is None and not used:
            return
        number = self.random.choice(used) if entry is None else entry
        await self.cycle(entry=number, fill_begin=1)
        for line in range(64):
            while self.random.random() < 0.3:
                await self.cycle(entry=self.random.randrange(CACHE_PAGES))
            data = self.random.getrandbits(512)
            await self.cycle(fill_valid=1, fill_entry=number, fill_line=line, fill_data=data)
        await self.cycle(fill_end=1, fill_end_entry=number)
        await self.cycle(entry=number, entry_line=63)
        expect(self.dut.entry_missing_o, 0)
        expect(self.dut.entry_line_missing_o, 0)

    async def begin(self) -> None:
        """A fill that goes on while the sequencer does other things."""
        used = self.free([n for n, one in enumerate(self.entries) if one.page is not None and not one.zero])
        if self.job is None and used:
            number = self.random.choice(used)
            await self.cycle(entry=number, fill_begin=1)
            self.job = number, 0

    async def close(self, number: int | None = None) -> None:
        """Fill a dirty entry, stream it, make it clean: the lines stream as they are, in order."""
        dirty = self.free([n for n, entry in enumerate(self.entries) if entry.dirty])
        complete = [n for n in dirty if self.entries[n].complete]
        if number is None:
            if not dirty:
                return
            number = self.random.choice(complete or dirty)
        await self.cycle(entry=number, close_entry=number, closing=1)
        entry = self.entries[number]
        missing = not entry.zero and len(entry.lines) < 64
        expect(self.dut.entry_missing_o, missing)
        if missing:
            await self.fill(number)
        for _ in range(2):  # a page is streamed again when its block was too long
            self.streamed.clear()
            await self.cycle(stream_start=1)
            while len(self.streamed) < 64:
                await self.cycle()
            assert self.streamed == [entry.lines.get(line, 0) for line in range(64)]
        await self.cycle(entry=number, make_clean=1)
        await self.cycle(closing=0)

    async def drop(self) -> None:
        """Trim or poison some entry."""
        used = self.free([n for n, entry in enumerate(self.entries) if entry.page is not None])
        if used:
            await self.cycle(entry=self.random.choice(used), drop=1)

    async def refuse(self) -> None:
        """Answer the read that waits, and misses, with an error."""
        if self.wait is not None and self.find(self.wait[0]) is None:
            await self.cycle(refuse_read=1)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def every_interleaving_of_host_and_sequencer_keeps_the_lines(dut: Any) -> None:
    tb = TB(dut)
    await tb.reset()
    operations: list[Callable[[], Any]] = [tb.serve] * 12
    operations += [tb.take, tb.make_dirty, tb.fill, tb.begin, tb.close, tb.drop, tb.write_whole, tb.refuse]
    for _ in range(int(os.environ["ROUNDS"])):
        await tb.random.choice(operations)()
        for _ in range(tb.random.choice([0, 0, 1, 5, 40])):
            await tb.cycle()
    assert min(tb.fired.values()) > 50


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def an_entry_that_is_taken_has_no_line_whatever_the_fill_port_shows(dut: Any) -> None:
    tb = TB(dut)
    await tb.reset()
    for line in range(64):
        entry = int(dut.victim_entry_o.value)
        page = tb.random.choice([page for page in PAGES if tb.find(page) is None])
        await tb.cycle(entry=entry, take=1, take_page=page, take_zero=0, fill_line=line)
        await tb.cycle(entry=entry, entry_line=line)
        expect(dut.entry_line_missing_o, 1)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def both_ports_are_asked_for_in_turn(dut: Any) -> None:
    """Two misses: after the one that was served, the other's page is requested."""
    tb = TB(dut)
    await tb.reset()
    dut.wait_valid_i.value, dut.wait_page_i.value, dut.wait_first_i.value = 1, 0, 1
    dut.write_valid_i.value, dut.write_page_i.value, dut.write_strobe_i.value = 1, 1, FULL
    dut.wait_look_page_i.value, dut.write_look_page_i.value = 0, 1
    for _ in range(2):  # they are looked up
        await RisingEdge(dut.clk_i)
    served = []
    for _ in range(6):
        await FallingEdge(dut.clk_i)
        write = dut.request_write_o.value == 1
        expect(dut.request_page_o, int(write))
        served.append(write)
        await RisingEdge(dut.clk_i)
        (dut.refuse_write_i if write else dut.refuse_read_i).value = 1
        await RisingEdge(dut.clk_i)
        dut.refuse_write_i.value, dut.refuse_read_i.value = 0, 0
        await RisingEdge(dut.clk_i)
    assert served in ([True, False] * 3, [False, True] * 3)
