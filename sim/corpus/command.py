# SPDX-License-Identifier: MIT
"""`vcram corpus`: gather pages of real programs, and look at them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from sim.base.interrupts import interruptible
from sim.corpus.chart import corpus_chart
from sim.corpus.classify import caught, load_form
from sim.corpus.corpus import gather, summary
from sim.corpus.figures import BINS
from sim.corpus.files import Manifest, build, load
from sim.corpus.files import counts as page_counts

_BARS = " ▁▂▃▄▅▆▇█"


@click.group("corpus")
def corpus_group() -> None:
    """Gather anonymous pages of real programs on this machine, and describe them."""


@corpus_group.command("build")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this program's pages; may be repeated.")
@click.option("--sample", type=click.IntRange(1), metavar="PAGES",
              help="Keep this many pages of each program, and none that tells of this machine.")  # fmt: skip
def corpus_build(folder: Path, kinds: tuple[str, ...], sample: int | None) -> None:
    """Run programs, and write their pages into FOLDER: a file for each program, and a manifest."""
    with Console(stderr=True).status("gathering pages") as status, interruptible():
        manifest = build(folder, kinds or None, lambda kind: status.update(f"gathering pages of {kind}"), sample)
    _show(manifest)


@corpus_group.command("stat")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--pages", type=click.IntRange(1), default=10_000, show_default=True,
              help="Without FOLDER: the number of different pages to gather.")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.svg",
              help="With FOLDER: draw the shares and the sizes of LZ4 blocks into this file.")  # fmt: skip
@click.option("--classify", "form", type=click.Path(path_type=Path), metavar="FILE.py",
              help="Count what a new form of pages would catch: classify(page) gives its bytes, or None.")  # fmt: skip
def corpus_stat(folder: Path | None, pages: int, plot: Path | None, form: Path | None) -> None:
    """Describe the pages in FOLDER, or, without FOLDER, those of programs on this machine.

    The figures are counted from the pages, and must agree with the manifest.
    """
    if form is not None:
        _classify(form, folder, pages)
        return
    if folder is not None:
        manifest = load(folder)
        _show(manifest)
        if plot is not None:
            plot.write_text(corpus_chart(manifest), encoding="utf-8")
        return
    if plot is not None:
        raise click.UsageError("--plot needs a FOLDER, which `vcram corpus build` makes")
    with Console(stderr=True).status("gathering pages of running programs"), interruptible():
        found = summary(gather(pages))
    table = _table("kind", "pages", "zero", "same", "raw", "ratio")
    for kind, row in found.items():
        shares = (f"{share:.1%}" for share in (row.zero, row.same, row.incompressible))
        table.add_row(kind, f"{row.pages:,}", *shares, f"{row.ratio:.2f}")
    Console().print(table)


def _classify(file: Path, folder: Path | None, pages: int) -> None:
    """The table of what the form in a file catches."""
    form = load_form(file)
    kinds: dict[str, Counter[bytes]] = {}
    if folder is not None:
        kinds = {entry.kind: page_counts(folder, entry) for entry in load(folder).entries}
    else:
        with Console(stderr=True).status("gathering pages of running programs"), interruptible():
            for page in gather(pages):
                kinds.setdefault(page.kind, Counter())[page.data] += 1
    table = _table("kind", "pages", "caught", "same", "LZ4", "raw", "sectors", "then", "saved")
    for kind, counts in kinds.items():
        found = caught(form, counts)
        shares = (found.caught, found.same, found.lz4, found.raw)
        saved = 1 - found.sectors_then / found.sectors_now if found.sectors_now else 0.0
        table.add_row(kind, f"{found.pages:,}", *(f"{share:,}" for share in shares), f"{found.sectors_now:,}",
                      f"{found.sectors_then:,}", f"{saved:.1%}")  # fmt: skip
    Console().print(table)


def _show(manifest: Manifest) -> None:
    table = _table("kind", "pages", "zero", "same", "twice", "raw", "ratio", "LZ4 to 4 KiB")
    for entry in manifest.entries:
        shares = (f"{share:.1%}" for share in (entry.zero, entry.same, entry.duplicate, entry.incompressible))
        table.add_row(entry.kind, f"{entry.pages:,}", *shares, f"{entry.ratio:.2f}", bars(entry.sizes))
    Console().print(table)
    for entry in manifest.entries:
        Console().print(f"{entry.kind}: {entry.version}", style="dim", highlight=False, markup=False,
                        soft_wrap=True)  # fmt: skip


def bars(sizes: list[int]) -> str:
    """A histogram in a line: a full block for the largest count."""
    top = max([*sizes, 1])
    return "".join(_BARS[-(-size * (len(_BARS) - 1) // top)] for size in sizes).ljust(BINS)


def _table(*columns: str) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column == "kind" else "right", no_wrap=True)
    return table
