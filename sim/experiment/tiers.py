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
from sim.experiment.bootstrap import interval
from sim.experiment.experiment import Experiment, Figures, Rows, Summary, Values, Verdict, values_of, where
from sim.experiment.room import traces
from sim.page import Lines, Part, Series
from sim.run.execute import execute
from sim.run.metrics import Latency, Result
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace, TraceHeader
from vswap import Costs

STACKS: Mapping[str, tuple[str, ...]] = {
    "cram": ("cram", "zswap", "swapfile"),
    "node": ("cram", "zswap", "swapfile"),
    "zswap": ("zswap", "swapfile"),
    "zram": ("zram", "swapfile"),
    "swapfile": ("swapfile",),
}
"""Of each stack the order of its tiers; with "node" CRAM is a memory node."""
MEDIA = ("cram", "node")
CALLED = {"cram": "CRAM", "node": "CRAM as a node"}
OTHERS = tuple(name for name in STACKS if name not in MEDIA)
POOLS = ("zswap", "zram")
"""Stacks that are compared at equal cost, too."""
POOL_PERCENT = 20
"""Of DRAM that zswap and zram may take: zswap's default."""
NOT_BROUGHT_BACK = ("first_touch", "zero", "copy_on_write", "write_protect")
"""Faults that need no page from a tier."""
STEPS_US = (1, 2, 4, 8, 16, 32, 64, 128)
MEDIA_SHARES = (0.25, 0.5)
"""Media for so much of what goes beyond DRAM. The two ways of CRAM differ by less than programs do: both shares are in
every grid."""
PRICES = (0.5, 1.0)
EQUAL_DRAM = 0.0


def grid(full: bool) -> list[Values]:
    """See Experiment."""
    limits, priced = ((0.25, 0.5), MEDIA_SHARES) if full else ((0.25,), MEDIA_SHARES[-1:])
    found: list[Values] = []
    for trace, limit in product(traces(), limits):
        point = {"trace": trace, "limit": limit}
        found += [
            point | {"stack": stack, "media": media, "price": EQUAL_DRAM}
            for stack, media in product(MEDIA, MEDIA_SHARES)
        ]
        found += [point | {"stack": stack, "media": 0.0, "price": EQUAL_DRAM} for stack in OTHERS]
        found += [
            point | {"stack": stack, "media": media, "price": price}
            for stack, media, price in product(POOLS, priced, PRICES)
        ]
    return found


def measure(values: Values) -> Figures:
    """See Experiment."""
    file = traces()[values["trace"]]
    header = _header(file)
    pages = header.pages
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
                "mode": "node" if values["stack"] == "node" else "swap",
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
        "whole": int(header.complete),
        "dram_pages": dram,
        "media_pages": media if values["stack"] in MEDIA else 0,
        **_figures(result),
    }


@cache
def _header(file: Path) -> TraceHeader:
    return Trace.load(file).header


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
    against = {
        (media, stack): _against(table, media, stack, EQUAL_DRAM) for media, stack in product(MEDIA, OTHERS)
    }  # fmt: skip
    priced = {
        (media, stack, price): _against(table, media, stack, price)
        for media, stack, price in product(MEDIA, POOLS, _prices(table))
    }
    ways = _against(table, "node", "cram", EQUAL_DRAM)
    findings = {
        f"{CALLED[media]}, equal DRAM, against {stack}": _words(found) for (media, stack), found in against.items()
    }
    findings |= {
        f"{CALLED[media]}, media at {price:g} of DRAM's price, against {stack}": _words(found)
        for (media, stack, price), found in priced.items()
    }
    findings["CRAM as a node, against CRAM as swap"] = _words(ways)
    cram, node = where(table, stack="cram"), where(table, stack="node")
    zswap = where(table, stack="zswap", price=EQUAL_DRAM)
    cheapest, dearest = min(_prices(table)), max(_prices(table))
    fewer = _median(cram, "pswpin") < _median(zswap, "pswpin") / 2
    saved = "what CRAM saves are reads from disk" if fewer else "what CRAM saves are not mostly reads from disk"
    sentences = (
        f"At equal DRAM a program waits for its swapped pages {_share(against['cram', 'zswap'])} of the time that it "
        f"waits with zswap alone, {_share(against['cram', 'zram'])} of zram's and "
        f"{_share(against['cram', 'swapfile'])} of a swapfile's (medians over {len(names)} programs and their sizes), "
        f"and with CRAM as a memory node {_share(ways)} of that with CRAM as swap; the median of the faults' "
        f"p50 is {_three(cram, node, zswap, 'p50_ns')} ns (CRAM as swap, as a node, zswap), of their p99.9 "
        f"{_three(cram, node, zswap, 'p99.9_ns')}.",
        f"At equal cost of memory, when what the media costs buys DRAM instead, it waits "
        f"{_share(priced['cram', 'zswap', dearest])} of zswap's time and {_share(priced['cram', 'zram', dearest])} "
        f"of zram's if media costs as much as DRAM, and {_share(priced['cram', 'zswap', cheapest])} and "
        f"{_share(priced['cram', 'zram', cheapest])} at {cheapest:g} of its price.",
        f"Refaults are {_three(cram, node, zswap, 'refaults')} in the median with CRAM as swap, as a node and with "
        f"zswap at equal DRAM, and pages from disk {_three(cram, node, zswap, 'pswpin')}: {saved}.",
    )
    stopped = {row["trace"]: row["events"] for row in table if not row["whole"]}
    limits = (
        f"{len(names)} programs of at most {max(row['pages'] for row in table):,} pages are no sample of a data "
        f"centre; the recordings of {len(stopped)} of them stop at {max(stopped.values(), default=0):,} accesses.",
        "The device is the functional model, with its timing, behind a link that adds the cost table's "
        f"{Costs().cxl_link} ns to each transfer. A read of a page that is mapped on the device takes one line of it; "
        "how many loads follow, a trace does not tell.",
        "Times of software and of the swapfile are the cost table's; the price of media against DRAM is an assumption, "
        "and controller, board and power are not in it.",
        f"zswap and zram may take {POOL_PERCENT} % of DRAM, zswap's default, and have a swapfile behind them. No hot "
        "page is promoted from the node, and it is written to by its own reclaim alone.",
    )
    shares = {(media, "equal DRAM", stack): found for (media, stack), found in against.items()}
    shares |= {(media, f"media at {price:g}", stack): found for (media, stack, price), found in priced.items()}
    return Verdict(findings, sentences, limits, 0, [_shares(shares), _summary(table), _by_program(table)])


def _prices(table: Rows) -> list[float]:
    return [price for price in values_of(table, "price") if price != EQUAL_DRAM]


def _against(table: Rows, stack: str, other: str, price: float) -> Mapping[str, list[float]]:
    """By program, the wait with a stack that has a device as a share of the wait with another one at the same point."""
    found: dict[str, list[float]] = {}
    for row in where(table, stack=stack):
        point = {"trace": row["trace"], "limit": row["limit"], "price": price}
        media = row["media"] if other in MEDIA or price != EQUAL_DRAM else 0.0
        for rival in where(table, stack=other, media=media, **point):
            if rival["waited_ns"]:
                found.setdefault(row["trace"], []).append(row["waited_ns"] / rival["waited_ns"])
    return found


def _all(found: Mapping[str, list[float]]) -> list[float]:
    return [ratio for ratios in found.values() for ratio in ratios]


def _words(found: Mapping[str, list[float]]) -> str:
    """What holds for programs like these: the interval of the median is on one side."""
    low, high = interval(found)
    return "waits less" if high < 1 else "waits more" if low > 1 else "depends on the program"


def _share(found: Mapping[str, list[float]]) -> str:
    low, high = interval(found)
    return f"{median(_all(found)):.0%} (95 %: {low:.0%} to {high:.0%})"


def _shares(found: Mapping[tuple[str, str, str], Mapping[str, list[float]]]) -> Summary:
    rows = []
    for (media, cost, stack), ratios in found.items():
        low, high = interval(ratios)
        every = _all(ratios)
        rows.append((
            CALLED[media], cost, stack, f"{median(every):.0%}", f"{low:.0%} to {high:.0%}",
            f"{min(every):.0%} to {max(every):.0%}",
        ))  # fmt: skip
    heads = ("", "cost", "against", "median", "95 % of the median, over programs", "range")
    return Summary("What a program waits, as a share of what it waits with another stack", heads, rows)


def _three(cram: Rows, node: Rows, zswap: Rows, name: str) -> str:
    return ", ".join(f"{_median(rows, name):,.0f}" for rows in (cram, node, zswap))


def _by_program(table: Rows) -> Summary:
    """What a program waits at equal DRAM, by the sizes that are in every grid."""
    limit, media = min(values_of(table, "limit")), 0.5
    rows = []
    for trace in values_of(table, "trace"):
        found = where(table, trace=trace, limit=limit, price=EQUAL_DRAM)
        waits = [where(found, stack=stack, media=media if stack in MEDIA else 0.0)[0]["waited_ns"] for stack in STACKS]
        rows.append((trace, f"{found[0]['pages']:,}", f"{found[0]['events']:,}", *(f"{ns:,.0f}" for ns in waits)))
    return Summary(
        f"What a program waits for swapped pages, ns an access, with DRAM for {limit:.0%} of its pages and media for "
        f"{media:g} of the rest",
        ("program", "pages", "accesses", *STACKS),
        rows,
    )


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
    "would cost. On the model: it has the device's timing, and the RTL would take days.",
    grid=grid,
    measure=measure,
    conclude=conclude,
    plots=plots,
)
