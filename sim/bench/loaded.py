# SPDX-License-Identifier: MIT
"""The device under load: latencies and bytes of reads and writes that are under way at the same time.

A host of some queue depth, and a media with a latency, at the pins of the RTL, which runs in a simulator (Verilator).
docs/hwbench.md explains the rows.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hw.build import build
from hw.link import PAGE_BYTES
from hw.parameters import MEDIA_LATENCY, DeviceParameters
from hw.simulate import simulate
from sim.bench.dram import DRAMS, FIXED

PAGES = 128  # of the device that are stored, all of different content


@dataclass(frozen=True)
class Workload:
    """What the host does.

    Attributes:
        name: in a row.
        reads: 64-byte reads under way at a time, each of an ID of its own.
        writes: 64-byte writes under way at a time beside them; to other pages.
        count: accesses that are measured.
        pages: those that are read, and as many that are written; each access is to one at random, to a random line.
        cache_pages, promoted_pages: of the device.
        media_latency: cycles until a line is read or written, of a media that is FIXED.
        media: FIXED, or a DRAM (dram.py).
        rests: the device comes to rest before each access.
    """

    name: str
    reads: int = 1
    writes: int = 0
    count: int = 200
    pages: int = PAGES // 2
    cache_pages: int = 8
    promoted_pages: int = 0
    media_latency: int = MEDIA_LATENCY
    media: str = FIXED
    rests: bool = False


@dataclass(frozen=True)
class Loaded:
    """What a workload came to.

    Attributes:
        workload: its name.
        width: bytes a cycle that the compressor is built for.
        p50, p99: cycles from AR to R, of the reads.
        bytes_per_cycle: that the host read and wrote.
        media_bytes_per_host_byte: that the media read and wrote for each of them, checks left out.
    """

    workload: str
    width: int
    p50: float
    p99: float
    bytes_per_cycle: float
    media_bytes_per_host_byte: float


IDLE = Workload("random reads, at rest", rests=True)
_DEEP = Workload("random reads, depth 16", reads=16)
CURVES: Mapping[str, Sequence[Workload]] = {
    media: [
        Workload(f"random reads, depth {depth}" + ("" if media == FIXED else f", {media}"), reads=depth, media=media)
        for depth in (1, 2, 4, 8, 16, 32, 64)
    ]
    for media in (FIXED, *DRAMS)
}
"""The curves of latency over bandwidth: by media, of rising queue depth."""
WORKLOADS = (
    IDLE,
    *(workload for curve in CURVES.values() for workload in curve),
    Workload("a read stream beside a write stream", reads=1, writes=1),
    Workload("reads and writes, depth 8 each", reads=8, writes=8),
    Workload("seven reads to a write, depth 8", reads=7, writes=1),
    *(Workload(f"reads and writes, depth 8 each, {media}", reads=8, writes=8, media=media) for media in DRAMS),
    Workload("reads of 6 pages", pages=6),
    Workload("reads and writes of 16 pages, depth 4 each", reads=4, writes=4, pages=8, count=1000),
    Workload("reads and writes of 16 pages, depth 4 each, 32 promoted pages", reads=4, writes=4, pages=8, count=1000,
             promoted_pages=32),
    *(replace(_DEEP, name=f"random reads, depth 16, media latency {latency}", media_latency=latency)
      for latency in (1, 160)),
    replace(_DEEP, name="random reads, depth 16, 32 cache pages", cache_pages=32),
)  # fmt: skip


def measure_loaded(
    width: int, pages: Sequence[bytes], tick: Callable[[str], None], workloads: Iterable[Workload] = WORKLOADS
) -> list[Loaded]:
    """A row for each workload, over these pages, of a device of this width.

    `tick` is called once for each workload, when those of a device are done.

    Raises:
        AssertionError: a line came back different, or the device did not come to rest.
        hw.build.BuildError, hw.tools.ToolError.
    """
    if len(pages) < PAGES:
        raise ValueError(f"{len(pages)} pages, expected {PAGES}")
    rows: dict[str, Loaded] = {}
    ordered = list(workloads)
    for device in dict.fromkeys((workload.cache_pages, workload.promoted_pages) for workload in ordered):
        chosen = [workload for workload in ordered if (workload.cache_pages, workload.promoted_pages) == device]
        cache_pages, promoted_pages = device
        parameters = DeviceParameters(
            perceived_pages=2 * PAGES, media_bytes=2 * PAGES * PAGE_BYTES, cache_pages=cache_pages,
            bytes_per_cycle=width, promoted_pages=promoted_pages,
        )  # fmt: skip
        rows |= {row.workload: row for row in _run(parameters, pages[:PAGES], chosen)}
        for _ in chosen:
            tick("load")
    return [rows[workload.name] for workload in ordered]


def _run(parameters: DeviceParameters, pages: Sequence[bytes], workloads: Sequence[Workload]) -> list[Loaded]:
    built = build("cram_device", "verilator", parameters.verilog())
    with tempfile.TemporaryDirectory() as folder:
        source, figures = Path(folder) / "pages", Path(folder) / "figures.json"
        source.write_bytes(b"".join(pages))
        environment = {
            "VCRAM_PAGES": str(source),
            "VCRAM_FIGURES": str(figures),
            "VCRAM_LOAD": json.dumps([asdict(workload) for workload in workloads]),
        }
        simulate(built, "sim.bench.load_inside", environment=environment, results=Path(folder) / "run")
        rows = json.loads(figures.read_text())
    return [Loaded(width=parameters.bytes_per_cycle, **row) for row in rows]
