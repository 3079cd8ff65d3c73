# SPDX-License-Identifier: MIT
"""The near end of `open_device("cocotb")`: starts a simulator of its own and calls the driver inside it."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from driver import DeviceLost
from hw.build import build
from hw.links.cocotb import BENCH_SOURCES
from hw.parameters import DeviceParameters
from hw.simulate import command
from sim.handle.calls import CHANNEL, Call, Failure

START_S = 60.0  # a simulator that has said nothing by then never will
_END_S = 5.0  # it ends by itself when the connection does


class Simulator:
    """A device in a simulator process (sim/handle/remote.py), called over a socket pair that nobody else has.

    Raises:
        DeviceLost: the simulator did not start.
        hw.build.BuildError, hw.tools.ToolError: the RTL cannot be compiled here.
    """

    def __init__(self, parameters: DeviceParameters) -> None:
        built = build("cram_tb", "verilator", parameters.verilog(), sources=BENCH_SOURCES)
        self._folder = tempfile.TemporaryDirectory(prefix="vcram-device-")
        ours, theirs = socket.socketpair()
        self._connection: Connection[Call, Any] | None = Connection(ours.detach())
        with theirs, (Path(self._folder.name) / "simulation.log").open("wb") as log:
            settings = {CHANNEL: str(theirs.fileno()), "COCOTB_LOG_LEVEL": "ERROR"}
            argv, environment = command(built, "sim.handle.remote", settings)
            self._process = subprocess.Popen(
                argv, env=environment, cwd=self._folder.name, pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            if not self._connection.poll(START_S):
                raise DeviceLost(f"the simulator did not answer within {START_S:.0f} s")
            self._receive(self._connection)
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *arguments: Any) -> Any:
        """Run a method of the driver's device to its end. Raises what it raises; DeviceLost."""
        if self._connection is None:
            raise DeviceLost("the device was closed")
        try:
            self._connection.send(Call(method, arguments))
        except OSError:
            self.close()
            raise DeviceLost("the simulator has ended") from None
        answer = self._receive(self._connection)
        if isinstance(answer, Failure):
            raise answer.exception()
        return answer

    def _receive(self, connection: Connection[Call, Any]) -> Any:
        try:
            return connection.recv()
        except (EOFError, OSError):
            self.close()
            raise DeviceLost("the simulator has ended") from None

    def cycles(self) -> int:
        """Device clock cycles so far."""
        return int(self.call("cycles"))

    def close(self) -> None:
        """End the simulator. Idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process.poll() is None:
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()
