# SPDX-License-Identifier: MIT
"""Replay: what a trace says happens on the machine, and what comes back is compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from hw.link import PAGE_BYTES
from hw.links.model import ModelLink
from hw.virtual_time import VirtualClock
from sim.run.execute import run_in_process
from sim.run.metrics import Progress, Result
from sim.run.run import run
from sim.scenario.scenario import Scenario
from sim.trace.file import Event, Kind, Trace, TraceWriter
from tests.pages import program_pages
from tests.sim.scenes import HEADER, MAIN_DEVICE, write_scenario

PAGES = [page for page in dict.fromkeys(program_pages()) if any(page)]


def replay(folder: Path, events: list[Event], contents: list[bytes], **sections: Any) -> Result:
    """Replay events on the model; a content id is an index of `contents`."""
    writer = TraceWriter()
    for content in contents:
        writer.content(content)
    for event in events:
        writer.append(event)
    scenario = Scenario.load(write_scenario(folder, pages=2, **sections))
    return run_in_process(scenario, "model", writer.finish(HEADER), folder / "swapfile", "test", lambda _: None)


def small(folder: Path, **sections: Any) -> tuple[Scenario, Trace]:
    scenario = Scenario.load(write_scenario(folder, **sections))
    return scenario, Trace.load(Path(scenario.workload.trace))


def run_on(scenario: Scenario, trace: Trace, folder: Path, link: Callable[[VirtualClock], ModelLink]) -> Result:
    """Run on a model of the test's making."""
    clock = VirtualClock(scenario.workload.schedule)

    async def main() -> Result:
        return await run(
            link(clock), scenario, trace, folder / "swapfile", name="test", sim="model", report=lambda _: None
        )

    return clock.run(main())


class FlippingLink(ModelLink):
    """Flips one bit of one read of a whole page."""

    flip_at = 21
    reads = 0

    async def read(self, address: int, length: int) -> bytes:
        data = await super().read(address, length)
        self.reads += 1
        if self.reads != self.flip_at:
            return data
        assert length == PAGE_BYTES
        return bytes([data[0] ^ 1]) + data[1:]


class DamagingLink(ModelLink):
    """Damages the stored form of a device page as soon as there is one."""

    damaged = False

    async def read(self, address: int, length: int) -> bytes:
        if not self.damaged:
            self.damaged = self._damage(address // PAGE_BYTES)
        return await super().read(address, length)

    def _damage(self, page: int) -> bool:
        try:
            self.damage(page, 5, 0xFF)
        except KeyError:  # it is not stored yet, or takes no sector
            return False
        return True


def test_a_small_trace_goes_through_every_tier_and_comes_back(tmp_path: Path) -> None:
    scenario, trace = small(tmp_path)
    result = run_in_process(scenario, "model", trace, tmp_path / "swapfile", "small", lambda _: None)
    assert result.ok, result.problems
    assert result.events_done == len(trace.events)
    assert result.reads_verified == int((trace.events["kind"] == Kind.READ).sum())
    assert result.pages_verified == 60 + 59, "all of the child at its exit, all that the parent has left at the end"
    assert result.stores > 0 and result.loads > 0 and result.soft_faults > 0 and result.promotions > 0
    assert result.writebacks.cram_to_zswap > 0 and result.writebacks.cram_to_swapfile > 0


def test_the_devices_own_counts_agree_with_those_of_the_swap_system(tmp_path: Path) -> None:
    scenario, trace = small(tmp_path, cram={"media_bytes": 128 << 10})  # no store is refused
    result = run_in_process(scenario, "model", trace, tmp_path / "swapfile", "small", lambda _: None)
    assert result.kernel["cram_full"] == result.kernel["trim_fallbacks"] == 0
    assert result.stores == result.kernel["stores"] == result.device.counters["pages_closed"]
    assert result.loads == result.kernel["loads"]


def test_a_page_that_holds_something_else_than_the_trace_says_is_a_mismatch(tmp_path: Path) -> None:
    scenario, trace = small(tmp_path)
    clean = run_in_process(scenario, "model", trace, tmp_path / "swapfile", "small", lambda _: None)
    result = run_on(scenario, trace, tmp_path, lambda clock: FlippingLink(clock, scenario.cram.parameters()))
    assert clean.ok
    assert not result.ok
    assert result.finished
    assert result.mismatches > 0
    assert "byte 0 is" in result.problems[0]


def test_sectors_that_the_media_cannot_write_are_no_leak(tmp_path: Path) -> None:
    scenario, trace = small(tmp_path)

    def worn(clock: VirtualClock) -> ModelLink:
        link = ModelLink(clock, scenario.cram.parameters())
        link.fail_sectors(set(range(3, 100, 10)))
        return link

    result = run_on(scenario, trace, tmp_path, worn)
    assert result.ok, result.problems
    assert result.device.counters["sectors_retired"] == 10


def test_a_page_that_the_device_finds_damaged_is_lost_and_told_never_wrong(tmp_path: Path) -> None:
    scenario, trace = small(tmp_path)
    result = run_on(scenario, trace, tmp_path, lambda clock: DamagingLink(clock, scenario.cram.parameters()))
    assert not result.ok
    assert result.mismatches == 0
    assert result.lost_pages > 0
    assert "poison" in result.problems[0]
    assert result.device.counters["pages_poisoned"] == 1


def test_a_forked_space_keeps_what_it_inherited_while_its_parent_writes(tmp_path: Path) -> None:
    events = [
        Event(0, 0, Kind.WRITE, 0),
        Event(0, 1, Kind.FORK),
        Event(0, 0, Kind.WRITE, 1),
        Event(1, 0, Kind.READ, 0),
        Event(0, 0, Kind.READ, 1),
        Event(1, 0, Kind.EXIT),
    ]
    result = replay(tmp_path, events, [PAGES[1], PAGES[2]])
    assert result.ok, result.problems
    assert result.spaces == 2
    assert result.faults["copy_on_write"].count == 1


@pytest.mark.parametrize("verify_exits", [True, False])
def test_the_pages_of_a_space_are_read_back_before_it_exits_unless_told_otherwise(
    tmp_path: Path, verify_exits: bool
) -> None:
    events = [Event(0, page, Kind.WRITE, page) for page in range(5)] + [Event(0, 0, Kind.EXIT)]
    result = replay(tmp_path, events, PAGES[:5], workload={"verify_exits": verify_exits})
    assert result.ok, result.problems
    assert result.pages_verified == (5 if verify_exits else 0)


def test_an_unmapped_page_is_not_read_back_and_reads_as_zeros_when_written_anew(tmp_path: Path) -> None:
    events = [
        Event(0, 0, Kind.WRITE, 0),
        Event(0, 1, Kind.WRITE, 0),
        Event(0, 0, Kind.UNMAP),
        Event(0, 0, Kind.WRITE, 1),
        Event(0, 1, Kind.UNMAP),
    ]
    result = replay(tmp_path, events, [PAGES[1], PAGES[2]])
    assert result.ok, result.problems
    assert result.pages_verified == 1
    assert result.faults["first_touch"].count == 3


@pytest.mark.parametrize(("mode", "demoted", "faults"), [("node", 5, 8), ("swap", 0, 13)])
def test_a_page_that_the_kernel_took_out_is_taken_out(mode: str, demoted: int, faults: int, tmp_path: Path) -> None:
    """On a memory node it is demoted, and it is read there without a fault."""
    events = [Event(0, page, Kind.WRITE, page) for page in range(8)]
    events += [Event(0, page, Kind.PAGEOUT) for page in range(5)]
    events += [Event(0, page, Kind.READ, page) for page in range(8)]
    result = replay(tmp_path, events, PAGES[:9], cram={"mode": mode})
    assert result.ok, result.problems
    assert (result.kernel["pgdemote_proactive"], result.kernel["pgfault"]) == (demoted, faults)
    assert result.kernel["stores"] == 5


@pytest.mark.parametrize(("mode", "promoted", "faults"), [("node", 2, 8), ("swap", 1, 12)])
def test_a_page_that_the_kernel_brought_back_is_brought_back(
    mode: str, promoted: int, faults: int, tmp_path: Path
) -> None:
    """If it is mapped on the device then; what is in DRAM, and what is swapped out, stays where it is."""
    events = [Event(0, page, Kind.WRITE, page) for page in range(8)]
    events += [Event(0, page, Kind.PAGEOUT) for page in range(4)]
    events += [Event(0, 0, Kind.READ, 0), *(Event(0, page, Kind.PROMOTE) for page in (0, 1, 7))]
    events += [Event(0, page, Kind.READ, page) for page in range(8)]
    result = replay(tmp_path, events, PAGES[:9], cram={"mode": mode})
    assert result.ok, result.problems
    assert (result.kernel["promoted_hot"], result.kernel["pgfault"]) == (promoted, faults)


def test_faults_are_named_after_what_they_waited_for(tmp_path: Path) -> None:
    events = [Event(0, page, Kind.WRITE, page) for page in range(40)]
    events += [Event(0, page, Kind.READ, page) for page in range(10)]
    events += [Event(0, page, Kind.WRITE, page + 1) for page in range(10)]
    cram = {"perceived_pages": 256, "media_bytes": 1 << 20}
    result = replay(tmp_path, events, PAGES[:41], cram=cram)
    assert result.ok, result.problems
    assert result.faults["first_touch"].count == 40
    assert result.faults["soft_fault"].count >= 10
    assert result.faults["promotion"].count == 10
    assert result.faults["soft_fault"].p50_ns < result.faults["promotion"].p50_ns
    assert sum(latency.count for latency in result.faults.values()) == result.kernel["pgfault"]


def test_time_to_think_passes_between_events(tmp_path: Path) -> None:
    events = [Event(0, 0, Kind.WRITE, 0)] * 10
    quick = replay(tmp_path, events, [PAGES[1]])
    slow = replay(tmp_path, events, [PAGES[1]], workload={"think_ns": 1000})
    assert slow.simulated_ns == quick.simulated_ns + 10 * 1000


def test_a_workload_that_memory_cannot_hold_is_not_finished(tmp_path: Path) -> None:
    events = [Event(0, page, Kind.WRITE, page) for page in range(60)]
    result = replay(tmp_path, events, PAGES[:60], tiers={"order": ["swapfile"]}, swapfile={"pages": 8})
    assert not result.finished
    assert not result.ok
    assert result.events_done < 60
    assert "OutOfMemory" in result.problems[-1]


def test_progress_is_reported_up_to_the_end_of_each_phase(tmp_path: Path) -> None:
    scenario, trace = small(tmp_path)
    seen: list[Progress] = []
    run_in_process(scenario, "model", trace, tmp_path / "swapfile", "small", seen.append)
    for phase in ("replay", "verify"):
        steps = [progress for progress in seen if progress.phase == phase]
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert steps[-1].done == steps[-1].total


@pytest.mark.parametrize("sim", ["model", "verilated"])
def test_a_scenario_may_have_two_devices_two_swapfiles_and_zram(
    tmp_path: Path, sim: Literal["model", "verilated"]
) -> None:
    order = ["cram", "cram1", "zswap", "zram", "swapfile", "swapfile1"]
    path = write_scenario(
        tmp_path,
        tiers={"order": order, "cram_to_cram": True},
        zram={"pages": 8, "limit_pages": 2},
        cram=MAIN_DEVICE | {"hot_threshold": 2, "low_percent": 96, "recovered_percent": 97},
    )
    scenario = Scenario.load(path)
    trace = Trace.load(Path(scenario.workload.trace))
    result = run_in_process(scenario, sim, trace, tmp_path / "swapfile", "several", lambda _: None)
    assert result.ok, result.problems
    assert result.writebacks.cram_to_cram > 0 and (tmp_path / "swapfile1").exists()
