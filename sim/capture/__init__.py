# SPDX-License-Identifier: MIT
"""Capture: records a real program's anonymous pages and its accesses to them as a trace (docs/trace.md)."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sim.capture.clock import ProgramClock
from sim.capture.recorder import Begin, Progress, Recorder
from sim.follow import FollowError, available, check_streams, find_program
from sim.trace.file import DEFAULT_MAX_CONTENTS, DEFAULT_MAX_EVENTS, Trace, TraceHeader, TraceWriter, save

__all__ = ["Begin", "CaptureError", "CaptureResult", "Progress", "capture"]

DEFAULT_WINDOW = 256

_LOSS = (
    "Private anonymous memory only; written pages of file mappings, shared and huge-page memory are not in it. "
    "{window} pages of each address space are open at a time: of a page's accesses while it is open only the first and "
    "the first write show, in the order they happened, and that write shows what the page held when it was closed. "
    "Pages are closed in the order they were opened. What was written before a page could be watched (the first stack) "
    "shows as one write each, in order of address. Time between events is that in which the recorder had nothing to "
    "record; the stops at calls that it looks at are in it."
)
_BEGAN = " It began {seconds:.1f} s after the program: what was there shows as one write a page, forks not at all."


class CaptureError(Exception):
    """A program could not be recorded; one line that says why and what to do about it."""


@dataclass(frozen=True)
class CaptureResult:
    """What a recording came to.

    Attributes:
        trace: the trace, as written.
        file_bytes: size of the file.
        exit_status: the program's, as a shell gives it.
        interrupted: it was ended by Ctrl-C; the trace shows what happened until then.
        limit: the argument of `capture` at which the recording ended before the program did.
    """

    trace: Trace
    file_bytes: int
    exit_status: int
    interrupted: bool
    limit: Literal["max_events", "max_contents"] | None


def capture(
    argv: Sequence[str],
    output: Path,
    *,
    window: int = DEFAULT_WINDOW,
    max_events: int = DEFAULT_MAX_EVENTS,
    max_contents: int = DEFAULT_MAX_CONTENTS,
    begin: Begin | None = None,
    env: Mapping[str, str] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> CaptureResult:
    """Run `argv` and record it, its threads and its children into the file `output`.

    The program keeps this process' standard streams and, unless `env` is given, its environment. Must be called in the
    main thread. `output` is replaced only by a whole trace.

    Args:
        argv: program (looked up in PATH) and arguments.
        output: trace file to write.
        window: pages open at a time in each address space, at least 16; fewer show more of the accesses.
        max_events: the recording ends, and the program goes on, when there are so many events.
        max_contents: the same for distinct page contents (4096 bytes each in memory).
        begin: when to record, at once by default; the program runs freely before.
        env: the program's environment.
        progress: called about five times a second, and at the end.

    Raises:
        CaptureError: the command cannot be run, the file cannot be written, or this machine does not let us record.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise CaptureError(f"capture works on Linux x86_64 only, not on {platform.system()} {platform.machine()}")
    if window < 16:
        raise CaptureError(f"window of {window} pages is too small: one instruction may need several; at least 16")
    if (refusal := available()) is not None:
        raise CaptureError(f"cannot watch page faults (userfaultfd: {refusal}); run as root")
    try:
        check_streams()
        program = find_program(argv)
    except FollowError as error:
        raise CaptureError(str(error)) from error
    _check_writable(output)
    clock = ProgramClock()
    writer = TraceWriter(max_events, max_contents, passed=clock.passed)
    recorder = Recorder(writer, window, clock, begin or Begin(), progress)
    interrupted = False
    try:
        exit_status = recorder.run([program, *argv[1:]], env)
    except KeyboardInterrupt:
        interrupted, exit_status = True, 130
    except FollowError as error:
        raise CaptureError(str(error)) from error
    if recorder.begun_s is None:
        raise CaptureError(f"{argv[0]}: ended before the recording began (exit status {exit_status}); no trace written")
    if not len(writer):
        raise CaptureError(f"{argv[0]}: nothing was recorded (exit status {exit_status}); no trace written")
    header = TraceHeader.recorded_now(
        argv,
        "userfaultfd",
        window=window,
        loss=_LOSS.format(window=window) + (_BEGAN.format(seconds=recorder.begun_s) if recorder.begun_s else ""),
        complete=recorder.complete and not interrupted,
    )
    trace = writer.finish(header)
    try:
        size = save(trace, output)
    except OSError as error:
        raise CaptureError(f"{output}: {error.strerror}") from error
    limit = None if recorder.complete or interrupted else writer.limit
    return CaptureResult(trace, size, exit_status, interrupted, limit)


def _check_writable(output: Path) -> None:
    """Find out before the program runs, not after."""
    folder = output.parent
    if output.is_dir():
        raise CaptureError(f"{output}: is a directory")
    if not folder.is_dir():
        raise CaptureError(f"{output}: no such directory: {folder}")
    if not os.access(folder, os.W_OK):
        raise CaptureError(f"{output}: {os.strerror(errno.EACCES)}")
