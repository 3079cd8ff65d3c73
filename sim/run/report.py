# SPDX-License-Identifier: MIT
"""Report: a result as a table for the terminal; each figure with what it means. Figures that are 0 are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from hw.codes import PageState
from sim.run.metrics import Latency, Margin, Result
from vswap.tiers.tierset import NODE

FORMS = [state for state in PageState if state.resident]
"""What a page may be stored as."""


@dataclass(frozen=True)
class Figure:
    """One figure of a run, with its meaning in a sentence."""

    group: str
    name: str
    value: str
    meaning: str


FAULTS = {
    "first_touch": "First write to a page: a zeroed DRAM page is mapped.",
    "soft_fault": "Read of a page on the device: mapped read-only where it is, no copy.",
    "promotion": "Write to a page on the device: copied to DRAM.",
    "writable": "Write to a page on the device, made writable in place within the budget.",
    "zswap": "Page decompressed from the zswap pool.",
    "swapfile": "Page read from the swapfile.",
    "zero": "Page that was swapped out as zeros.",
    "migration": "Page on its way to or from a CRAM node: the fault has waited for that.",
    "swap_cache": "Page found in the swap cache, still or already in DRAM.",
    "copy_on_write": "Write to a page shared after a fork: copied.",
    "write_protect": "Write to a page that was mapped read-only and is this program's alone.",
}

OF_A_TIER = "Page read from this tier."
"""What a fault of any other kind is, which is called as its tier is in `order`."""

ACCESSES = {
    "dram": "Access to a DRAM page, no fault.",
    "cram": "Access to a page mapped in the device, no fault: the device decompresses it.",
}


_TOLD_TIERS = {"zero", "cram", "zswap"}
_TOLD_MOVES = {"cram_to_zswap", "cram_to_swapfile", "zswap_to_swapfile"}
"""What has a row of its own in any case."""


def figures(result: Result) -> Iterator[Figure]:
    """The figures of a run in the order of the table, without those that are 0."""
    device, kernel, back = result.device, result.kernel, result.writebacks
    counters = device.counters
    rows: list[tuple[str, str, int | str, str]] = [
        ("Checked", "mismatches", result.mismatches,
         "Pages whose bytes differ from the trace's own copy. Must be 0."),
        ("Checked", "reads verified", result.reads_verified,
         "Reads of the program that were compared with the trace, all 4096 bytes."),
        ("Checked", "pages verified", result.pages_verified,
         "Pages read back and compared at the end: all that each address space still held."),
        ("Checked", "lost accesses", result.lost_accesses,
         "Accesses that ended in SIGBUS: the page was poison or unreadable, or a store was refused. Must be 0."),
        ("Checked", "lost pages", result.lost_pages,
         "Different pages among them that could not be read: their contents are gone."),
        ("Device", "page stores", result.stores, "Whole pages written to the device, by its own count."),
        ("Device", "page loads", result.loads, "Whole pages read from the device, by its own count."),
        ("Device", "cycles", result.cycles,
         "Clock cycles of the device. Under Verilator and Icarus the clock stands still while there is nothing to do; "
         "the model's clock never stops."),
        ("Device", " / ".join(state.name.lower() for state in FORMS),
         " / ".join(f"{counters[state.counter]:,}" for state in FORMS),
         "Forms in which pages were stored (docs/device/pages.md)."),
        ("Device", "ratio at the end", f"{device.ratio:.2f}",
         "Bytes of the pages on the device for each byte of media they take."),
        ("Margins", "fewest free sectors", f"{result.margin.lowest_free:,} of {device.media_sectors:,}",
         "Of the media, at the moments at which the run took samples."),
        ("Margins", "worst-case need", result.margin.worst_case,
         "Most sectors that the pages writable in place would take if none of their contents compressed any more."),
        ("Margins", "distance from loss", _distance(result.margin),
         "Fewest sectors that would have been left then. Below 0 a store in place could have been refused, and lost."),
        ("Faults", "page faults", kernel["pgfault"], "All faults, of every kind below."),
        ("Faults", "soft faults", result.soft_faults,
         "Pages on the device mapped read-only where they are, for a read. Nothing is copied."),
        ("Faults", "promotions", result.promotions, "Pages on the device copied to DRAM because of a write."),
        ("Faults", "made writable", kernel["made_writable"],
         "Pages on the device that became writable in place, within the budget."),
        ("Faults", "zswap loads", kernel["zswpin"], "Pages brought back from the zswap pool (vmstat: zswpin)."),
        *(("Faults", f"{tier} reads", pages, "Pages brought back from this tier (vmstat: pswpin, of all swap devices).")
          for tier, pages in result.loaded.items() if tier not in _TOLD_TIERS),
        ("Writeback", "CRAM to zswap", back.cram_to_zswap,
         "Pages moved off the device into the zswap pool."),
        ("Writeback", "CRAM to swapfile", back.cram_to_swapfile,
         "Pages moved off the device into the swapfile."),
        ("Writeback", "zswap to swapfile", back.zswap_to_swapfile,
         "Pages moved from the full zswap pool into the swapfile."),
        *(("Writeback", pair.replace(NODE, "").replace("_to_", " to "), pages, "Pages moved between these tiers.")
          for pair, pages in result.moves.items() if pair.replace(NODE, "") not in _TOLD_MOVES),
        ("Writeback", "node closed / reopened", f"{kernel['node_closed']:,} / {kernel['node_reopened']:,}",
         "Times the LOW interrupt closed the device to new pages, and RECOVERED opened it again."),
        ("Writeback", "CRAM rejects", kernel["cram_rejects"],
         "Swap-outs that the closed or full device turned away; the next tier was asked."),
        ("Writeback", "pages trimmed", kernel["trimmed"], "Pages given back to the device."),
        ("Reclaim", "by kswapd / direct", f"{kernel['pgsteal_kswapd']:,} / {kernel['pgsteal_direct']:,}",
         "DRAM pages freed in the background, and by a task that had to wait for memory."),
        ("Reclaim", "demoted: kswapd / direct / asked",
         " / ".join(f"{kernel[f'pgdemote_{by}']:,}" for by in ("kswapd", "direct", "proactive")),
         "Of the DRAM pages freed: those moved to the CRAM node, where they stay mapped (vmstat: pgdemote_*)."),
        ("Reclaim", "zero pages out / in", f"{kernel['swpout_zero']:,} / {kernel['swpin_zero']:,}",
         "Pages of zeros remembered without storing them, and brought back."),
        ("Reclaim", "zswap stores", kernel["zswpout"],
         "Pages that entered the zswap pool, swapped out or written back (vmstat: zswpout)."),
        *(("Reclaim", f"{tier} stores", pages,
           "Pages that entered this tier, swapped out or written back (vmstat: pswpout, of all swap devices).")
          for tier, pages in result.stored.items() if tier not in _TOLD_TIERS),
        ("Time", "simulated time", f"{result.simulated_ns / 1e6:,.1f} ms",
         "Time on the simulated machine; it does not depend on the computer that simulates it."),
        ("Time", "link, there and back", f"{result.settings['costs.cxl_link']:,} ns",
         "What each transfer takes on its way to the device's port and back ([costs] cxl_link). The device's clock "
         "runs at 1 GHz."),
        ("Time", "events", f"{result.events_done:,} of {result.events:,}", "Steps of the trace that were replayed."),
    ]  # fmt: skip
    for group, name, value, meaning in rows:
        text = f"{value:,}" if isinstance(value, int) else value
        if set(text) - set("0 /"):
            yield Figure(group, name, text, meaning)


def _distance(margin: Margin) -> str:
    """In sectors, and in words where nothing could be lost."""
    if margin.from_loss is None:
        return "none writable in place"
    return f"{margin.from_loss:,} sectors"


def print_table(result: Result, console: Console) -> None:
    """The table at the end of a run."""
    table = Table(title=f"{result.scenario} on {result.sim}", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("what")
    table.add_column("figure", justify="right")
    before = ""
    for figure in figures(result):
        if before and figure.group != before:
            table.add_section()
        table.add_row("" if figure.group == before else f"[bold]{figure.group}[/]", figure.name, figure.value)
        before = figure.group
    console.print(table)
    latencies = Table(title="faults, simulated ns", title_justify="left", show_edge=False, pad_edge=False)
    for column in ("kind", "count", "p50", "p90", "p99", "max"):
        latencies.add_column(column, justify="left" if column == "kind" else "right")
    for kind, latency in result.faults.items():
        latencies.add_row(kind, *columns(latency))
    console.print()
    console.print(latencies)


def verdict(result: Result) -> str:
    """The run in one line."""
    checked = f"{result.reads_verified:,} reads and {result.pages_verified:,} pages compared"
    if result.ok:
        return f"{checked}, 0 mismatches"
    reasons = [f"{count:,} {what}" for count, what in
               [(result.mismatches, "mismatches"), (result.lost_accesses, "lost accesses")] if count]  # fmt: skip
    if not result.finished:
        reasons.append("not finished")
    if not reasons:
        reasons.append(f"{len(result.problems)} contradictions")
    return f"{checked}; {', '.join(reasons)}: {result.problems[0] if result.problems else 'see the report'}"


def columns(latency: Latency) -> list[str]:
    """Count, p50, p90, p99 and max as they are written."""
    values = (latency.count, latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.max_ns)
    return [f"{value:,}" for value in values]
