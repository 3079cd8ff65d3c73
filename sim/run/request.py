# SPDX-License-Identifier: MIT
"""What goes between the command and the simulation's process: a request in a file, answers through a pipe.

An answer is one line of JSON with one key: "progress", "result" or "failure".
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from driver import CramError
from hw.build import BuildError
from hw.tools import ToolError
from sim.base.value import Value
from sim.run.metrics import Progress, Result
from sim.run.run import RunError
from sim.scenario.scenario import Scenario
from sim.trace.file import TraceError
from vswap import VswapError
from vswap.contract import AbiError, SuiteError

REQUEST = "VCRAM_REQUEST"
CHANNEL = "VCRAM_CHANNEL"

_EXPECTED = (
    RunError,
    TraceError,
    SuiteError,
    AbiError,
    BuildError,
    ToolError,
    VswapError,
    CramError,
)  # their message is the whole story


class Request(Value):
    """A run to be done by a simulator.

    Attributes:
        scenario: what to run; its trace's path is absolute.
        name: the scenario's name.
        simulator: which one.
        swapfile: absolute path.
        timeline: absolute path of the Perfetto trace to write, if one is wanted.
    """

    scenario: Scenario
    name: str
    simulator: Literal["verilator", "icarus"]
    swapfile: str
    timeline: str | None = None

    @classmethod
    def from_environment(cls) -> Request:
        """The request that this process was started for."""
        return cls.model_validate_json(Path(os.environ[REQUEST]).read_text(encoding="utf-8"))


class Failure(Value):
    """Why there is no result.

    Attributes:
        message: one line.
        details: the traceback.
    """

    message: str
    details: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """From the exception that ended a run."""
        message = str(error) if isinstance(error, _EXPECTED) else f"internal error: {type(error).__name__}: {error}"
        return cls(message=" ".join(message.split()), details="".join(traceback.format_exception(error)))


Answer = Progress | Result | Failure


class Channel:
    """The simulation's end of the pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Channel:
        """The pipe that this process was started with."""
        return cls(int(environment[CHANNEL]))

    def progress(self, progress: Progress) -> None:
        """How far it is."""
        self._send("progress", progress)

    def result(self, result: Result) -> None:
        """The end of a run that came to one."""
        self._send("result", result)

    def failure(self, error: BaseException) -> None:
        """The end of a run that did not."""
        self._send("failure", Failure.of(error))

    def _send(self, kind: str, value: Value) -> None:
        line = json.dumps({kind: value.model_dump(mode="json")}).encode() + b"\n"
        while line:
            line = line[os.write(self._descriptor, line) :]


def decode(line: str) -> Answer:
    """One answer. Raises ValueError for half a line, from a process that was killed while it wrote."""
    ((kind, value),) = json.loads(line).items()
    kinds: dict[str, type[Answer]] = {"progress": Progress, "result": Result, "failure": Failure}
    return kinds[kind].model_validate(value)
