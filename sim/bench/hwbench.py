# SPDX-License-Identifier: MIT
"""The engines' bench: bytes a cycle, ratio, latencies, area and clock of every engine width over real pages, and the
device under load.

`python -m sim.bench.hwbench` prints one table and writes build/hwbench.json. docs/hwbench.md explains the figures.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

import click
import lz4.block
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hw import asic, fpga
from hw.build import BuildError
from hw.link import LINE_BYTES, LINES_PER_PAGE, PAGE_BYTES
from hw.links.verilated import VerilatedLink
from hw.parameters import ENGINE_WIDTHS, DeviceParameters
from hw.places import results_folder
from hw.registers import Register
from hw.tools import ToolError
from hw.verilated.engines import EngineHangError, Engines
from hw.virtual_time import VirtualClock
from sim.base.interrupts import interruptible
from sim.base.options import OutputFile
from sim.bench.engines import PUBLISHED, Engine, engines
from sim.bench.hardware_pages import bench_pages
from sim.bench.load_page import load_page
from sim.bench.loaded import PAGES as LOAD_PAGES
from sim.bench.loaded import WORKLOADS, Loaded, measure_loaded
from sim.corpus.corpus import CorpusError
from sim.corpus.figures import RAW_BYTES
from vswap.base.results import is_stdout, write_json

ALL = "all"

# The host port of the bench (hw/bench/host_port.v) raises AR a cycle after the request and reports the last beat a
# cycle late. What is left of a read is the distance from the cycle of the AR handshake to that of the R handshake.
_HOST_PORT_CYCLES = 3
_LONG = 100_000  # cycles; nothing the device does to one page takes longer
_SEED = 1


class BenchError(Exception):
    """A page did not come back as it was stored, or the device stored it otherwise than expected."""


@dataclass(frozen=True)
class Row:
    """What one width reaches on one kind of pages, or on all (docs/hwbench.md). Cycles are of the device's clock.

    Attributes:
        width: bytes a cycle that the engines are built for.
        kind: of the pages; "all" for all of them together.
        pages: how many.
        lz4_pages: those of them that the device stores as LZ4.
        compress_bytes_per_cycle, decompress_bytes_per_cycle: page bytes per cycle of the engine alone.
        decompress_liblz4_bytes_per_cycle: the same over liblz4's blocks of the pages.
        ratio, ratio_to_liblz4: page bytes per block byte, blocks larger than a page counted as a page; over liblz4's.
        store_cycles, load_cycles: mean of a whole page written until it is closed; read until its last line.
        first_line_median_cycles: a read of a page's first line that misses, AR to R.
        read_miss_median_cycles, read_miss_p99_cycles: a read of a random line that misses, AR to R.
        read_miss_deciles: cycles of the 10, 20 .. 90 % fastest of them.
        luts, fmax_mhz, estimate_mhz: both engines on an ECP5 (hw.fpga.EngineArea); None before `make fpga` has run.
    """

    width: int
    kind: str
    pages: int
    lz4_pages: int
    compress_bytes_per_cycle: float
    decompress_bytes_per_cycle: float
    decompress_liblz4_bytes_per_cycle: float
    ratio: float
    ratio_to_liblz4: float
    store_cycles: float
    load_cycles: float
    first_line_median_cycles: float
    read_miss_median_cycles: float
    read_miss_p99_cycles: float
    read_miss_deciles: list[int]
    luts: int | None
    fmax_mhz: float | None
    estimate_mhz: float | None


@dataclass(frozen=True)
class _Page:
    """What was measured for one page."""

    kind: str
    lz4: bool
    block: int  # bytes
    liblz4: int
    compress: int  # cycles, as all below; 0: not decompressed
    decompress: int
    decompress_liblz4: int
    store: int
    load: int
    first_line: int
    lines: tuple[int, ...]


Tick = Callable[[str], None]


def measure(width: int, pages: dict[str, list[bytes]], tick: Tick, reads: int = 8) -> list[Row]:
    """The rows of one width, "all" first.

    Args:
        width: of the engines.
        pages: by kind.
        tick: called once per page and stage.
        reads: random lines read of every page.

    Raises:
        BenchError, EngineHangError, hw.build.BuildError, hw.tools.ToolError.
    """
    listed = [(kind, page) for kind, members in pages.items() for page in members]
    engines = _engines(width, [page for _, page in listed], tick)
    device = _device(width, [page for _, page in listed], [block for block, *_ in engines], tick, reads)
    measured = [
        _Page(kind, engine[0] <= RAW_BYTES, *engine, *timing)
        for (kind, _), engine, timing in zip(listed, engines, device, strict=True)
    ]
    area = fpga.engine_area(_kept(fpga.result()), width)
    return [_row(width, kind, [page for page in measured if kind in (ALL, page.kind)], area) for kind in (ALL, *pages)]


def stages(pages: dict[str, list[bytes]], reads: int = 8) -> int:
    """How often `measure` calls its `tick`."""
    return (4 + reads) * sum(map(len, pages.values()))


def _engines(width: int, pages: Sequence[bytes], tick: Tick) -> list[tuple[int, int, int, int, int]]:
    """(block bytes, liblz4's, cycles to compress, to decompress ours, to decompress liblz4's) of each page."""
    engines = Engines()
    answers = []

    def decompress(block: bytes, page: bytes) -> int:
        if len(block) > RAW_BYTES:  # a page like this is stored raw
            return 0
        answer = engines.decompress(block)
        if answer.data != page:
            raise BenchError(f"width {width}: a block was decoded to another page")
        return answer.cycles

    for page in pages:
        ours = engines.compress(page)
        theirs = lz4.block.compress(page, store_size=False)
        if lz4.block.decompress(ours.data, uncompressed_size=PAGE_BYTES) != page:
            raise BenchError(f"width {width}: liblz4 decodes a block to another page")
        cycles = decompress(ours.data, page), decompress(theirs, page)
        answers.append((len(ours.data), len(theirs), ours.cycles, *cycles))
        tick("engines")
    return answers


def _device(
    width: int, pages: Sequence[bytes], blocks: Sequence[int], tick: Tick, reads: int
) -> list[tuple[int, int, int, tuple[int, ...]]]:
    """(store, load, first line, random lines) of each page, in cycles, of a device whose media answers at once.

    The device is idle before each access. Pages are visited in turn, and there are more of them than the cache holds:
    every read misses.
    """
    size = 16
    while size < len(pages):
        size *= 2
    parameters = DeviceParameters(perceived_pages=size, media_bytes=size * PAGE_BYTES, bytes_per_cycle=width)
    if len(pages) <= 2 * parameters.cache_pages:
        raise BenchError(f"{len(pages)} pages do not overflow a cache of {parameters.cache_pages}")
    clock = VirtualClock()
    link = VerilatedLink(clock, parameters, media_latency=0)
    random = Random(_SEED)

    async def timed(stage: str, number: int, line: int, lines: int) -> int:
        start = clock.now
        offset = line * LINE_BYTES
        data = await link.read(number * PAGE_BYTES + offset, lines * LINE_BYTES)
        cycles = clock.now - start - _HOST_PORT_CYCLES
        if data != pages[number][offset : offset + lines * LINE_BYTES]:
            raise BenchError(f"width {width}: page {number} came back different")
        await clock.sleep(_LONG)
        tick(stage)
        return cycles

    async def main() -> list[tuple[int, int, int, tuple[int, ...]]]:
        await clock.sleep(2 * size + _LONG)
        numbers = range(len(pages))
        stores = []
        for number, page in enumerate(pages):
            start = link.cycles
            await link.write(number * PAGE_BYTES, page)
            await clock.sleep(_LONG)  # cycles are counted until it is idle
            stores.append(link.cycles - start)
            tick("store")
        stored = (await link.read_registers(Register.CLOSED_LZ4))[0]
        if stored != sum(block <= RAW_BYTES for block in blocks):
            raise BenchError(f"width {width}: the device stored {stored} pages as LZ4, other than its compressor alone")
        loads = [await timed("load", number, 0, LINES_PER_PAGE) for number in numbers]
        firsts = [await timed("first line", number, 0, 1) for number in numbers]
        passes = [
            [await timed("random line", number, random.randrange(LINES_PER_PAGE), 1) for number in numbers]
            for _ in range(reads)
        ]
        await link.close()
        return list(zip(stores, loads, firsts, zip(*passes, strict=True), strict=True))

    return clock.run(main())


def _row(width: int, kind: str, pages: list[_Page], area: fpga.EngineArea) -> Row:
    lz4_pages = [page for page in pages if page.lz4]
    misses = sorted(cycles for page in lz4_pages for cycles in page.lines) or [0]
    ours = sum(min(PAGE_BYTES, page.block) for page in pages)
    theirs = sum(min(PAGE_BYTES, page.liblz4) for page in pages)
    return Row(
        width=width,
        kind=kind,
        pages=len(pages),
        lz4_pages=len(lz4_pages),
        compress_bytes_per_cycle=_rate([page.compress for page in pages]),
        decompress_bytes_per_cycle=_rate([page.decompress for page in pages if page.decompress]),
        decompress_liblz4_bytes_per_cycle=_rate([page.decompress_liblz4 for page in pages if page.decompress_liblz4]),
        ratio=round(len(pages) * PAGE_BYTES / ours, 3),
        ratio_to_liblz4=round(theirs / ours, 4),
        store_cycles=round(statistics.mean(page.store for page in pages), 1),
        load_cycles=round(statistics.mean(page.load for page in pages), 1),
        first_line_median_cycles=statistics.median([page.first_line for page in lz4_pages] or [0]),
        read_miss_median_cycles=statistics.median(misses),
        read_miss_p99_cycles=misses[(99 * len(misses) - 1) // 100],
        read_miss_deciles=[misses[tenth * (len(misses) - 1) // 10] for tenth in range(1, 10)],
        luts=area.luts,
        fmax_mhz=area.fmax_mhz,
        estimate_mhz=area.estimate_mhz,
    )


def _rate(cycles: list[int]) -> float:
    """Page bytes per cycle over pages that took so many cycles each; 0 without pages."""
    return round(len(cycles) * PAGE_BYTES / sum(cycles), 3) if cycles else 0.0


def _kept(result: Path) -> list[dict[str, Any]]:
    """The rows of the last `make fpga` or `make asic`; none before it."""
    try:
        rows: list[dict[str, Any]] = json.loads(result.read_text())
    except OSError:
        rows = []
    return rows


def _mixed(pages: dict[str, list[bytes]]) -> list[bytes]:
    """Pages of all kinds in turn, each once."""
    in_turn = (page for row in zip_longest(*pages.values()) for page in row if page is not None)
    return list(dict.fromkeys(in_turn))


def print_loaded(rows: Sequence[Loaded], console: Console) -> None:
    """A table of the device under load."""
    table = Table(title="The device under load", title_justify="left")
    for head in ("width", "workload", "p50", "p99", "B/cycle", "media B/B"):
        table.add_column(head, justify="left" if head == "workload" else "right")
    for row in rows:
        table.add_row(str(row.width), row.workload, f"{row.p50:.0f}", f"{row.p99:.0f}", f"{row.bytes_per_cycle:.2f}",
                      f"{row.media_bytes_per_host_byte:.1f}")  # fmt: skip
    console.print(table)


def print_rows(rows: Sequence[Row], console: Console) -> None:
    """One table of all widths and kinds."""
    table = Table(title="LZ4 engines and device, media latency 0", title_justify="left")
    heads = ("width", "pages of", "pages", "B/cycle in", "B/cycle out", "ratio", "of liblz4", "store", "load",
             "line 0", "miss: median", "p99", "LUTs", "MHz")  # fmt: skip
    for head in heads:
        table.add_column(head, justify="left" if head == "pages of" else "right")
    for row in rows:
        if row.kind == ALL:
            table.add_section()
        table.add_row(
            *(str(row.width), row.kind, str(row.pages)),
            *(f"{row.compress_bytes_per_cycle:.2f}", f"{row.decompress_bytes_per_cycle:.2f}"),
            *(f"{row.ratio:.2f}", f"{row.ratio_to_liblz4:.3f}", f"{row.store_cycles:.0f}", f"{row.load_cycles:.0f}"),
            *(f"{row.first_line_median_cycles:.0f}", f"{row.read_miss_median_cycles:.0f}"),
            f"{row.read_miss_p99_cycles:.0f}",
            "-" if row.luts is None else f"{row.luts:,}",
            fpga.clock_text(row.fmax_mhz, row.estimate_mhz),
        )
    console.print(table)
    console.print("store, load, line 0, miss: cycles. B/cycle in: compressor; out: decompressor, on its blocks.")
    console.print("LUTs, MHz: of both engines on an ECP5; ~: not routed but estimated by the technology mapper.")
    for row in (row for row in rows if row.kind == ALL):
        deciles = " ".join(map(str, row.read_miss_deciles))
        console.print(f"width {row.width}: read misses of random lines, cycles at 10 % .. 90 %: {deciles}")


def print_engines(rows: Sequence[Engine], console: Console) -> None:
    """Gigabytes a second and area of ours, then what is known of other open cores."""

    def text(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    table = Table(title="The engines on an ECP5 at the estimated clock, and other open cores", title_justify="left")
    for head in ("core", "width or does", "B/cycle", "LUTs", "MHz", "GB/s", "GB/s/kLUT", "source"):
        table.add_column(head)
    for row in rows:
        speed = text(row.gb_per_s, ".2f"), text(row.gb_per_s_per_klut, ".3f")
        own = row.engine, str(row.width or "-"), f"{row.bytes_per_cycle:.2f}", text(row.luts, ",")
        table.add_row(*own, text(row.estimate_mhz, ".0f"), *speed)
    table.add_section()
    for core in PUBLISHED:
        table.add_row(core.core, core.does, core.bytes_per_cycle, core.luts, core.mhz, core.gb_per_s,
                      core.gb_per_s_per_klut, core.source)  # fmt: skip
    console.print(table)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--pages", "count", type=click.IntRange(4, 500), default=100, show_default=True, help="Pages of a kind.")
@click.option("--width", "widths", type=click.Choice([str(width) for width in ENGINE_WIDTHS]), multiple=True,
              help="Only this width; may be repeated.")  # fmt: skip
@click.option("--load/--no-load", default=True, show_default=True, help="Measure the device under load too.")
@click.option("--json", "target", type=OutputFile(), metavar="FILE",
              default=lambda: results_folder() / "hwbench.json",
              help="File for the rows; - for standard output.  [default: build/hwbench.json]")  # fmt: skip
def main(count: int, widths: tuple[str, ...], load: bool, target: Path) -> None:
    """Measure the engines and the device over real pages, at every width."""
    chosen = [int(width) for width in widths] or list(ENGINE_WIDTHS)
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with interruptible(), Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("gather pages", total=None)
            pages = bench_pages(count)
            under_load = chosen if load else []
            mixed = _mixed(pages)
            if under_load and len(mixed) < LOAD_PAGES:
                raise BenchError(f"{len(mixed)} pages for the device under load, expected {LOAD_PAGES}: more --pages")
            progress.update(task, total=len(chosen) * stages(pages) + len(under_load) * len(WORKLOADS))
            rows: list[Row] = []
            loaded: list[Loaded] = []
            for width in chosen:
                progress.update(task, description=f"width {width}: compile")

                def tick(stage: str, width: int = width) -> None:
                    progress.update(task, advance=1, description=f"width {width}: {stage}")

                rows += measure(width, pages, tick)
                if width in under_load:
                    progress.update(task, description=f"width {width}: load")
                    loaded += measure_loaded(width, mixed, tick)
    except KeyboardInterrupt:
        sys.exit("hwbench: interrupted; nothing is left running")
    except (BenchError, EngineHangError, BuildError, ToolError, CorpusError, OSError, AssertionError) as error:
        sys.exit(f"hwbench: {error}")
    measured = [asdict(row) for row in rows]
    ours = engines([row for row in measured if row["kind"] == ALL], _kept(fpga.result()))
    found = {"engines": [asdict(row) for row in ours], "asic": _kept(asic.result())}
    under = [asdict(row) for row in loaded]
    write_json(target, {"widths": measured, "loaded": under, **found})
    curves = None if is_stdout(target) or not under else target.with_suffix(".html")
    if curves is not None:
        curves.write_text(load_page(under))
    console = Console(stderr=is_stdout(target), width=None if sys.stdout.isatty() else 200)
    print_rows(rows, console)
    print_engines(ours, console)
    if loaded:
        print_loaded(loaded, console)
    click.echo(f"rows: {target}", err=is_stdout(target))
    if curves is not None:
        click.echo(f"curves: {curves}")


if __name__ == "__main__":
    main()
