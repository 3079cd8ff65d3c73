# SPDX-License-Identifier: MIT
"""`vcram nbd`: the command."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from driver import CramDevice
from hw.link import PAGE_BYTES
from hw.links.in_process import InProcess, open_link
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from sim.base.interrupts import interruptible
from sim.base.options import OutputFile, Size
from sim.base.value import Value
from sim.nbd.disk import Disk, Usage
from sim.nbd.server import serve
from vswap.base.results import write_text


class Figures(Value):
    """What was counted until the end.

    Attributes:
        size, media: bytes of the disk and of the media behind it.
        disk: requests by kind; pages read, written (some in part) and dropped; requests refused, by errno.
        peak: the media when the most pages were seen on it.
        end: the media at the end.
        device: the device's own counters.
    """

    size: int
    media: int
    disk: dict[str, int]
    peak: Usage
    end: Usage
    device: dict[str, int]


@click.command("nbd")
@click.option("--socket", "path", required=True, metavar="PATH", type=click.Path(path_type=Path),
              help="Unix socket to serve on. Only you can open it; it is removed when the server ends.")  # fmt: skip
@click.option("--size", type=Size(), default="1G", show_default=True, metavar="SIZE",
              help="Size of the disk: 1G, 64M, or a number of pages.")  # fmt: skip
@click.option("--media", type=Size(), metavar="SIZE", help="Size of the device's media.  [default: a quarter]")
@click.option("--device", type=click.Choice(["model", "verilated"]), default="model", show_default=True,
              help="What runs the device: the model, or the RTL as a library.")  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", type=OutputFile(),
              help="Write the figures as JSON at the end; - for standard output.")  # fmt: skip
def nbd_command(path: Path, size: int, media: int | None, device: InProcess, json_file: Path | None) -> None:
    """Serve the device as a network block device, with trim, flush and write-zeroes.

    Any NBD client can use it: QEMU as a guest's disk, nbd-client as a block device, libnbd's tools. The disk is larger
    than the media: when the media is full, writes fail with ENOSPC (docs/nbd.md). Ctrl-C or SIGTERM ends the server,
    which then prints its figures. It needs nbdkit with its Python plug-in.

    \b
    Examples:
      vcram nbd --socket /tmp/cram.sock --size 256M
      nbdinfo 'nbd+unix:///?socket=/tmp/cram.sock'
      qemu-system-x86_64 -drive file=nbd:unix:/tmp/cram.sock,if=virtio,format=raw,discard=unmap ...
    """
    console = Console(stderr=True)
    parameters = _parameters(size, media)
    with interruptible():
        clock = VirtualClock()
        link = open_link(device, clock, parameters)
        driver = clock.run_until(CramDevice.probe(link))
        disk = clock.run_until(Disk.on(driver, size * PAGE_BYTES))
        serve(disk, clock, path, lambda: _say_ready(console, path))
        end = clock.run_until(disk.usage())
        figures = Figures(
            size=disk.size, media=parameters.media_bytes, disk=disk.counts, peak=disk.peak, end=end,
            device=asdict(clock.run_until(driver.counters())),
        )  # fmt: skip
        clock.run_until(link.close())
        clock.shut_down()
    if json_file is not None:
        write_text(json_file, figures.model_dump_json(indent=2) + "\n")
    console.print(_summary(figures))


def _parameters(size: int, media: int | None) -> DeviceParameters:
    """The smallest device that shows so many pages."""
    try:
        pages = max(16, 1 << (size - 1).bit_length())
        media_bytes = (media if media is not None else max(8, size // 4)) * PAGE_BYTES
        return DeviceParameters(perceived_pages=pages, media_bytes=media_bytes)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--size, --media") from error


def _say_ready(console: Console, path: Path) -> None:
    console.print(
        f"serving nbd+unix:///?socket={path.absolute()}  (Ctrl-C ends it)",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _summary(figures: Figures) -> Table:
    table = Table(show_edge=False, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in figures.disk.items():
        table.add_row(name.replace("_", " "), f"{value:,}")
    for when, usage in (("at the peak", figures.peak), ("at the end", figures.end)):
        ratio = f", ratio {usage.ratio_per_mille / 1000:.2f}" if usage.ratio_per_mille else ""
        table.add_row(f"stored {when}", f"{usage.resident_pages:,} pages in {usage.used_bytes:,} bytes{ratio}")
    for name, value in figures.device.items():
        if value:
            table.add_row(f"device: {name.replace('_', ' ')}", f"{value:,}")
    return table
