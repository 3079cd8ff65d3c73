# SPDX-License-Identifier: MIT
"""How fast the compiled RTL runs below the driver, side by side with a bare C++ loop over the same pages.

`python -m sim.bench.library` stores real pages, then loads and compares them, a few rounds of each.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import find_libpython

from hw.link import PAGE_BYTES
from hw.links.verilated import VerilatedLink
from hw.parameters import MEDIA_LATENCY, DeviceParameters
from hw.speed import Speed, store_and_load
from hw.tools import compiler
from hw.verilated.library import HERE, compiled
from hw.virtual_time import VirtualClock


def bare(pages: list[bytes], rounds: int, parameters: DeviceParameters, media_latency: int = MEDIA_LATENCY) -> Speed:
    """A loop in C++ that stores and loads all `pages`, `rounds` times. Raises CalledProcessError if one is not kept."""
    library = compiled(parameters, media_latency)
    with tempfile.TemporaryDirectory() as folder:
        program, file = Path(folder) / "bare", Path(folder) / "pages"
        file.write_bytes(b"".join(pages))
        command = [compiler(), "-O2", "-std=c++20", f"-I{HERE}", str(HERE / "bare.cpp"), str(library)]
        subprocess.run([*command, f"-Wl,-rpath,{library.parent}", "-o", str(program)], check=True)
        argv = [str(program), str(file), str(rounds), str(parameters.perceived_pages)]
        answer = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    cycles, seconds = answer.split()
    return Speed(int(cycles), 2 * rounds * len(pages), float(seconds))


def linked(pages: list[bytes], rounds: int, parameters: DeviceParameters, media_latency: int = MEDIA_LATENCY) -> Speed:
    """The same over the verilated link. Raises AssertionError if a page is not kept."""
    clock = VirtualClock()
    link = VerilatedLink(clock, parameters, media_latency=media_latency)
    return clock.run(store_and_load(link, pages, rounds, parameters))


def main() -> None:
    """Measure with pages from the middle of Python's own library."""
    content = Path(find_libpython.find_libpython() or sys.executable).resolve().read_bytes()
    content = content[len(content) // 4 :][: 512 * PAGE_BYTES]
    pages = [content[i : i + PAGE_BYTES] for i in range(0, len(content) - PAGE_BYTES + 1, PAGE_BYTES)]
    parameters = DeviceParameters()
    for name, speed in [("bare", bare(pages, 3, parameters)), ("link", linked(pages, 3, parameters))]:
        print(f"{name}: {speed.pages_per_s:,.0f} pages/s, {speed.cycles_per_s:,.0f} cycles/s, {speed.cycles:,} cycles")


if __name__ == "__main__":
    main()
