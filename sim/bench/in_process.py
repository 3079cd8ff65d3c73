# SPDX-License-Identifier: MIT
"""What runs in this process: the whole stack on the RTL, the functional model, liblz4 alone, and the clock."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import lz4.block

from driver import CramDevice
from hw.link import LINES_PER_PAGE, PAGE_BYTES
from hw.links.model import ModelLink
from hw.links.verilated import VerilatedLink
from hw.parameters import DeviceParameters
from hw.speed import Speed, store_and_load
from hw.virtual_time import VirtualClock
from vswap import VswapConfig, VswapSystem

MEMORY_PAGES = 32  # of DRAM below the stack: nearly every access is a fault that ends on the media


def stack(pages: list[bytes], rounds: int, parameters: DeviceParameters, media_latency: int) -> Speed:
    """The whole stack, from a task's access to the media: write all pages, then read and compare them, `rounds` times.

    Page operations are the device's own: lines written and read, by its counters, in pages.

    Raises:
        AssertionError: a page came back different.
    """
    clock = VirtualClock()
    link = VerilatedLink(clock, parameters, media_latency=media_latency)

    async def main(folder: str) -> Speed:
        device = await CramDevice.probe(link)
        config = VswapConfig(memory_pages=MEMORY_PAGES, order=("cram", "swapfile"))
        system = VswapSystem(clock, config, device=device, swapfile=Path(folder) / "swapfile")
        await system.start()
        space = system.create_space("bench")
        before, cycles, start = await device.counters(), link.cycles, time.process_time()
        for _ in range(rounds):
            for page, data in enumerate(pages):
                await space.write(page, data)
            for page, data in enumerate(pages):
                assert await space.read(page) == data, f"page {page} came back different"
        seconds, cycles, after = time.process_time() - start, link.cycles - cycles, await device.counters()
        lines = after.lines_written - before.lines_written + after.lines_read - before.lines_read
        await system.shutdown()
        await link.close()
        return Speed(cycles, lines // LINES_PER_PAGE, seconds)

    with tempfile.TemporaryDirectory() as folder:
        return clock.run(main(folder))


def model(pages: list[bytes], rounds: int, parameters: DeviceParameters) -> Speed:
    """Stores and loads of the functional model below the driver. Raises AssertionError as `stack` does."""
    clock = VirtualClock()
    return clock.run(store_and_load(ModelLink(clock, parameters), pages, rounds, parameters))


def liblz4(pages: list[bytes], rounds: int) -> Speed:
    """A bare loop over `lz4.block`: compress all pages, then decompress and compare. Raises AssertionError."""
    compress, decompress = lz4.block.compress, lz4.block.decompress
    start = time.process_time()
    for _ in range(rounds):
        blocks = [compress(data, store_size=False) for data in pages]
        for block, data in zip(blocks, pages, strict=True):
            assert decompress(block, uncompressed_size=PAGE_BYTES) == data
    return Speed(0, 2 * rounds * len(pages), time.process_time() - start)


def task_switches_per_s(switches: int = 300_000, tasks: int = 10) -> float:
    """Switches of a shuffled virtual clock: tasks that sleep in turn, and each sleep is a switch."""
    clock = VirtualClock(seed=1)

    async def sleeper(ns: int) -> None:
        for _ in range(switches // tasks):
            await clock.sleep(ns)

    async def main() -> None:
        for task in [clock.spawn(sleeper(1 + number % 3)) for number in range(tasks)]:
            await task

    start = time.process_time()
    clock.run(main())
    return switches / (time.process_time() - start)
