# SPDX-License-Identifier: MIT
"""Report: a result as a table for the terminal and as a page to keep; each figure with what it means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hw.codes import PageState
from sim.run.charts import chart
from sim.run.metrics import Latency, Result

FORMS = [state for state in PageState if state.resident]
"""What a page may be stored as."""


@dataclass(frozen=True)
class Figure:
    """One figure of a run, with its meaning in a sentence."""

    group: str
    name: str
    value: str
    meaning: str


_FAULTS = {
    "first_touch": "First write to a page: a zeroed DRAM page is mapped.",
    "soft_fault": "Read of a page on the device: mapped read-only where it is, no copy.",
    "promotion": "Write to a page on the device: copied to DRAM.",
    "writable": "Write to a page on the device, made writable in place within the budget.",
    "zswap": "Page decompressed from the zswap pool.",
    "swapfile": "Page read from the swapfile.",
    "zero": "Page that was swapped out as zeros.",
    "swap_cache": "Page found in the swap cache, still or already in DRAM.",
    "copy_on_write": "Write to a page shared after a fork: copied.",
    "write_protect": "Write to a page that was mapped read-only and is this program's alone.",
}

_ACCESSES = {
    "dram": "Access to a DRAM page, no fault.",
    "cram": "Access to a page mapped in the device, no fault: the device decompresses it.",
}


_TOLD_TIERS = {"zero", "cram", "zswap", "swapfile"}
_TOLD_MOVES = {"cram_to_zswap", "cram_to_swapfile", "zswap_to_swapfile"}
"""What has a row of its own in any case."""


def figures(result: Result) -> Iterator[Figure]:
    """The figures of a run in the order of the table."""
    device, kernel, back = result.device, result.kernel, result.writebacks
    counters = device.counters
    rows: list[tuple[str, str, int | str, str]] = [
        ("Checked", "mismatches", result.mismatches,
         "Pages whose bytes differ from the trace's own copy. Must be 0."),
        ("Checked", "reads verified", result.reads_verified,
         "Reads of the program that were compared with the trace, all 4096 bytes."),
        ("Checked", "pages verified", result.pages_verified,
         "Pages read back and compared at the end: all that each address space still held."),
        ("Checked", "lost pages", result.lost_pages,
         "Accesses that ended in SIGBUS since the page was poison or unreadable. Must be 0."),
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
        ("Faults", "page faults", kernel["pgfault"], "All faults, of every kind below."),
        ("Faults", "soft faults", result.soft_faults,
         "Pages on the device mapped read-only where they are, for a read. Nothing is copied."),
        ("Faults", "promotions", result.promotions, "Pages on the device copied to DRAM because of a write."),
        ("Faults", "made writable", kernel["made_writable"],
         "Pages on the device that became writable in place, within the budget."),
        ("Faults", "zswap loads", kernel["zswpin"], "Pages brought back from the zswap pool (vmstat: zswpin)."),
        ("Faults", "swapfile reads", kernel["pswpin"], "Pages brought back from the swapfile (vmstat: pswpin)."),
        *(("Faults", f"{tier} reads", pages, "Pages brought back from this tier.")
          for tier, pages in result.loaded.items() if tier not in _TOLD_TIERS),
        ("Writeback", "CRAM to zswap", back.cram_to_zswap,
         "Pages moved off the device into the zswap pool; the page tables kept their entries."),
        ("Writeback", "CRAM to swapfile", back.cram_to_swapfile,
         "Pages moved off the device into the swapfile."),
        ("Writeback", "zswap to swapfile", back.zswap_to_swapfile,
         "Pages moved from the full zswap pool into the swapfile."),
        *(("Writeback", pair.replace("_to_", " to "), pages, "Pages moved between these tiers.")
          for pair, pages in result.moves.items() if pair not in _TOLD_MOVES),
        ("Writeback", "node closed / reopened", f"{kernel['node_closed']:,} / {kernel['node_reopened']:,}",
         "Times the LOW interrupt closed the device to new pages, and RECOVERED opened it again."),
        ("Writeback", "CRAM rejects", kernel["cram_rejects"],
         "Swap-outs that the closed or full device turned away; the next tier was asked."),
        ("Writeback", "pages trimmed", kernel["trimmed"], "Pages given back to the device."),
        ("Reclaim", "by kswapd / direct", f"{kernel['pgsteal_kswapd']:,} / {kernel['pgsteal_direct']:,}",
         "DRAM pages freed in the background, and by a task that had to wait for memory."),
        ("Reclaim", "zero pages out / in", f"{kernel['swpout_zero']:,} / {kernel['swpin_zero']:,}",
         "Pages of zeros remembered without storing them, and brought back."),
        ("Reclaim", "zswap / swapfile stores", f"{kernel['zswpout']:,} / {kernel['pswpout']:,}",
         "Pages that entered these tiers, swapped out or written back (vmstat: zswpout, pswpout)."),
        ("Time", "simulated time", f"{result.simulated_ns / 1e6:,.1f} ms",
         "Time on the simulated machine; it does not depend on the computer that simulates it."),
        ("Time", "events", f"{result.events_done:,} of {result.events:,}", "Steps of the trace that were replayed."),
    ]  # fmt: skip
    for group, name, value, meaning in rows:
        yield Figure(group, name, f"{value:,}" if isinstance(value, int) else value, meaning)


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
        latencies.add_row(kind, *_columns(latency))
    console.print()
    console.print(latencies)


def verdict(result: Result) -> str:
    """The run in one line."""
    checked = f"{result.reads_verified:,} reads and {result.pages_verified:,} pages compared"
    if result.ok:
        return f"{checked}, 0 mismatches"
    reasons = [f"{count:,} {what}" for count, what in
               [(result.mismatches, "mismatches"), (result.lost_pages, "lost pages")] if count]  # fmt: skip
    if not result.finished:
        reasons.append("not finished")
    if not reasons:
        reasons.append(f"{len(result.problems)} contradictions")
    return f"{checked}; {', '.join(reasons)}: {result.problems[0] if result.problems else 'see the report'}"


def write_html(result: Result, path: Path, notes: dict[str, str]) -> None:
    """Write the report, one self-contained page. `notes`: what else to say of the run, name -> text. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_html(result, notes), encoding="utf-8")


def _html(result: Result, notes: dict[str, str]) -> str:
    title = f"{escape(result.scenario)} on {escape(result.sim)}"
    state = "good" if result.ok else "bad"
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>vcram: {title}</title><style>{_STYLE}</style>',
        f'<h1>{title}</h1><p class="{state}">{"passed" if result.ok else "failed"}: {escape(verdict(result))}</p>',
    ]
    if result.problems:
        parts.append("<h2>Problems</h2><ul>" + "".join(f"<li>{escape(p)}" for p in result.problems) + "</ul>")
    parts.append("<h2>What happened</h2><table>")
    before = ""
    for figure in figures(result):
        if figure.group != before:
            parts.append(f'<tr><th colspan="3">{escape(figure.group)}')
            before = figure.group
        parts.append(f"<tr><td>{escape(figure.name)}<td class=n>{escape(figure.value)}<td>{escape(figure.meaning)}")
    parts.append("</table>")
    if len(result.timeline) > 1:
        parts.append(
            "<h2>Where the pages were</h2><p>Over simulated time, in pages. Grey bands: the node is closed.</p>"
        )
        parts.append(chart(result.timeline))
    parts.append(
        "<h2>How long it took</h2><p>Simulated nanoseconds that one access took, from the program's view, by what it "
        "had to wait for. p50, p90, p99: that share of the accesses took at most so long.</p>"
        "<table><tr><th>kind<th>count<th>p50<th>p90<th>p99<th>max<th>meaning"
    )
    for meanings, latencies in ((_FAULTS, result.faults), (_ACCESSES, result.accesses)):
        for kind, latency in latencies.items():
            cells = "".join(f"<td class=n>{cell}" for cell in _columns(latency))
            parts.append(f"<tr><td>{escape(kind)}{cells}<td>{escape(meanings.get(kind, ''))}")
    parts.append("</table>")
    for heading, meaning, values in (
        ("In use at the end", "Pages, when the last one had been verified; pool_total_size is in bytes.", result.tiers),
        ("The device's counters", "docs/device/registers.md.", result.device.counters),
        ("The swap system's counters", "Under the kernel's names; docs/vswap.md.", result.kernel),
    ):
        rows = "".join(f"<tr><td>{escape(name)}<td class=n>{value:,}" for name, value in values.items())
        parts.append(f"<details><summary>{heading}</summary><p>{meaning}</p><table>{rows}</table></details>")
    rows = "".join(f"<tr><td>{escape(name)}<td>{escape(text)}" for name, text in notes.items())
    parts.append(f"<h2>The run</h2><table><tr><td>seed<td>{result.seed}{rows}</table></html>\n")
    return "\n".join(parts)


def _columns(latency: Latency) -> list[str]:
    values = (latency.count, latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.max_ns)
    return [f"{value:,}" for value in values]


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .15rem .7rem; text-align: left; vertical-align: top }
th { padding-top: .8rem } .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
tr:has(td):nth-child(even) { background: #f6f6f6 } td:first-child { white-space: nowrap }
.good, .bad { padding: .6rem 1rem; border-left: 4px solid #2a7 } .bad { border-color: #c33 }
details { margin-top: 1rem } summary { cursor: pointer; font-weight: 600 }
"""
