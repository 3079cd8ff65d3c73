# SPDX-License-Identifier: MIT
"""Reads of single lines: a read of the trace takes 64 bytes of its page, and those are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hw.link import PAGE_BYTES
from hw.links.model import ModelLink
from hw.virtual_time import VirtualClock
from sim.run.execute import run_in_process
from sim.run.metrics import Result
from sim.run.run import run
from sim.scenario.scenario import Scenario
from sim.trace.file import Trace
from tests.sim.scenes import write_scenario


def small(folder: Path, **sections: Any) -> tuple[Scenario, Trace]:
    scenario = Scenario.load(write_scenario(folder, **sections))
    return scenario, Trace.load(Path(scenario.workload.trace))


class FlippingLines(ModelLink):
    """Flips one bit of the first read of a single line."""

    flipped = False

    async def read(self, address: int, length: int) -> bytes:
        data = await super().read(address, length)
        if self.flipped or length == PAGE_BYTES:
            return data
        self.flipped = True
        return bytes([data[0] ^ 1]) + data[1:]


def test_a_line_read_moves_and_compares_one_line_of_a_page_on_the_device(tmp_path: Path) -> None:
    whole, lines = (
        run_in_process(scenario, "model", trace, tmp_path / "swapfile", "small", lambda _: None)
        for line_reads in (False, True)
        for scenario, trace in [small(tmp_path, workload={"line_reads": line_reads})]
    )
    assert whole.ok and lines.ok and whole.reads_verified == lines.reads_verified
    assert lines.kernel["line_loads"] > 0 == whole.kernel["line_loads"]


def test_a_wrong_byte_of_a_line_read_is_found_with_its_place_in_the_page(tmp_path: Path) -> None:
    scenario, trace = small(tmp_path, workload={"line_reads": True})
    clock = VirtualClock(scenario.workload.seed)

    async def main() -> Result:
        link, swapfile = FlippingLines(clock, scenario.cram.parameters()), tmp_path / "swapfile"
        return await run(link, scenario, trace, swapfile, name="test", sim="model", report=lambda _: None)

    result = clock.run(main())
    event = int(result.problems[0].partition("at event ")[2].partition(",")[0])
    assert result.mismatches == 1 and f"byte {64 * (event * 37 % 64)} is" in result.problems[0]
