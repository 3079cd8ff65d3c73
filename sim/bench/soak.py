# SPDX-License-Identifier: MIT
"""`make soak`: millions of faults on the functional model, and the memory of the process meanwhile (docs/bench.md).

Two spaces of twice the memory there is read and write pages of the shipped trace at random, through zswap, CRAM and a
swapfile; now and then one is forked and exits. Whatever grows by the fault shows up as memory.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from driver import CramDevice
from hw.links.model import ModelLink
from hw.parameters import DeviceParameters
from hw.places import results_folder
from hw.virtual_time import VirtualClock
from sim.base.memory import resident_bytes
from sim.base.options import OutputFile
from sim.bench.pages import recorded_pages
from vswap import VswapConfig, VswapSystem
from vswap.base.results import is_stdout, write_json

PARAMETERS = DeviceParameters(perceived_pages=1024, media_bytes=512 << 10)
MEMORY_PAGES = 128
ZSWAP_PERCENT = 20
SPACE_PAGES = 256  # of each of two spaces
ACCESSES_A_FORK = 10_000
WARM_UP = 0.1  # of the run: caches of Python and of the allocator fill


@dataclass(frozen=True)
class Soak:
    """What a run found.

    Attributes:
        faults: page faults, soft ones and those of forks included.
        faults_per_s: of processor time.
        memory: what `look` told at each step, the first after the warm-up; by default the resident set, bytes.
        growth: of it, from the first step to the last.
    """

    faults: int
    faults_per_s: float
    memory: list[int]
    growth: int


def soak(
    faults: int, steps: int, seed: int, look: Callable[[], int] = resident_bytes, show: Callable[[int], object] = id
) -> Soak:
    """Run until so many faults have been taken.

    Args:
        faults: how many.
        steps: how often memory is looked at behind the warm-up.
        seed: of the accesses.
        look: tells how much memory is in use, bytes.
        show: told the number of faults at each look.

    Raises:
        AssertionError: a page came back different.
    """
    clock, random_ = VirtualClock(seed), random.Random(seed)
    pages = recorded_pages(64)

    async def main(folder: str) -> Soak:
        device = await CramDevice.probe(ModelLink(clock, PARAMETERS))
        config = VswapConfig(
            memory_pages=MEMORY_PAGES, order=("zswap", "cram", "swapfile"), zswap_max_pool_percent=ZSWAP_PERCENT
        )
        system = VswapSystem(clock, config, device=device, swapfile=Path(folder) / "swapfile")
        await system.start()
        spaces = [system.create_space(name) for name in ("one", "two")]
        written: list[dict[int, bytes]] = [{}, {}]

        async def accesses(count: int) -> None:
            for _ in range(count):
                which, page = random_.randrange(2), random_.randrange(SPACE_PAGES)
                expected = written[which].get(page)
                if expected is None or random_.random() < 0.3:
                    written[which][page] = data = random_.choice(pages)
                    await spaces[which].write(page, data)
                else:
                    assert await spaces[which].read(page) == expected, f"page {page} came back different"

        async def work() -> None:
            await accesses(ACCESSES_A_FORK)
            child = await system.fork(spaces[0], "child")
            await accesses(SPACE_PAGES)
            await system.remove_space(child)

        memory: list[int] = []
        start = time.process_time()
        for goal in _looks(faults, steps):
            while system.counters.pgfault < goal:
                await work()
            memory.append(look())
            show(system.counters.pgfault)
        seconds, taken = time.process_time() - start, system.counters.pgfault
        await system.shutdown()
        return Soak(taken, taken / seconds, memory, memory[-1] - memory[0])

    with tempfile.TemporaryDirectory() as folder:
        return clock.run(main(folder))


def _looks(faults: int, steps: int) -> Iterator[int]:
    """The numbers of faults at which memory is looked at."""
    first = int(faults * WARM_UP)
    return (first + (faults - first) * step // steps for step in range(steps + 1))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--faults", type=click.IntRange(100_000), default=10_000_000, show_default=True, help="How many faults.")
@click.option("--steps", type=click.IntRange(1), default=18, show_default=True, help="How often to look at the memory.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the accesses.")
@click.option("--output", type=OutputFile(), metavar="FILE",
              default=lambda: results_folder() / "soak.json",
              help="Where the figures go; - for standard output.  [default: build/soak.json]")  # fmt: skip
def main(faults: int, steps: int, seed: int, output: Path) -> None:
    """Take millions of faults on the functional model and watch the process' memory."""
    columns = (TextColumn("faults"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=faults)
        result = soak(faults, steps, seed, show=lambda taken: progress.update(task, completed=taken))
    write_json(output, asdict(result))
    mebibytes = [f"{size / (1 << 20):.1f}" for size in result.memory]
    for line in (
        f"{result.faults:,} faults, {result.faults_per_s:,.0f} a second of processor time",
        f"resident, MiB: {' '.join(mebibytes)}",
        f"growth: {result.growth / 1024:,.0f} KiB over {result.faults * (1 - WARM_UP):,.0f} faults",
        f"written: {output}",
    ):
        click.echo(line, err=is_stdout(output))


if __name__ == "__main__":
    main()
