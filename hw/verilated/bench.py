"""How fast the compiled RTL runs below the driver, side by side with a bare C++ loop over the same pages.

`python -m hw.verilated.bench` stores real pages, then loads and compares them, a few rounds of each.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import find_libpython

from hw import build
from hw.link import PAGE_BYTES
from hw.links.verilated import VerilatedLink
from hw.parameters import DeviceParameters
from hw.verilated.library import HERE, compiled
from hw.virtual_time import VirtualClock


@dataclass(frozen=True)
class Speed:
    """A measurement: simulated cycles, page operations (a store or a load), seconds of processor time."""

    cycles: int
    pages: int
    seconds: float

    @property
    def cycles_per_s(self) -> float:
        """Simulated cycles per second."""
        return self.cycles / self.seconds

    @property
    def pages_per_s(self) -> float:
        """Stores and loads per second."""
        return self.pages / self.seconds


def bare(pages: list[bytes], rounds: int, parameters: DeviceParameters) -> Speed:
    """A loop in C++ that stores and loads all `pages`, `rounds` times. Raises CalledProcessError if one is not kept."""
    library = compiled(parameters)
    with tempfile.TemporaryDirectory() as folder:
        program, file = Path(folder) / "bare", Path(folder) / "pages"
        file.write_bytes(b"".join(pages))
        compiler = [build._compiler(), "-O2", "-std=c++20", f"-I{HERE}", str(HERE / "bare.cpp"), str(library)]
        subprocess.run([*compiler, f"-Wl,-rpath,{library.parent}", "-o", str(program)], check=True)
        argv = [str(program), str(file), str(rounds), str(parameters.perceived_pages)]
        answer = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    cycles, seconds = answer.split()
    return Speed(int(cycles), 2 * rounds * len(pages), float(seconds))


def linked(pages: list[bytes], rounds: int, parameters: DeviceParameters) -> Speed:
    """The same over the verilated link. Raises AssertionError if a page is not kept."""
    clock = VirtualClock()
    link = VerilatedLink(clock, parameters)

    async def main() -> Speed:
        await clock.sleep(2 * parameters.perceived_pages)  # until the device is ready
        cycles, start = link.cycles, time.process_time()
        for _ in range(rounds):
            for page, data in enumerate(pages):
                await link.write(page * PAGE_BYTES, data)
            for page, data in enumerate(pages):
                assert await link.read(page * PAGE_BYTES, PAGE_BYTES) == data, f"page {page} came back different"
        speed = Speed(link.cycles - cycles, 2 * rounds * len(pages), time.process_time() - start)
        await link.close()
        return speed

    return clock.run(main())


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
