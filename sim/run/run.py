# SPDX-License-Identifier: MIT
"""Run: one scenario from a link to a result, the same for every link."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from driver import CramError
from hw.engines import EngineLink, EngineListener
from hw.link import Link, LinkError
from sim.run.machine import Machine
from sim.run.metrics import DeviceFigures, FaultRecord, Latency, Progress, Result, View, pages
from sim.run.perfetto import write_trace
from sim.run.spans import Recorder, WatchedLink, WatchedSystem
from sim.run.tally import Tally
from sim.run.timeline import Timeline
from sim.run.workload import Replay
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace
from vswap import VswapError, VswapSystem
from vswap.base.counters import Writebacks
from vswap.contract import AbiError
from vswap.state.memcg_stat import figures
from vswap.tiers.swapfile import SwapfileError

Report = Callable[[Progress], None]
_LOOK_EVERY = 16  # cycles, where only the engines' loads are wanted
_RANK_EVERY = 0.02  # more faults, before their percentile is looked for again


class RunError(Exception):
    """A run came to no result; one line that says why."""


async def run(
    link: Link,
    scenario: Scenario,
    trace: Trace,
    swapfile: Path,
    *,
    name: str,
    sim: str,
    report: Report,
    beside: Sequence[Trace] = (),
    more: Mapping[str, Link] | None = None,
    timeline: Path | None = None,
    on_fault: Callable[[FaultRecord], None] | None = None,
    engines: Mapping[str, EngineLink] | None = None,
) -> Result:
    """Replay the scenario's trace on a machine around `link`, verify every page, take the machine down.

    Args:
        link: a link to a device as the scenario asks for, out of reset. It stays open.
        trace: the scenario's trace.
        swapfile: the file to swap to.
        name, sim: for the result: the scenario's name, and what runs the device.
        report: called with the progress.
        beside: more traces of the scenario.
        more: links to the devices of further CRAM nodes, by name; the result's device is that of `link`.
        timeline: where to write a Perfetto trace of the run; None for nowhere.
        on_fault: told of each fault at its end; None for nobody.
        engines: those of the links, by node, that are to tell when their engines are busy.

    Raises:
        RunError: the swapfile cannot be used, the device is gone, or a tier that is a shared object has broken a rule
            of its ABI. Everything else is in the result's `problems`.
        OSError: the timeline cannot be written.
    """
    recorder = Recorder() if timeline is not None else None
    system_kind: Callable[..., VswapSystem] = VswapSystem
    links: dict[str, Link] = {"cram": link, **(more or {})}
    if recorder is not None:
        links = {node: WatchedLink(to, recorder, node) for node, to in links.items()}
        system_kind = partial(WatchedSystem, recorder)
    link = links.pop("cram")
    for node, source in (engines or {}).items():
        if recorder is None:
            source.watch_engines(None, _LOOK_EVERY)
        else:
            source.watch_engines(_engine_listener(node, recorder))
    first = (engines or {}).get("cram")
    try:
        machine = await Machine.assemble(link, scenario, swapfile, links, system_kind)
    except (SwapfileError, CramError, LinkError) as error:
        raise RunError(str(error)) from error
    over_time = Timeline(machine)

    async def sample() -> int:
        await over_time.sample()
        return over_time.due

    rank = _Rank()

    def observe(progress: Progress) -> None:
        p99_ns = rank.p99_ns(tally, progress.faults, exactly=progress.done == progress.total)
        report(progress.model_copy(update={"view": _view(machine, over_time, p99_ns, first)}))

    recorded = recorder.fault if recorder is not None else None
    replay = Replay(
        machine.system,
        link.clock,
        [trace, *beside],
        scenario.workload,
        memcgs=machine.memcgs,
        observe=observe,
        sample=sample,
        on_fault=_all_of([one for one in (on_fault, recorded) if one is not None]),
    )
    tally, total = replay.tally, replay.total
    problems: list[str] = []
    replay_ns: int | None = None
    try:
        try:
            await replay.events()
            replay_ns = link.clock.now
            await replay.verify()
        except VswapError as error:
            problems.append(f"stopped at event {tally.done} of {total}: {type(error).__name__}: {error}")
        await over_time.sample()
        figures = await _figures(machine, tally) | {"closings": over_time.closings, "margin": over_time.margin}
        if not problems:
            problems += await machine.settle()
        problems += await machine.close()
    except (CramError, LinkError) as error:
        raise RunError(f"stopped at event {tally.done} of {total}: {error}") from error
    except AbiError as error:  # what it does from here on means nothing
        faults = machine.system.counters.pgfault
        raise RunError(f"stopped at event {tally.done} of {total}, after {faults} faults: {error}") from error
    finally:
        machine.give_up()
    if recorder is not None and timeline is not None:
        write_trace(timeline, recorder.spans, over_time.samples, figures["closings"])
    return Result(
        scenario=name,
        sim=sim,
        seed=scenario.workload.seed,
        settings=scenario.settings(),
        events=total,
        problems=tally.findings + problems,
        replay_ns=replay_ns,
        timeline=over_time.samples,
        **figures,
    )


def _engine_listener(node: str, recorder: Recorder) -> EngineListener:
    """Hears when a node's engines are busy, for the timeline."""
    return lambda engine, start, end: recorder.add(f"{node} engine: {engine}", "busy", start, end)


class _Rank:
    """The p99 of all faults, which takes as long as some events: it is kept until there are some more of them."""

    def __init__(self) -> None:
        self._count = 0
        self._p99_ns: int | None = None

    def p99_ns(self, tally: Tally, count: int, *, exactly: bool) -> int | None:
        """Of `count` faults; None without any."""
        if count and (exactly or count >= self._count * (1 + _RANK_EVERY)):
            self._count = count
            self._p99_ns = Latency.of(sum(tally.faults.values(), Counter())).p99_ns
        return self._p99_ns


def _view(machine: Machine, over_time: Timeline, p99_ns: int | None, first: EngineLink | None) -> View | None:
    """What a live view shows, by what is known already; None before the first sample."""
    if not over_time.samples:
        return None
    last = over_time.samples[-1]
    return View(
        simulated_ns=machine.link.clock.now,
        pages=last.pages,
        media_used_percent=last.media_used_percent,
        closed={name: (over_time.closed_times[name], node.closed) for name, node in machine.nodes()},
        cycles=machine.link.cycles,
        engines=first.engines_busy() if first is not None else {},
        p99_ns=p99_ns,
    )


def _all_of(listeners: Sequence[Callable[[FaultRecord], None]]) -> Callable[[FaultRecord], None] | None:
    """One listener for all; None for none, which costs nothing."""
    if not listeners:
        return None

    def tell(fault: FaultRecord) -> None:
        for listener in listeners:
            listener(fault)

    return tell


async def _figures(machine: Machine, tally: Tally) -> dict[str, Any]:
    """Everything a result counts, at this moment."""
    system, device = machine.system, machine.device
    simulated_ns, cycles = machine.link.clock.now, machine.link.cycles
    tiers = system.gauges()
    kernel = system.counters.snapshot()
    view = DeviceFigures.of(
        device.geometry, await device.capacity(), await device.counters(), await device.lost_events()
    )
    return {
        "finished": tally.finished,
        "events_done": tally.done,
        "spaces": len(system.spaces),
        "stores": pages(view.counters["lines_written"]),
        "loads": pages(view.counters["lines_read"]),
        "soft_faults": kernel["soft_faults"],
        "promotions": kernel["promotions"],
        "mismatches": tally.mismatches,
        "mismatch_ns": tally.mismatch_ns,
        "reads_verified": tally.reads_verified,
        "pages_verified": tally.pages_verified,
        "lost_accesses": tally.lost_accesses,
        "lost_pages": len(tally.lost),
        "cycles": cycles,
        "simulated_ns": simulated_ns,
        "writebacks": Writebacks(**kernel.pop("writebacks")),
        "stored": dict(sorted(system.counters.stored.items())),
        "moves": dict(sorted(system.counters.moves.items())),
        "loaded": dict(sorted(system.counters.loaded.items())),
        "faults": {kind: Latency.of(times) for kind, times in sorted(tally.faults.items())},
        "accesses": {kind: Latency.of(times) for kind, times in sorted(tally.accesses.items())},
        "slowest": tally.slowest,
        "tiers": tiers,
        "device": view,
        "kernel": kernel,
        "memcgs": {group.name: figures(system.machine, group) for group in list(system.machine.memory.memcgs)[1:]},
    }
