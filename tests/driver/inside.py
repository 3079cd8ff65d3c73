# SPDX-License-Identifier: MIT
"""Runs the driver's contract tests inside a simulator, against the RTL. Started by test_over_rtl.py.

pytest is a blocking program and a simulation is not: it runs in a thread of its own and hands every coroutine to the
simulator, which runs it to the end while the thread waits.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import cocotb
import pytest
from cocotb.handle import HierarchyObject
from cocotb.task import bridge, resume

from hw.clock import Task
from hw.links.cocotb import CocotbClock, CocotbLink

T = TypeVar("T")


class SimulatorClock(CocotbClock):
    """The simulator's clock with the blocking interface of VirtualClock, for the thread that pytest runs in."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: list[Task[Any]] = []

    def spawn(self, coroutine: Coroutine[Any, Any, T], name: str = "") -> Any:
        """Start a task."""
        task = super().spawn(coroutine, name)
        self._tasks.append(task)
        return task

    def run_until(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` in the simulator; the other tasks stay where they are."""

        async def waiting() -> T:
            return await main

        return resume(waiting)()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` in the simulator, then stop every other task; raises what one of them raised unseen."""
        result = self.run_until(main)
        self.shut_down()
        self.check()
        return result

    def shut_down(self) -> None:
        """Stop every task."""

        async def stop() -> None:
            for task in self._tasks:
                if not task.done():
                    task.cancel()
            self._tasks.clear()
            await self.sleep(0)

        resume(stop)()


class Simulation:
    """The running simulation, as the fixtures see it."""

    dut: HierarchyObject | None = None

    @classmethod
    def link(cls, clock: SimulatorClock) -> CocotbLink:
        """A link to the device, just out of reset."""

        async def opened() -> CocotbLink:
            assert cls.dut is not None
            link = await CocotbLink.open(cls.dut, clock)
            await link.reset()
            return link

        return resume(opened)()


@cocotb.test()
async def contract(dut: HierarchyObject) -> None:
    """The driver's contract holds on the RTL."""
    Simulation.dut = dut
    arguments = ["-p", "no:cacheprovider", "-q", "--no-header", *shlex.split(os.environ["VCRAM_TESTS"])]

    @bridge
    def run() -> int:
        return int(pytest.main(arguments))

    status = await run()
    sys.stdout.flush()
    assert status == 0, f"pytest ended with {status}"
