# SPDX-License-Identifier: MIT
"""`bear`: how large the writable budget may be before the device runs out, when contents stop to compress half-way."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from random import Random
from statistics import median, median_low
from typing import Any

from hw.parameters import MEDIA_LATENCY, DeviceParameters
from sim.experiment.bootstrap import interval
from sim.experiment.experiment import Experiment, Figures, Rows, Summary, Values, Verdict, total, values_of, where
from sim.experiment.room import Room, on_machine, recorded_pages, take, traces
from sim.page import Lines, Part, Series
from sim.run.collapse import Collapse
from vswap import AddressSpace, Costs, SigBus

PAGES, STORES, DRAM = 192, 512, 64
RATIO = 3
SPARE = 1.25
"""Media for the pages at the RATIO, and so much of it."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "usual": {},
    "one writer": {"writers": 1},
    "ten times slower stores": {"rest_ns": 50_000},
    "low watermark at 30 %": {"low": 30},
    "no new pages below 8 %": {"critical": 8},
    "ten times slower swapfile": {"disk": 10},
    "ten times slower media": {"media": 10},
    "memory node": {"mode": "node"},
    "contents stay compressible": {"collapse": False},
}
USUAL: Mapping[str, Any] = {
    "writers": 4, "rest_ns": 5_000, "low": 10, "critical": 0, "disk": 1, "media": 1, "mode": "swap", "collapse": True,
}  # fmt: skip


def grid(full: bool) -> list[Values]:
    """See Experiment."""
    schedules, budgets = ((1, 2), (0, 32, 64, 96, 128, PAGES)) if full else ((1,), (0, 64, 128, PAGES))
    return [
        {"setting": setting, "program": program, "schedule": schedule, "budget": budget}
        for setting, program, schedule, budget in product(SETTINGS, traces(), schedules, budgets)
    ]


def measure(values: Values) -> Figures:
    """See Experiment."""
    setting = {**USUAL, **SETTINGS[values["setting"]]}
    media = round(SPARE * PAGES * 4096 / RATIO) // 256 * 256

    async def body(room: Room) -> Figures:
        return await _Bear(room, values["program"], values["schedule"], setting).run()

    usual = Costs()
    costs = Costs(
        **{
            name: setting["disk"] * getattr(usual, name)
            for name in ("swapfile_read", "swapfile_write", "swapfile_transfer")
        }
    )
    return on_machine(
        body, parameters=DeviceParameters(perceived_pages=512, media_bytes=media), seed=values["schedule"], start=True,
        media_latency=setting["media"] * MEDIA_LATENCY, memory_pages=DRAM, order=("cram", "swapfile"),
        swapfile_pages=4 * PAGES, writable_budget=values["budget"], cram_low_percent=setting["low"],
        cram_recovered_percent=setting["low"] + 10, cram_critical_percent=setting["critical"],
        cram_mode=setting["mode"], costs=costs,
    )  # fmt: skip


class _Bear:
    """Writers that store into their pages all the time; half-way the contents stop to compress."""

    def __init__(self, room: Room, program: str, schedule: int, setting: Mapping[str, Any]) -> None:
        self._room = room
        self._random = Random(schedule)
        self._pages = recorded_pages(program)
        self._setting = setting
        self._collapse = Collapse(STORES // 2 if setting["collapse"] else None, self._random)
        self._done = self._lost = 0
        self._lowest: int | None = None
        self._held: dict[tuple[str, int], bytes] = {}
        self._took: list[int] = []

    async def run(self) -> Figures:
        system, clock = self._room.system, self._room.clock
        writers = self._setting["writers"]
        spaces = [system.create_space(f"writer {number}") for number in range(writers)]
        for vpn, data in enumerate(take(self._pages, PAGES)):
            space = spaces[vpn % writers]
            await space.write(vpn, data)
            self._held[space.name, vpn] = data
            await space.pageout(vpn)
        for task in [clock.spawn(self._write(space), space.name) for space in spaces]:
            await task
        lost = sum([await self._is_lost(space, vpn) for space in spaces for vpn in sorted(space.table)])
        counters, took = system.counters, sorted(self._took)
        return {
            "stores": self._done, "promotions": counters.promotions, "made_writable": counters.made_writable,
            "stores_in_place": counters.inplace_stores, "written_back": counters.writebacks.cram_to_swapfile,
            "stores_lost": self._lost, "pages_lost": lost, "lowest_free_sectors": self._lowest,
            "p50_ns": took[len(took) // 2], "p99_ns": took[len(took) * 99 // 100], "longest_ns": took[-1],
        }  # fmt: skip

    async def _write(self, space: AddressSpace) -> None:
        vpns = sorted(space.table)
        while self._done < STORES:
            self._done += 1
            await self._room.clock.sleep(self._setting["rest_ns"])
            vpn = self._random.choice(vpns)
            late = self._collapse.reached(self._done - 1)
            data = self._collapse.page() if late else self._random.choice(self._pages)
            started = self._room.clock.now
            try:
                await space.write(vpn, data)
                self._held[space.name, vpn] = data
            except SigBus:
                self._lost += 1
            self._took.append(self._room.clock.now - started)
            if self._done % 8 == 0:
                free = await self._room.device.free_sectors()
                self._lowest = free if self._lowest is None else min(free, self._lowest)

    async def _is_lost(self, space: AddressSpace, vpn: int) -> bool:
        """The page does not read as it was stored last, stores that were refused not counted."""
        try:
            return await space.read(vpn) != self._held[space.name, vpn]
        except SigBus:
            return True


def conclude(table: Rows) -> Verdict:
    """See Experiment."""
    none, others = where(table, budget=0), [row for row in table if row["budget"]]
    lost_at_none = total(none, "stores_lost") + total(none, "pages_lost")
    begins = {setting: _begins(table, setting) for setting in SETTINGS}
    most = max(values_of(table, "budget"))
    intervals = {setting: _interval(found, most) for setting, found in begins.items()}
    findings = {
        "budget 0": "nothing is lost" if not lost_at_none else "something is lost",
        "pages that were stored before": "never lost" if not total(table, "pages_lost") else "lost",
        **{f"half of the runs lose, {setting}": _words(found) for setting, found in begins.items()},
    }
    usual, stay = begins["usual"], where(table, setting="contents stay compressible")
    worst = where(table, setting="usual", budget=most)
    count = len(values_of(table, "program"))
    sentences = (
        f"With a budget of 0 nothing was lost in {len(none)} runs of {total(none, 'stores'):,.0f} stores, so by the "
        "rule "
        f"of three less than {3 / len(none):.1%} of such runs lose something (95 %); and none can: no PTE into the "
        "device "
        "is writable, every store goes to DRAM, and a swap-out that the device refuses leaves its page where it was."
        if not lost_at_none
        else f"With a budget of 0 {lost_at_none:,.0f} stores or pages were lost in {len(none)} runs.",
        f"When contents go from compressible to not in the middle, stores are lost from a budget of "
        f"{_said(usual, most)} pages on in the median over {count} programs and their schedules "
        f"({intervals['usual']}); a program has {PAGES} pages, the media {SPARE:g} times their room at {RATIO}:1; "
        "otherwise: "
        f"{_grouped(begins, most)}.",
        f"What is lost are stores that the device refuses ({total(others, 'stores_lost'):,.0f} of "
        f"{total(others, 'stores'):,.0f} over the grid, and {total(others, 'pages_lost'):,.0f} pages that had been "
        "stored), "
        f"{total(worst, 'stores_lost') / total(worst, 'stores'):.1%} of them at a budget of {most}; the p99 of a "
        "store "
        f"is {_median(worst, 'p99_ns'):,.0f} ns there and "
        f"{_median(where(none, setting='usual'), 'p99_ns'):,.0f} ns at a budget of 0, where "
        f"{_median(where(none, setting='usual'), 'promotions'):,.0f} of {STORES} stores promote a page.",
    )
    limits = (
        f"Programs are contents: pages of {count} recorded programs; which page is stored to is drawn at random. The "
        "interval is a bootstrap over programs with their schedules nested.",
        f"Budgets between those of the grid ({', '.join(map(str, values_of(table, 'budget')))}) were not run: loss "
        "begins at that budget or between the one before and it.",
        "A device page of this model takes its raw sectors while it is open, and refuses what it has no sectors for: "
        "of a device that accepts such stores and poisons the page, more is lost.",
        f"{len(stay)} runs without a collapse say nothing of contents that get worse slowly. Each other setting is "
        "varied alone; two together were not run.",
    )
    return Verdict(findings, sentences, limits, 1, [_summary(table, intervals, most), _by_budget(table)])


Begins = Mapping[str, list[float]]
"""Program -> the smallest budget at which each schedule loses something; infinite where none of the grid does."""


def _begins(table: Rows, setting: str) -> Begins:
    found: dict[str, list[float]] = {}
    for program, schedule in product(values_of(table, "program"), values_of(table, "schedule")):
        rows = where(table, setting=setting, program=program, schedule=schedule)
        losing = [row["budget"] for row in rows if row["stores_lost"] or row["pages_lost"]]
        found.setdefault(program, []).append(min(losing, default=float("inf")))
    return found


def _middle(found: Begins) -> float:
    return median_low(budget for budgets in found.values() for budget in budgets)


def _words(found: Begins) -> str:
    return "at no budget of the grid" if _middle(found) == float("inf") else "within the grid"


def _said(found: Begins, most: int) -> str:
    return _budget(_middle(found), most)


def _grouped(begins: Mapping[str, Begins], most: int) -> str:
    """The settings beside the usual one, by the budget from which on they lose."""
    budgets: dict[float, list[str]] = {}
    for name, found in begins.items():
        if name != "usual":
            budgets.setdefault(_middle(found), []).append(name)
    return "; ".join(f"{_budget(budget, most)} with {', '.join(budgets[budget])}" for budget in sorted(budgets))


def _budget(budget: float, most: int) -> str:
    return f"more than {most}" if budget == float("inf") else f"{budget:g}"


def _interval(found: Begins, most: int) -> str:
    low, high = interval(found)
    return f"95 %: {_budget(low, most)} to {_budget(high, most)}"


def _median(rows: Rows, name: str) -> float:
    return float(median(row[name] for row in rows))


def _summary(table: Rows, intervals: Mapping[str, str], most: int) -> Summary:
    rows = []
    for setting in SETTINGS:
        found = [row for row in where(table, setting=setting) if row["budget"]]
        rows.append((
            setting, _said(_begins(table, setting), most), intervals[setting], f"{total(found, 'stores_lost'):,.0f}",
            f"{total(found, 'pages_lost'):,.0f}", f"{min(row['lowest_free_sectors'] for row in found):,}",
            f"{_median(found, 'written_back'):,.0f}",
        ))  # fmt: skip
    heads = (
        "setting", "loss begins at a budget of", "interval", "stores lost", "pages lost", "fewest free sectors",
        "written back, median",
    )  # fmt: skip
    return Summary("Budgets above 0, all programs and schedules", heads, rows)


def _by_budget(table: Rows) -> Summary:
    rows = []
    for budget in values_of(table, "budget"):
        found = where(table, setting="usual", budget=budget)
        rows.append((
            f"{budget}", f"{sum(row['stores_lost'] > 0 for row in found)} of {len(found)}",
            *(f"{_median(found, name):,.0f}" for name in (
                "stores_lost", "promotions", "stores_in_place", "lowest_free_sectors", "p50_ns", "p99_ns", "longest_ns",
            )),
        ))  # fmt: skip
    heads = (
        "budget", "runs that lose", "stores lost", "promotions", "stores in place", "fewest free sectors", "p50 ns",
        "p99 ns", "longest ns",
    )  # fmt: skip
    return Summary(f"The usual setting: medians over the runs, {STORES} stores each", heads, rows)


def plots(table: Rows) -> list[Part]:
    """See Experiment."""
    budgets = values_of(table, "budget")
    return [
        Lines(
            "Stores lost",
            "of all stores, percent, by the writable budget.",
            x=budgets,
            x_unit="count",
            y_unit="percent",
            series=[
                Series(
                    setting,
                    [
                        100 * total(found, "stores_lost") / total(found, "stores")
                        for budget in budgets
                        for found in [where(table, setting=setting, budget=budget)]
                    ],
                )
                for setting in SETTINGS
            ],
        )
    ]


BEAR = Experiment(
    name="bear",
    question="How large may the writable budget be, for which workload and which watermarks, before the device runs "
    "out?",
    method="Tasks store whole pages at random into their memory, most of which is on the device; half-way the contents "
    "change from a real program's compressible pages to random bytes. All background tasks run. Stores that end in "
    "SIGBUS are counted, and at the end every page is compared with what was stored last. On the model, which has the "
    "device's timing.",
    grid=grid,
    measure=measure,
    conclude=conclude,
    plots=plots,
)
