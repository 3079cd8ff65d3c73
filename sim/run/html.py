# SPDX-License-Identifier: MIT
"""The report: a run as a page to look at. The verdict comes first, then pictures, then the tables behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from sim.page import Bar, Facts, Flow, Lines, Mark, Notes, Page, Part, Section, Series, Table, render
from sim.run.flows import DRAM, flows
from sim.run.metrics import Result
from sim.run.report import ACCESSES, FAULTS, FORMS, OF_A_TIER, columns, figures, verdict
from sim.run.tails import tails
from sim.scenario.scenario import Scenario
from vswap.base.results import write_text


def write_html(
    result: Result, path: Path, scenario: Scenario, notes: Mapping[str, str], *, again: str | None = None
) -> None:
    """Write the report, one self-contained page.

    Args:
        scenario: what ran; all its settings are in the page.
        notes: what else to say of the run, name -> text.
        again: the command that runs it again and can write waves; None if there is none.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(path, render(page(result, scenario, notes, again)))


def page(result: Result, scenario: Scenario, notes: Mapping[str, str], again: str | None = None) -> Page:
    """The report of a run."""
    closed = sum(closing.to_ns - closing.from_ns for closing in result.closings)
    return Page(
        title=f"{result.scenario} on {result.sim}",
        good=result.ok,
        verdict=verdict(result),
        sections=[
            Section("Problems", [Notes(result.problems)] if result.problems else []),
            Section("At a glance", [Facts(list(_facts(result, closed)))]),
            Section("Where the pages were", list(_over_time(result))),
            Section("How long it took", list(_latencies(result, again))),
            Section("Where the pages went", list(_pages(result))),
            Section("Figures", list(_tables(result))),
            Section("The run", list(_run(result, scenario, notes))),
        ],
    )


def _facts(result: Result, closed: int) -> Iterable[tuple[str, str]]:
    yield f"{result.simulated_ns / 1e6:,.1f} ms", "simulated time"
    yield f"{result.kernel['pgfault']:,}", "page faults"
    yield f"{result.kernel['pgfault'] / result.simulated_ns * 1e9:,.0f}", "faults a second, simulated"
    yield f"{result.device.ratio:.2f}", "page bytes per media byte, at the end"
    yield f"{result.stores:,}", "pages stored on the device"
    yield f"{result.loads:,}", "pages loaded from it"
    if closed:
        yield (
            f"{100 * closed / result.simulated_ns:.1f} %",
            f"of the time closed, {result.kernel['node_closed']:,} times",
        )


# Pictures


def _over_time(result: Result) -> Iterable[Part]:
    samples = result.timeline
    if len(samples) < 2:
        return
    x = [sample.simulated_ns for sample in samples]
    bands = [(closing.from_ns, closing.to_ns) for closing in result.closings]
    marks = [] if result.replay_ns is None else [Mark(result.replay_ns, "verification")]
    plot = partial(Lines, x=x, bands=bands, marks=marks, steps=True, group="time")
    tiers = [name for name in samples[0].pages if any(sample.pages[name] for sample in samples)]
    closed = " Shaded: a node is closed to new pages." if bands else ""
    zoom = "Drag to zoom, double-click to see all again."
    if tiers:
        yield plot(
            "Pages",
            f"in use in DRAM and in each tier, over simulated time.{closed} {zoom}",
            series=[Series(name, [sample.pages[name] for sample in samples]) for name in tiers],
        )
    if any(sample.media_used_percent for sample in samples):
        yield plot(
            "Media",
            "of the device in use, percent of its sectors.",
            series=[Series("media in use", [sample.media_used_percent for sample in samples])],
            y_unit="percent",
            y_range=(0, 100),
        )
    if any(sample.ratio for sample in samples):
        yield plot(
            "Ratio",
            "of the bytes of the pages on the device to the bytes of media that they take.",
            series=[Series("ratio", [sample.ratio for sample in samples])],
            y_unit="number",
        )
    rates = [1e9 * (b.faults - a.faults) / (b.simulated_ns - a.simulated_ns or 1) for a, b in pairwise(samples)]
    if any(rates):
        yield plot(
            "Faults a second",
            "of simulated time, between one sample and the next.",
            series=[Series("faults a second", [*rates, None])],
        )


def _latencies(result: Result, again: str | None) -> Iterable[Part]:
    if result.faults:
        yield tails(
            "Faults",
            "by kind: the share of them (down) that took longer than so long (across). Both axes are logarithmic.",
            result.faults,
        )
    heads = ("kind", "count", "p50", "p90", "p99", "max", "meaning")
    rows = [
        (kind, *columns(latency), meanings.get(kind, OF_A_TIER))
        for meanings, latencies in ((FAULTS, result.faults), (ACCESSES, result.accesses))
        for kind, latency in latencies.items()
    ]
    yield Table(
        heads,
        rows,
        heads[1:-1],
        caption="Simulated nanoseconds that one access took, from the program's view, by what it had to wait for. "
        "p50, p90, p99: that share of the accesses took at most so long.",
    )
    slow = ("fault", "kind", "space", "page", "event", "at ns", "took ns")
    yield Table(
        slow,
        [
            (f"{f.number:,}", f.kind, str(f.space), str(f.page), "verification" if f.event is None else f"{f.event:,}",
             f"{f.from_ns:,}", f"{f.duration_ns:,}")
            for f in result.slowest
        ],
        slow,
        title="The slowest faults",
        closed=True,
        caption=f"The waves of a fault: {again} --waves fN:fN, where N is its number." if again else "",
    )  # fmt: skip


def _pages(result: Result) -> Iterable[Part]:
    promoted = result.promotions + result.kernel["promoted_hot"]
    moved = flows(result.stored, result.moves, result.loaded, promoted)
    order = [DRAM, *(result.timeline[0].pages if result.timeline else ())]

    def rank(name: str) -> int:
        return order.index(name) if name in order else len(order)

    if moved:
        yield Flow(
            "Moves",
            "of pages: out of DRAM, between tiers while the page tables stayed as they were, and back into DRAM.",
            sorted(((*way, count) for way, count in moved.items()), key=lambda link: (rank(link[0]), rank(link[1]))),
        )
    forms = [(form.name.lower(), result.device.counters[form.counter]) for form in FORMS]
    if any(count for _, count in forms):
        yield Bar("Forms", "in which the device stored pages.", [(name, count) for name, count in forms if count])


# Tables


def _tables(result: Result) -> Iterable[Part]:
    heads = ("", "what", "figure", "meaning")
    rows, before = [], ""
    for figure in figures(result):
        rows.append(("" if figure.group == before else figure.group, figure.name, figure.value, figure.meaning))
        before = figure.group
    yield Table(heads, rows, ("figure",), caption="Figures that are 0 are left out, here and below.")
    counters = {name: value for name, value in result.device.counters.items() if name != "cycles"}
    groups = {f"{group}: {name}": value for group, values in result.memcgs.items() for name, value in values.items()}
    for title, caption, values in (
        ("In use at the end", "Pages, when the last one had been verified; pool_total_size is in bytes.", result.tiers),
        ("The device's counters", "docs/device/registers.md.", counters),
        ("The swap system's counters", "Under the kernel's names; docs/vswap.md.", result.kernel),
        ("Memory control groups", "Under the kernel's names; docs/vswap/memcg.md.", groups),
    ):
        shown = [(name, f"{value:,}") for name, value in values.items() if value]
        if shown:
            yield Table(("name", "value"), shown, ("value",), title=title, caption=caption, closed=True)


def _run(result: Result, scenario: Scenario, notes: Mapping[str, str]) -> Iterable[Part]:
    yield Table(("", ""), [("seed", str(result.seed)), *notes.items()])
    settings = _settings(scenario.model_dump())
    yield Table(("setting", "value"), list(settings), title="All settings", closed=True,
                caption="`vcram scenarios --keys` says what each means.")  # fmt: skip


def _settings(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Every setting, also those that were left at their defaults: its full name and its value."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
