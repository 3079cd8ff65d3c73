# SPDX-License-Identifier: MIT
"""The verilated link: when its transfers start and end in virtual time, and that devices do not disturb each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.clock import Task
from hw.codes import Interrupt, Opcode
from hw.link import LINE_BYTES, PAGE_BYTES, BusError, LinkError, Response
from hw.links.verilated import TIMEOUT_NS, VerilatedLink
from hw.parameters import DeviceParameters
from hw.registers import Register
from hw.verilated.library import compiled, load
from hw.virtual_time import Deadlock, VirtualClock
from sim.bench.library import bare, linked
from sim.scenario.scenario import Scenario, find
from tests.driver.conftest import PARAMETERS
from tests.marks import VERIFY
from tests.pages import noise_page, program_pages

OTHER_PARAMETERS = Scenario.load(find("main")).cram.parameters()  # whose library is compiled anyway
ENOUGH = 10_000  # ns: the device has long been ready, or has closed every page


class TB:
    """A device that is ready and idle, and its clock."""

    def __init__(self, seed: int | None = None, timeout_ns: int = TIMEOUT_NS) -> None:
        self.clock = VirtualClock(seed)
        self.link = VerilatedLink(self.clock, PARAMETERS, timeout_ns=timeout_ns)
        self.clock.run_until(self.clock.sleep(ENOUGH))

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        return self.clock.run(main)

    async def took(self, transfer: Coroutine[Any, Any, Any]) -> int:
        """How long `transfer` takes, ns."""
        start = self.clock.now
        await transfer
        return self.clock.now - start


def page(number: int) -> int:
    return number * PAGE_BYTES


# Time


def test_a_transfer_takes_as_many_ns_as_the_device_runs_cycles() -> None:
    tb = TB()

    async def main() -> None:
        cycles = tb.link.cycles
        took = await tb.took(tb.link.write(page(0), noise_page(1)))
        assert took == tb.link.cycles - cycles > PAGE_BYTES // LINE_BYTES

    tb.run(main())


def test_the_link_needs_exactly_the_cycles_of_a_loop_in_c() -> None:
    pages = [noise_page(1), *program_pages()[40:48]]
    link = linked(pages, 2, PARAMETERS)
    assert link.cycles == bare(pages, 2, PARAMETERS).cycles > len(pages) * PAGE_BYTES // LINE_BYTES


def test_the_latency_of_the_media_is_a_dial_that_gives_the_cycles_of_a_device_compiled_with_it() -> None:
    pages = [noise_page(1), *program_pages()[40:48]]
    quick = linked(pages, 2, PARAMETERS, media_latency=0)
    assert quick.cycles == bare(pages, 2, PARAMETERS, media_latency=0).cycles
    assert quick.cycles < linked(pages, 2, PARAMETERS).cycles < linked(pages, 2, PARAMETERS, media_latency=400).cycles


def test_an_idle_device_runs_no_cycles_while_time_passes() -> None:
    tb = TB()

    async def main() -> None:
        cycles = tb.link.cycles
        await tb.clock.sleep(1_000_000_000)
        assert tb.link.cycles == cycles > 0

    tb.run(main())


@given(steps=st.lists(st.integers(1, 300), max_size=20), seed=st.none() | st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_other_sleepers_change_neither_times_nor_cycles(steps: list[int], seed: int | None) -> None:
    """However often the device is stopped for the wake-up of a task, it ends at the same time with the same answer."""

    async def sleeper(tb: TB) -> None:
        for step in steps:
            before = tb.clock.now
            await tb.clock.sleep(step)
            assert tb.clock.now == before + step

    async def main(tb: TB, disturbed: bool) -> tuple[int, int, bytes]:
        start = tb.clock.now
        if disturbed:
            tb.clock.spawn(sleeper(tb))
        await tb.link.write(page(1), program_pages()[40])
        for other in range(2, 8):  # out of the page cache
            await tb.link.write(page(other), program_pages()[40 + other])
        content = await tb.link.read(page(1), PAGE_BYTES)
        return tb.clock.now - start, tb.link.cycles, content

    quiet, disturbed = TB(seed), TB(seed)
    alone = quiet.run(main(quiet, False))
    assert disturbed.run(main(disturbed, True)) == alone
    assert alone[2] == program_pages()[40]


def test_channels_run_side_by_side_and_each_in_the_order_of_the_calls() -> None:
    tb = TB()
    ends: list[str] = []

    async def ended(name: str, transfer: Coroutine[Any, Any, Any]) -> None:
        await transfer
        ends.append(name)

    async def main() -> None:
        tasks: list[Task[None]] = [
            tb.clock.spawn(ended("first", tb.link.write(page(0), noise_page(1)))),
            tb.clock.spawn(ended("second", tb.link.write(page(0), noise_page(2)))),
            tb.clock.spawn(ended("register", tb.link.read_registers(Register.STATUS))),
        ]
        for task in tasks:
            await task
        assert ends == ["register", "first", "second"]
        assert await tb.link.read(page(0), PAGE_BYTES) == noise_page(2)

    tb.run(main())


# Interrupts


def test_an_interrupt_wakes_its_waiter_in_the_cycle_in_which_the_line_rises() -> None:
    mask = Interrupt.MAILBOX.mask

    async def polled(tb: TB) -> None:
        while not tb.link.interrupts() & mask:
            await tb.clock.sleep(1)

    async def waited(tb: TB) -> None:
        assert await tb.link.wait_interrupt(mask) == mask

    async def risen(tb: TB, notice: Callable[[TB], Coroutine[Any, Any, None]]) -> int:
        await tb.link.write_registers(Register.INTERRUPT_ENABLE, [mask])
        await tb.link.write_registers(Register.MAILBOX_COMMAND_LOW, [Opcode.IDENTIFY, 0])
        assert tb.link.interrupts() == 0
        start = tb.clock.now
        tb.clock.spawn(tb.link.write_registers(Register.MAILBOX_CONTROL, [1]))
        await notice(tb)
        return tb.clock.now - start

    one, other = TB(), TB()
    assert one.run(risen(one, waited)) == other.run(risen(other, polled)) > 0


def test_waiting_for_an_interrupt_that_never_comes_is_a_deadlock_and_costs_no_cycles() -> None:
    tb = TB()
    cycles = tb.link.cycles
    with pytest.raises(Deadlock):
        tb.run(tb.link.wait_interrupt(0xFFFF))
    assert tb.link.cycles == cycles


# Devices


def test_two_devices_on_one_clock_run_in_lockstep() -> None:
    tb = TB()
    one, two = tb.link, VerilatedLink(tb.clock, OTHER_PARAMETERS)

    async def main() -> None:
        await tb.clock.sleep(ENOUGH)
        first = await tb.took(one.write(page(0), noise_page(1)))
        second = await tb.took(two.write(page(0), noise_page(2)))
        await tb.clock.sleep(ENOUGH)
        together = [tb.clock.spawn(tb.took(one.write(page(1), noise_page(3)))),
                    tb.clock.spawn(tb.took(two.write(page(1), noise_page(4))))]  # fmt: skip
        assert [await task for task in together] == [first, second]
        assert await one.read(page(1), PAGE_BYTES) == noise_page(3)
        assert await two.read(page(1), PAGE_BYTES) == noise_page(4)

    tb.run(main())


def test_one_library_serves_all_devices_of_its_parameters_and_is_compiled_once() -> None:
    before = compiled(PARAMETERS).stat().st_mtime_ns
    assert load(PARAMETERS) is load(DeviceParameters(**vars(PARAMETERS)))
    assert load(PARAMETERS) is not load(OTHER_PARAMETERS)
    assert compiled(PARAMETERS).stat().st_mtime_ns == before


# Reset, errors, the end


def test_a_reset_ends_a_transfer_with_slverr_and_the_device_works_again() -> None:
    tb = TB()

    async def main() -> None:
        write = tb.clock.spawn(tb.link.write(page(0), noise_page(1)))
        await tb.clock.sleep(20)
        await tb.link.reset()
        with pytest.raises(BusError) as error:
            await write
        assert error.value.response is Response.SLVERR
        await tb.clock.sleep(ENOUGH)
        assert await tb.link.read(page(0), PAGE_BYTES) == bytes(PAGE_BYTES)

    tb.run(main())


def test_a_cancelled_transfer_stays_on_the_bus_and_the_next_waits_for_its_end() -> None:
    tb = TB()

    async def main() -> None:
        cancelled = tb.clock.spawn(tb.link.write(page(0), noise_page(1)))
        await tb.clock.sleep(5)
        cancelled.cancel()
        await tb.link.write(page(1), noise_page(2))
        assert await tb.link.read(page(0), PAGE_BYTES) == noise_page(1)
        assert await tb.link.read(page(1), PAGE_BYTES) == noise_page(2)

    tb.run(main())


def test_a_device_that_does_not_answer_in_time_is_a_link_error_and_the_transfer_still_ends() -> None:
    tb = TB(timeout_ns=50)

    async def main() -> None:
        with pytest.raises(LinkError, match="write: no answer within 50 ns"):
            await tb.link.write(page(0), noise_page(1))  # 64 beats take longer
        await tb.clock.sleep(ENOUGH)
        await tb.link.write(page(0), noise_page(1)[:LINE_BYTES])
        lines = [await tb.link.read(page(0) + i, LINE_BYTES) for i in range(0, PAGE_BYTES, LINE_BYTES)]
        assert b"".join(lines) == noise_page(1)

    tb.run(main())


def test_after_the_close_every_access_raises_link_error_even_one_under_way() -> None:
    tb = TB()

    async def main() -> None:
        read = tb.clock.spawn(tb.link.read(page(0), PAGE_BYTES))
        waiter = tb.clock.spawn(tb.link.wait_interrupt(1))
        await tb.clock.sleep(3)
        cycles = tb.link.cycles
        await tb.link.close()
        await tb.link.close()
        for access in (read, waiter, tb.link.write(page(0), noise_page(1)), tb.link.read_registers(0), tb.link.reset()):
            with pytest.raises(LinkError):
                await access
        assert tb.link.cycles == cycles

    tb.run(main())


@pytest.mark.parametrize(("address", "length"), [(0, 0), (1, 64), (0, 65), (4032, 128), (-64, 64)])
def test_what_is_not_whole_lines_inside_a_page_is_refused(address: int, length: int) -> None:
    tb = TB()
    with pytest.raises(ValueError, match="whole lines inside one page"):
        tb.run(tb.link.read(address, length))
    with pytest.raises(ValueError, match="whole lines inside one page"):
        tb.run(tb.link.write(address, bytes(length)))


# State and waves


def test_a_saved_device_goes_on_from_where_it_was_also_as_another_one() -> None:
    pages = [noise_page(1), *program_pages()[:3]]
    tb = TB()

    async def fill() -> bytes:
        for number, data in enumerate(pages):
            await tb.link.write(page(number), data)
        return tb.link.save()  # a close is under way, a transfer is not

    state = tb.clock.run_until(fill())
    cycles = tb.link.cycles

    async def go_on(link: VerilatedLink) -> tuple[list[bytes], int]:
        found = [await link.read(page(number), PAGE_BYTES) for number in range(len(pages))]
        await link.write(page(0), bytes(PAGE_BYTES))
        return found, link.cycles

    first = tb.clock.run_until(go_on(tb.link))
    assert first[0] == pages
    other = VerilatedLink(tb.clock, PARAMETERS, seed=99)
    for link in (tb.link, other):
        link.restore(state)
        assert link.cycles == cycles
        assert tb.clock.run_until(go_on(link)) == first


def test_a_state_is_refused_where_it_does_not_fit() -> None:
    tb = TB()
    state = tb.link.save()
    with pytest.raises(ValueError, match="not a state of this build"):
        tb.link.restore(state[:-1])
    with pytest.raises(ValueError, match="not a state of this build"):
        VerilatedLink(tb.clock, OTHER_PARAMETERS).restore(state)

    async def main() -> None:
        transfer = tb.clock.spawn(tb.link.read(page(0), PAGE_BYTES))
        await tb.clock.sleep(1)
        with pytest.raises(LinkError, match="under way"):
            tb.link.save()
        await transfer
        tb.link.save()

    tb.run(main())


@VERIFY
def test_waves_are_written_between_start_and_stop(tmp_path: Path) -> None:
    clock = VirtualClock()
    link = VerilatedLink(clock, PARAMETERS, waves=True)
    file = tmp_path / "waves.vcd"

    async def main() -> int:
        await clock.sleep(ENOUGH)
        link.start_waves(file)
        await link.write(page(3), noise_page(1))
        link.stop_waves()
        size = file.stat().st_size
        await link.write(page(4), noise_page(2))
        return size

    size = clock.run(main())
    text = file.read_text()
    assert len(text) == size, "nothing is written after the stop"
    assert "u_compressor" in text and re.search(r"^#\d+500$", text, re.MULTILINE)


def test_without_waves_a_link_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="waves=True"):
        TB().link.start_waves(tmp_path / "waves.vcd")


# Reset


def test_what_registers_without_a_reset_hold_at_first_changes_no_cycle() -> None:
    """One that was left out once kept the closer's clock running in every other device."""

    def cycles(seed: int) -> list[int]:
        clock = VirtualClock()
        link = VerilatedLink(clock, PARAMETERS, seed)

        async def main() -> list[int]:
            seen = []
            for number, data in enumerate([bytes(PAGE_BYTES), noise_page(1), *program_pages()[:2]]):
                await link.write(page(number), data)
                await clock.sleep(ENOUGH)
                seen.append(link.cycles)
            return seen

        return clock.run(main())

    assert len({tuple(cycles(seed)) for seed in range(8)}) == 1
