# SPDX-License-Identifier: MIT
"""`tiers`: fault latency and refaults of stacks with and without CRAM, at equal DRAM and at equal cost of memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from statistics import median

from hw.parameters import PAGE_COUNTS
from sim.data.programs import FOLDER
from sim.experiment.experiment import Experiment, Figures, Rows, Summary, Values, Verdict, values_of, where
from sim.page import Lines, Part, Series
from sim.run.execute import execute
from sim.run.metrics import Latency, Result
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace

NAMES = ("sort", "perl", "sqlite", "awk")
"""The recorded programs that are replayed."""
STACKS: Mapping[str, tuple[str, ...]] = {
    "cram": ("cram", "zswap", "swapfile"),
    "zswap": ("zswap", "swapfile"),
    "zram": ("zram", "swapfile"),
    "swapfile": ("swapfile",),
}
OTHERS = tuple(name for name in STACKS if name != "cram")
POOLS = ("zswap", "zram")
"""Stacks that are compared at equal cost, too."""
POOL_PERCENT = 20
"""Of DRAM that zswap and zram may take: zswap's default."""
NOT_BROUGHT_BACK = ("first_touch", "zero", "copy_on_write", "write_protect")
"""Faults that need no page from a tier."""
STEPS_US = (1, 2, 4, 8, 16, 32, 64, 128)
EQUAL_DRAM = 0.0


def traces() -> dict[str, Path]:
    """The recorded programs, by name."""
    return {name: FOLDER / f"{name}.trace" for name in NAMES}


def grid(full: bool) -> list[Values]:
    """See Experiment."""
    limits, medias, prices = ((0.25, 0.5) if full else (0.25,)), (0.5,), (0.5, 1.0)
    found: list[Values] = []
    for trace, limit in product(traces(), limits):
        point = {"trace": trace, "limit": limit}
        found += [point | {"stack": "cram", "media": media, "price": EQUAL_DRAM} for media in medias]
        found += [point | {"stack": stack, "media": 0.0, "price": EQUAL_DRAM} for stack in OTHERS]
        found += [
            point | {"stack": stack, "media": media, "price": price}
            for stack, media, price in product(POOLS, medias, prices)
        ]
    return found


def measure(values: Values) -> Figures:
    """See Experiment."""
    file = traces()[values["trace"]]
    pages = _pages(file)
    limit = max(16, round(values["limit"] * pages))
    media = round(values["media"] * (pages - limit))
    dram = limit + round(values["price"] * media)
    scenario = Scenario.check(
        {
            "workload": {"trace": str(file), "verify_exits": False, "line_reads": True},
            "memory": {"limit_pages": dram},
            "cram": {
                "perceived_pages": min(count for count in PAGE_COUNTS if count >= 2 * pages),
                "media_bytes": max(8, media) * 4096,
            },
            "zswap": {"max_pool_percent": POOL_PERCENT},
            "zram": {"limit_pages": max(1, dram * POOL_PERCENT // 100)},
            "tiers": {"order": list(STACKS[values["stack"]])},
        },
        file,
    )
    result = execute(scenario, f"tiers-{values['trace']}", "model", lambda _: None)
    if not result.ok:
        raise RuntimeError("; ".join(result.problems) or "pages are wrong or lost")
    return {
        "pages": pages,
        "dram_pages": dram,
        "media_pages": media if values["stack"] == "cram" else 0,
        **_figures(result),
    }


@cache
def _pages(file: Path) -> int:
    return Trace.load(file).header.pages


def _figures(result: Result) -> Figures:
    """Of the faults that brought a page back, and of the reads of pages on the device."""
    times: Counter[int] = Counter()
    for kind, latency in result.faults.items():
        if kind not in NOT_BROUGHT_BACK:
            times.update(dict(latency.histogram))
    count = times.total()
    reads = result.accesses.get("cram")
    waited = sum(each * often for each, often in times.items()) + (_total(reads) if reads else 0)
    return {
        "events": result.events, "faults": count, "refaults": result.kernel["workingset_refault_anon"],
        "pswpin": result.kernel["pswpin"], "pswpout": result.kernel["pswpout"],
        **{f"p{share:g}_ns": _quantile(times, share) for share in (50, 99, 99.9)},
        "waited_ns": waited / result.events, "device_reads": reads.count if reads else 0,
        **{f"over_{step}us": sum(often for each, often in times.items() if each > 1000 * step) / max(1, count)
           for step in STEPS_US},
    }  # fmt: skip


def _total(latency: Latency) -> int:
    return sum(high * count for high, count in latency.histogram)


def _quantile(times: Counter[int], percent: float) -> int:
    """The nearest rank; 0 where there is no fault."""
    left = percent / 100 * times.total()
    for each, often in sorted(times.items()):
        left -= often
        if left <= 1e-9:
            return each
    return 0


def conclude(table: Rows) -> Verdict:
    """See Experiment."""
    names = values_of(table, "trace")
    against = {stack: _against(table, stack, EQUAL_DRAM) for stack in OTHERS}
    priced = {(stack, price): _against(table, stack, price) for stack in POOLS for price in _prices(table)}
    findings = {f"CRAM, equal DRAM, against {stack}": _words(ratios) for stack, ratios in against.items()}
    findings |= {
        f"CRAM, media at {price:g} of DRAM's price, against {stack}": _words(ratios)
        for (stack, price), ratios in priced.items()
    }
    cram, zswap = where(table, stack="cram"), where(table, stack="zswap", price=EQUAL_DRAM)
    cheapest, dearest = min(_prices(table)), max(_prices(table))
    fewer = _median(cram, "pswpin") < _median(zswap, "pswpin") / 2
    saved = "what CRAM saves are reads from disk" if fewer else "what CRAM saves are not mostly reads from disk"
    sentences = (
        f"At equal DRAM a program waits for its swapped pages {_spread(against['zswap'])} of the time that it waits "
        f"with zswap alone (median over {len(names)} programs and their sizes, and the whole range), "
        f"{_spread(against['zram'])} of zram's and {_spread(against['swapfile'])} of a swapfile's; the median of the "
        f"faults' p50 is {_median(cram, 'p50_ns'):,.0f} ns instead of {_median(zswap, 'p50_ns'):,.0f}, of their p99 "
        f"{_median(cram, 'p99_ns'):,.0f} instead of {_median(zswap, 'p99_ns'):,.0f}, of their p99.9 "
        f"{_median(cram, 'p99.9_ns'):,.0f} instead of {_median(zswap, 'p99.9_ns'):,.0f}.",
        f"At equal cost of memory, when what the media costs buys DRAM instead, it waits "
        f"{_spread(priced['zswap', dearest])} of zswap's time and {_spread(priced['zram', dearest])} of zram's if "
        f"media costs as much as DRAM, and {_spread(priced['zswap', cheapest])} and "
        f"{_spread(priced['zram', cheapest])} at {cheapest:g} of its price.",
        f"Refaults are {_median(cram, 'refaults'):,.0f} in the median with CRAM and "
        f"{_median(zswap, 'refaults'):,.0f} with zswap at equal DRAM, and pages from disk "
        f"{_median(cram, 'pswpin'):,.0f} and {_median(zswap, 'pswpin'):,.0f}: {saved}.",
    )
    limits = (
        f"{len(names)} programs of at most {max(row['pages'] for row in table):,} pages are no sample of a "
        "data centre; medians and ranges are over them and over sizes, and there is no interval.",
        "The device is the functional model, with its timing and a link that adds no latency of its own. A read of a "
        "page that is mapped on the device takes one line of it; how many loads follow, a trace does not tell.",
        "Times of software and of the swapfile are the cost table's; the price of media against DRAM is an assumption, "
        "and controller, board and power are not in it.",
        f"zswap and zram may take {POOL_PERCENT} % of DRAM, zswap's default, and have a swapfile behind them; CRAM is "
        "swap, not a node.",
    )
    return Verdict(findings, sentences, limits, 0, [_summary(table)])


def _prices(table: Rows) -> list[float]:
    return [price for price in values_of(table, "price") if price != EQUAL_DRAM]


def _against(table: Rows, stack: str, price: float) -> list[float]:
    """The wait with CRAM, as a share of the wait with another stack at the same point."""
    return [
        row["waited_ns"] / other["waited_ns"]
        for row in where(table, stack="cram")
        for other in where(table, stack=stack, price=price, trace=row["trace"], limit=row["limit"],
                           media=0.0 if price == EQUAL_DRAM else row["media"])
        if other["waited_ns"]
    ]  # fmt: skip


def _words(ratios: list[float]) -> str:
    middle = median(ratios)
    return "waits less" if middle < 0.95 else "waits more" if middle > 1.05 else "waits as long"


def _spread(ratios: list[float]) -> str:
    return f"{median(ratios):.0%} ({min(ratios):.0%} to {max(ratios):.0%})"


def _median(rows: Rows, name: str) -> float:
    return float(median(row[name] for row in rows))


def _summary(table: Rows) -> Summary:
    rows = []
    for stack, media, price in sorted({(row["stack"], row["media"], row["price"]) for row in table}):
        found = where(table, stack=stack, media=media, price=price)
        paid = "equal DRAM" if price == EQUAL_DRAM else f"media at {price:g}"
        rows.append((
            stack, paid, f"{media:g}", *(f"{_median(found, name):,.0f}" for name in (
                "dram_pages", "faults", "p50_ns", "p99_ns", "p99.9_ns", "waited_ns", "refaults", "pswpin",
            )),
        ))  # fmt: skip
    heads = (
        "stack", "cost", "media / pages beyond DRAM", "DRAM pages", "faults", "p50 ns", "p99 ns", "p99.9 ns",
        "waited ns an access", "refaults", "pswpin",
    )  # fmt: skip
    return Summary("Medians over the programs and DRAM sizes", heads, rows)


def plots(table: Rows) -> list[Part]:
    """See Experiment."""
    shares = [f"over_{step}us" for step in STEPS_US]

    def tail(rows: Rows) -> list[float | None]:
        return [_median(rows, share) or None for share in shares]

    return [
        Lines(
            "Faults that took longer",
            "the share of the faults that brought a page back (down) that took longer than so long (across): medians "
            "over programs and sizes, at equal DRAM. Both axes are logarithmic.",
            x=[1000 * step for step in STEPS_US],
            x_log=True,
            y_log=True,
            y_unit="share",
            series=[Series(stack, tail(where(table, stack=stack, price=EQUAL_DRAM))) for stack in STACKS],
        )
    ]


TIERS = Experiment(
    name="tiers",
    question="What does compressed RAM do to fault latency and refaults, at equal DRAM and at equal cost of memory?",
    method="Recorded programs are replayed, every page that comes back is compared. DRAM is a share of the program's "
    "pages, the media a share of what goes beyond it. At equal cost the other stacks have DRAM for what the media "
    "would "
    "cost. On the model: it has the device's timing, and the RTL would take days.",
    grid=grid,
    measure=measure,
    conclude=conclude,
    plots=plots,
)
