# SPDX-License-Identifier: MIT
"""Live: a run on a terminal while it goes on: tiers filling, faults and their p99, the device's load, closings."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hw.engines import ENGINES
from sim.base.terminal import redraws
from sim.run.metrics import Progress, View
from sim.run.progress import describe, progress_bar
from sim.run.run import Report
from sim.scenario.scenario import Scenario

_SECONDS = 0.25  # at least between two drawings
_SPARED = 100  # and so many times what a drawing takes: it costs 1 % of the run
_HISTORY = 160
_EVENTS = 5
_WIDE = 120  # columns from which two parts stand side by side
_SPARKS = " ▁▂▃▄▅▆▇█"


@contextmanager
def live_view(console: Console, name: str, sim: str, scenario: Scenario) -> Iterator[Report]:
    """Gives what a run reports its progress to. Where there is no terminal, lines are printed instead."""
    if not redraws(console):
        with progress_bar(console, sim) as report:
            yield report
        return
    screen = Screen(name, sim, scenario)
    with Live(console=console, auto_refresh=False, transient=False) as live:
        due = 0.0
        finished: dict[str, bool] = {}  # phases whose end has been drawn

        def report_live(progress: Progress) -> None:
            nonlocal due
            screen.take(progress)
            now = time.monotonic()
            over = progress.done == progress.total
            if now >= due or (over and not finished.get(progress.phase)):
                finished[progress.phase] = over
                live.update(screen.draw(console.width), refresh=True)
                drawn = time.monotonic()
                due = drawn + max(_SECONDS, _SPARED * (drawn - now))

        yield report_live


@dataclass
class Screen:
    """What is on the screen: the last progress, and what led to it.

    Attributes:
        name, sim, scenario: of the run.
    """

    name: str
    sim: str
    scenario: Scenario
    _progress: Progress | None = None
    _view: View | None = None
    _most: dict[str, int] = field(default_factory=dict)  # pages that a tier has had
    _rates: deque[float] = field(default_factory=lambda: deque(maxlen=_HISTORY))  # faults a simulated second
    _faults: int = 0
    _load: float | None = None
    _engines: dict[str, float] = field(default_factory=dict)  # share of the time since the last drawing
    _since: View | None = None  # what was drawn then
    _events: deque[str] = field(default_factory=lambda: deque(maxlen=_EVENTS))

    def take(self, progress: Progress) -> None:
        """The run has gone on."""
        before, self._progress, view = self._view, progress, progress.view
        if view is None:
            return
        for tier, pages in view.pages.items():
            self._most[tier] = max(pages, self._most.get(tier, 1))
        if before is not None and view.simulated_ns > before.simulated_ns:
            passed = view.simulated_ns - before.simulated_ns
            self._rates.append(1e9 * (progress.faults - self._faults) / passed)
        known = before.closed if before is not None else {}
        for node, (closings, closed) in view.closed.items():
            if (closings, closed) != known.get(node, (0, False)):
                word = "closed to new pages" if closed else "open again"
                at = view.simulated_ns / 1e6
                self._events.append(f"{at:,.1f} ms: {node} {word}; {closings:,} closings so far")
        self._view, self._faults = view, progress.faults
        self._since = self._since or view

    def _weigh(self, view: View) -> None:
        """How busy the device and its engines were since the last drawing."""
        since = self._since
        if since is None or (passed := view.simulated_ns - since.simulated_ns) <= 0:
            return
        self._since = view
        self._load = min(1.0, (view.cycles - since.cycles) / passed)
        self._engines = {
            engine: min(1.0, max(0, view.engines[engine] - since.engines.get(engine, 0)) / passed)
            for engine in ENGINES if engine in view.engines
        }  # fmt: skip

    def draw(self, width: int) -> RenderableType:
        """The screen, so many columns wide."""
        progress, view = self._progress, self._view
        if progress is None:
            return Text("starting")
        done = progress.done / max(1, progress.total)
        title = Text.assemble((f"{self.name} on {self.sim}", "bold"), f"  {describe(progress.phase, self.sim)}  ")
        head = Group(title, _bar(done, min(width, 60), "green").append(f" {progress.done:,} of {progress.total:,}"))
        if view is None:
            return head
        self._weigh(view)
        part = width // 2 - 2 if width >= _WIDE else width
        tiers, numbers = self._tiers(view, part), self._numbers(progress, view, part)
        if width < _WIDE:
            return Group(head, Text(), tiers, Text(), numbers)
        both = Table.grid(padding=(0, 3))
        both.add_row(tiers, numbers)
        return Group(head, Text(), both)

    def _tiers(self, view: View, width: int) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        for right in (False, False, True, False):
            grid.add_column(justify="right" if right else "left", no_wrap=True)
        room = max(10, width - 34)
        for tier, pages in view.pages.items():
            limit = self.scenario.memory.limit_pages if tier == "dram" else None
            share = pages / (limit or self._most[tier])
            closed = view.closed.get(tier, (0, False))[1]
            note = f"of {limit:,}" if limit else f"most {self._most[tier]:,}"
            grid.add_row(_short(tier, 12), _bar(share, room, "red" if closed else "cyan"), f"{pages:,}", note)
        cram = self.scenario.cram
        media = _bar(view.media_used_percent / 100, room, "yellow")
        for mark, percent in (("L", cram.low_percent), ("R", cram.recovered_percent)):
            at = min(room - 1, round(room * (100 - percent) / 100))
            media = Text.assemble(media[:at], (mark, "bold red"), media[at + 1 :])
        grid.add_row("media", media, f"{view.media_used_percent:.0f} %", "L low, R rec.")
        return grid

    def _numbers(self, progress: Progress, view: View, width: int) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        rate = f"{self._rates[-1]:,.0f} a simulated second" if self._rates else ""
        grid.add_row("simulated", f"{view.simulated_ns / 1e6:,.1f} ms")
        p99 = f", p99 {view.p99_ns:,} ns" if view.p99_ns is not None else ""
        grid.add_row("faults", f"{progress.faults:,}{p99}")
        grid.add_row("", Text(rate))
        grid.add_row("", Text(_sparks(list(self._rates)[-max(10, width - 14) :]), style="magenta"))
        if self._load is not None and self.sim != "model":  # whose clock never stops
            grid.add_row("device", Text.assemble(_bar(self._load, 20, "cyan"), f" busy {100 * self._load:.0f} %"))
        if self._engines:
            shown = Text()
            for engine, share in self._engines.items():
                shown.append("  " if shown else "").append(f"{engine} ").append(_sparks([share], 1), style="cyan")
                shown.append(f"{_percent(share):>3} %")
            grid.add_row("engines", shown)
        wrong = progress.mismatches
        grid.add_row("wrong", Text(f"{wrong:,}", style="bold red" if wrong else "green"))
        for number, event in enumerate(self._events):
            grid.add_row("" if number else "events", Text(event, overflow="ellipsis", no_wrap=True))
        return grid


def _short(name: str, most: int) -> str:
    """At most so many characters; of a long name, as a tier of one's own has it, the end."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _percent(share: float) -> str:
    """In three characters."""
    percent = 100 * share
    return f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"


def _bar(share: float, width: int, style: str) -> Text:
    full = round(max(0.0, min(1.0, share)) * width)
    return Text("█" * full, style=style).append("░" * (width - full), style="dim")


def _sparks(values: list[float], most: float | None = None) -> str:
    most = max(values, default=0.0) if most is None else most
    return "".join(_SPARKS[round(value / most * (len(_SPARKS) - 1))] if most else " " for value in values)
