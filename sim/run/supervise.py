# SPDX-License-Identifier: MIT
"""Supervise: a simulation as a child process: started, listened to, and never left behind.

The child leads a process group of its own. It compiles the RTL where that has not been done yet, then turns into the
simulator, so that one kill of the group ends whatever is under way. `python -m sim.run.supervise` is the child.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hw.build import build
from hw.processes import kill_group
from hw.simulate import command
from hw.sources import ROOT
from sim.run.metrics import Progress, Result
from sim.run.request import CHANNEL, REQUEST, Channel, Failure, Request, decode
from sim.run.run import RunError

LOG = "simulation.log"


def supervise(request: Request, folder: Path, report: Callable[[Progress], None]) -> Result:
    """Run a request under its simulator and give its result.

    Args:
        request: what to run.
        folder: of the run: holds the request and the log `simulation.log`.
        report: called with the progress, from the calling thread.

    Raises:
        RunError: no result: one line that says why and where the log is; the swapfile is left as it is.
        KeyboardInterrupt: as raised by a signal handler; the simulator is gone by then.
    """
    asked = folder / "request.json"
    asked.write_text(request.model_dump_json(), encoding="utf-8")
    answers, channel = os.pipe()
    log, last, failure = folder / LOG, None, None
    environment = os.environ | {REQUEST: str(asked), CHANNEL: str(channel), "PYTHONPATH": _python_path()}
    with os.fdopen(answers, encoding="utf-8") as lines, log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "sim.run.supervise"],
                env=environment, cwd=folder, pass_fds=[channel], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        finally:
            os.close(channel)
        try:
            for line in lines:
                try:
                    answer = decode(line)
                except ValueError:
                    break
                if isinstance(answer, Result):
                    return answer
                if isinstance(answer, Failure):
                    failure = answer
                    break
                last = answer
                report(answer)
            if failure is None:
                process.wait()
        finally:
            kill_group(process)
    if failure is not None:
        error = RunError(f"{failure.message} (log: {log})" if "log: " not in failure.message else failure.message)
        error.add_note(failure.details)
        raise error
    raise RunError(f"{_death(process.returncode, request.simulator, last)}; log: {log}; "
                   f"the swapfile is left as it was: {request.swapfile}")  # fmt: skip


def _death(status: int, simulator: str, last: Progress | None) -> str:
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    if last is None or last.phase == "compile":
        return f"the {simulator} build {how}"
    return f"the {simulator} simulation {how} after {last.done} of {last.total} ({last.phase})"


def _python_path() -> str:
    return os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])


def become_simulator() -> None:
    """The child: compile, then turn into the simulator."""
    request, channel = Request.from_environment(), Channel.from_environment()
    try:
        channel.progress(Progress(phase="compile", done=0, total=1))
        benches = sorted((ROOT / "hw" / "bench").glob("*.v"))
        built = build("cram_tb", request.simulator, request.scenario.rtl_parameters(), sources=benches)
        channel.progress(Progress(phase="compile", done=1, total=1))
        argv, environment = command(
            built,
            "sim.run.inside",
            {
                "COCOTB_RESULTS_FILE": str(Path("results.xml").absolute()),
                "COCOTB_RANDOM_SEED": str(request.scenario.workload.seed),
            },
        )
        os.execvpe(argv[0], argv, environment)
    except Exception as error:
        channel.failure(error)
        sys.exit(1)


if __name__ == "__main__":
    become_simulator()
