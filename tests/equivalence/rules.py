# SPDX-License-Identifier: MIT
"""The links put through the same random operations. Runs inside a simulator, started by test_equivalence.py.

All three links live in the simulator's process: its own device, the same RTL as a library, and the model. The model's
compressed pages differ in length from the RTL's; as long as they take as many sectors, all the rest must be equal, also
exhaustion. An example ends where a page takes another number of sectors on the model.
"""

from __future__ import annotations

import os
import struct
from dataclasses import asdict
from functools import cache
from typing import Any

import lz4.block
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from driver import CramDevice, Interrupt
from hw.codes import Opcode
from hw.link import LINE_BYTES, PAGE_BYTES, Link
from hw.links.model import ModelLink
from hw.links.verilated import VerilatedLink
from hw.registers import Register
from hw.replies import COMMAND_EFFECTS_LOG
from hw.virtual_time import VirtualClock
from tests.driver.conftest import PARAMETERS
from tests.driver.inside import Simulation, SimulatorClock
from tests.equivalence.rigs import Operation, Rig, block_content, comparable
from tests.pages import SAME_PAGE, ZERO_PAGE, compressible_page, noise_page, program_pages

PAGES = 40  # of the device are used; 16 raw ones fill its media
SETTINGS = settings(
    max_examples=int(os.environ.get("VCRAM_EXAMPLES", "15")),
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
TIMELESS = sorted(set(Opcode) - {Opcode.SANITIZE, Opcode.GET_TIMESTAMP})
"""Commands whose reply does not depend on the time, and that do not empty the device."""
_TOTALS = {"steps": 0, "compared with the model": 0}


def sectors(length: int) -> int:
    """Sectors that a block of `length` bytes takes."""
    return -(-length // PARAMETERS.sector_bytes)


@cache
def contents() -> list[bytes]:
    """Page contents that take as many sectors on the RTL as they do with liblz4; zero, same and raw ones among them."""
    made = [compressible_page(seed) for seed in range(4)]
    candidates = [*made, *program_pages()[:: max(1, len(program_pages()) // 60)]]
    clock = VirtualClock()
    link = VerilatedLink(clock, PARAMETERS)

    async def lengths() -> list[int]:
        device = await CramDevice.probe(link)
        found = []
        for content in candidates:
            await device.store(0, content)
            await device.settle()
            found.append((await device.page_state(0)).length)
        await link.close()
        return found

    liblz4 = [min(PAGE_BYTES, len(lz4.block.compress(content, store_size=False))) for content in candidates]
    both = zip(candidates, clock.run(lengths()), liblz4, strict=True)
    alike = [content for content, rtl, library in both if sectors(rtl) == sectors(library)]
    assert len(alike) > len(candidates) // 3, "most pages should take as many sectors on both"
    return [ZERO_PAGE, SAME_PAGE, *[noise_page(seed) for seed in range(4)], *alike]


pages = st.integers(0, PAGES - 1)
lines = st.integers(0, 63)
choices = st.integers(0, 10_000)


def content(choice: int) -> bytes:
    """One of the contents."""
    known = contents()
    return known[choice % len(known)]


def store(page: int, choice: int) -> Operation:
    return lambda device: device.store(page, content(choice))


def store_lines(page: int, line: int, count: int, choice: int) -> Operation:
    count = min(count, 64 - line)
    data = content(choice)[line * LINE_BYTES : (line + count) * LINE_BYTES]
    return lambda device: device.link.write(page * PAGE_BYTES + line * LINE_BYTES, data)


def load(page: int) -> Operation:
    return lambda device: device.load(page)


def load_lines(page: int, line: int, count: int) -> Operation:
    length = min(count, 64 - line) * LINE_BYTES
    return lambda device: device.link.read(page * PAGE_BYTES + line * LINE_BYTES, length)


def trim(dropped: list[int]) -> Operation:
    return lambda device: device.trim(dropped)


def page_state(page: int) -> Operation:
    return lambda device: device.page_state(page)


def flush() -> Operation:
    return lambda device: device.flush()


accesses = st.one_of(
    st.builds(store, pages, choices),
    st.builds(store_lines, pages, lines, st.integers(1, 64), choices),
    st.builds(load, pages),
    st.builds(load_lines, pages, lines, st.integers(1, 64)),
    st.builds(trim, st.lists(pages, min_size=1, max_size=6)),
    st.builds(page_state, pages),
    st.builds(flush),
)


class Links(RuleBasedStateMachine):
    """One operation at a time, on every link."""

    def __init__(self) -> None:
        super().__init__()
        self.rigs: list[Rig] = []
        self.alike = True

    @initialize(seed=st.integers(0, 2**31))
    def start(self, seed: int) -> None:
        """`seed`: what the library's registers and memories without a reset hold at first."""
        contents()
        for name in ("cocotb", "verilated", "model"):
            clock: VirtualClock | SimulatorClock = SimulatorClock() if name == "cocotb" else VirtualClock()
            self.rigs.append(Rig(name, clock, _link(name, clock, seed)))

    def all(self, operation: Operation, *, of_interest: Any = comparable) -> None:
        """The operation on all links, and what it must leave the same."""
        cocotb, verilated, model = (rig.run(operation) for rig in self.rigs)
        assert cocotb == verilated, "the two ways to run the RTL differ"
        assert self.rigs[0].cycles == self.rigs[1].cycles
        _TOTALS["steps"] += 1
        if self.alike:
            taken = [[sectors(length) for length in self.lengths(rig)] for rig in self.rigs]
            assert taken[0] == taken[1]
            self.alike = taken[1] == taken[2]
        if self.alike:
            _TOTALS["compared with the model"] += 1
            seen = [self.everything(rig) for rig in self.rigs]
            assert seen[0] == seen[1]
            assert of_interest(verilated.result) == of_interest(model.result), "the model's answer is another"
            assert verilated.interrupts == model.interrupts
            for key, value in seen[1].items():
                assert seen[2][key] == value, f"{key} is another on the model"

    def everything(self, rig: Rig) -> dict[str, Any]:
        """Registers, counters and capacity."""

        async def read() -> dict[str, Any]:
            device = rig.device
            counters, capacity = asdict(await device.counters()), asdict(await device.capacity())
            del counters["cycles"], counters["block_bytes"]
            status = await rig.link.read_registers(Register.STATUS)
            interrupts = await rig.link.read_registers(Register.INTERRUPT_STATUS)
            log = await rig.link.read_registers(Register.EVENT_COUNT, 3)
            return counters | capacity | {"status": status, "interrupt status": interrupts, "event log": log}

        return rig.clock.run_until(read())

    @staticmethod
    def lengths(rig: Rig) -> list[int]:
        """Bytes that each page takes on the media."""

        async def read() -> list[int]:
            return [(await rig.device.page_state(page)).length for page in range(PAGES)]

        return rig.clock.run_until(read())

    @rule(operation=accesses)
    def access(self, operation: Operation) -> None:
        self.all(operation)

    @rule(first=pages, count=st.integers(1, 20), choice=choices)
    def fill(self, first: int, count: int, choice: int) -> None:
        """Many pages at once: the media fills up."""
        for number in range(count):
            self.all(store((first + number) % PAGES, choice + number))

    @rule(page=pages)
    def export(self, page: int) -> None:
        self.all(lambda device: device.export(page), of_interest=_exported)

    @rule(dropped=st.lists(pages, min_size=1, max_size=PAGES))
    def trim_many(self, dropped: list[int]) -> None:
        self.all(trim(dropped))

    @rule(low=st.integers(0, 256), more=st.integers(0, 256))
    def watermarks(self, low: int, more: int) -> None:
        self.all(lambda device: device.set_watermarks(low, min(256, low + more)))

    @rule()
    def events(self) -> None:
        self.all(lambda device: device.events())

    @rule(line=st.sampled_from([line for line in Interrupt if line is not Interrupt.MAILBOX]))
    def acknowledge(self, line: Interrupt) -> None:
        self.all(lambda device: device.acknowledge(line))

    @rule(opcode=st.integers(0, 0xFFFF), payload=st.binary(max_size=40))
    def any_command(self, opcode: int, payload: bytes) -> None:
        self.all(lambda device: device.command(opcode, payload))

    @rule(opcode=st.sampled_from(TIMELESS), payload=st.binary(max_size=16))
    def known_command(self, opcode: int, payload: bytes) -> None:
        self.all(lambda device: device.command(opcode, payload))

    @rule(offset=st.integers(0, 130), length=st.integers(0, 130))
    def read_log(self, offset: int, length: int) -> None:
        payload = COMMAND_EFFECTS_LOG.bytes + struct.pack("<II", offset, length)
        self.all(lambda device: device.command(Opcode.GET_LOG, payload))

    @rule(policy=st.binary(min_size=4, max_size=5))
    def event_policy(self, policy: bytes) -> None:
        self.all(lambda device: device.command(Opcode.SET_EVENT_INTERRUPT_POLICY, policy))

    @rule(first=st.integers(0, PAGES * 64 - 1), count=st.integers(0, 300))
    def poison_of_lines(self, first: int, count: int) -> None:
        payload = struct.pack("<QQ", first * 64, count)
        self.all(lambda device: device.command(Opcode.GET_POISON_LIST, payload))

    @rule(offset=st.integers(0, 0x3FFF).map(lambda word: 4 * word))
    def read_any_register(self, offset: int) -> None:
        """Also unmapped ones. Not those that count cycles or compressed bytes."""
        if Register.CYCLES_LOW <= offset <= Register.CYCLES_HIGH or offset in (
            Register.BLOCK_BYTES_LOW, Register.BLOCK_BYTES_HIGH,
        ) or 0x2000 <= offset < 0x3000:  # fmt: skip
            return
        self.all(lambda device: device.link.read_registers(offset))

    @rule(page=st.integers(PARAMETERS.perceived_pages, 2**20), write=st.booleans())
    def outside(self, page: int, write: bool) -> None:
        self.all(
            lambda device: device.link.write(page * PAGE_BYTES, bytes(64)) if write
            else device.link.read(page * PAGE_BYTES, 64)
        )  # fmt: skip

    @precondition(lambda self: self.rigs)
    @rule(operations=st.lists(accesses, min_size=2, max_size=8))
    def together(self, operations: list[Operation]) -> None:
        """Many at once, on the two ways to run the RTL: the same order, the same nanoseconds. From here on the model,
        which has times of its own, is left out."""
        cocotb, verilated = (rig.run_together(operations) for rig in self.rigs[:2])
        assert cocotb == verilated
        assert self.rigs[0].cycles == self.rigs[1].cycles
        self.alike = False
        _TOTALS["steps"] += 1

    def teardown(self) -> None:
        for rig in self.rigs:
            rig.close()


def _link(name: str, clock: VirtualClock | SimulatorClock, seed: int) -> Link:
    if isinstance(clock, SimulatorClock):
        return Simulation.link(clock)
    return VerilatedLink(clock, PARAMETERS, seed) if name == "verilated" else ModelLink(clock, PARAMETERS)


def _exported(block: Any) -> Any:
    return block_content(block) if isinstance(block, bytes) else block


def test_all_links_are_one_device() -> None:
    Links.TestCase.settings = SETTINGS
    Links.TestCase("runTest").runTest()
    print(", ".join(f"{count} {what}" for what, count in _TOTALS.items()))
    assert _TOTALS["compared with the model"] > _TOTALS["steps"] // 5, "too few steps were compared with the model"


def test_a_read_and_a_write_that_end_in_the_same_cycle_end_in_the_same_order() -> None:
    links = Links()
    links.start(0)
    links.access(store(0, 0))
    links.together([load_lines(2, 0, 7), store_lines(1, 0, 1, 0)])
    links.teardown()
