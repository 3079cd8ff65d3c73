# SPDX-License-Identifier: MIT
"""Small scenarios of real pages, and the command run as a user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw.sources import ROOT
from sim.trace.file import Event, Kind, TraceHeader, TraceWriter, save
from tests.pages import ZERO_PAGE, program_pages

HEADER = TraceHeader(
    program="test", argv=["test"], date="2026-01-01", recorder="tests", python="3", window=0, loss="", complete=True
)

MAIN_DEVICE = {"perceived_pages": 2048, "media_bytes": 1 << 20}
"""The device of the main scenario: its simulation is compiled anyway."""


def write_trace(path: Path, pages: int = 60, rounds: int = 3) -> Path:
    """A trace of `pages` pages of a real program, all written, then read and rewritten `rounds` times in two spaces:
    the second is forked from the first after the first round, and exits last but one."""
    real = program_pages()
    contents = [real[i * 7 % len(real)] for i in range(pages * (rounds + 1))]
    contents[0] = ZERO_PAGE
    writer = TraceWriter()
    held: dict[tuple[int, int], int] = {}

    def write(space: int, page: int, data: bytes) -> None:
        held[space, page] = writer.content(data)
        writer.append(Event(space, page, Kind.WRITE, held[space, page]))

    for page in range(pages):
        write(0, page, contents[page])
    for number in range(rounds):
        for space in (0, 1) if number else (0,):
            for page in range(pages):
                writer.append(Event(space, page, Kind.READ, held[space, page]))
                if page % 3 == number % 3:
                    write(space, page, contents[pages * (number + 1) + page])
        if number == 0:
            writer.append(Event(0, 1, Kind.FORK))
            held |= {(1, page): held[0, page] for page in range(pages)}
    writer.append(Event(0, 1, Kind.UNMAP))
    writer.append(Event(1, 0, Kind.EXIT))
    save(writer.finish(HEADER), path)
    return path


def write_scenario(folder: Path, name: str = "small", pages: int = 60, **sections: Any) -> Path:
    """A scenario with a trace of its own beside it; `sections` (name -> {key: value}) override what is in it,
    key by key."""
    trace = write_trace(folder / f"{name}.trace", pages)
    values: dict[str, dict[str, Any]] = {
        "workload": {"trace": trace.name},
        "memory": {"limit_pages": 16},
        "cram": {"perceived_pages": 256, "media_bytes": 64 << 10, "cache_pages": 4},
    }
    for section, keys in sections.items():
        values.setdefault(section, {}).update(keys)
    path = folder / f"{name}.toml"
    path.write_text(toml(values))
    return path


def toml(values: dict[str, dict[str, Any]]) -> str:
    """Sections of keys as TOML."""
    lines = []
    for section, keys in values.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            lines.append(f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}")
    return "\n".join(lines) + "\n"


class Command:
    """`vcram` as a process of its own, with everything that it starts."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        self._mark = f"VCRAM_TEST={uuid.uuid4()}"
        name, _, value = self._mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sim.cli", *map(str, arguments)],
            cwd=ROOT, env=os.environ | {name: value} | environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def finish(self, timeout_s: float = 600) -> tuple[int, str, str]:
        """(exit status, standard output, standard error)."""
        output, errors = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, output, errors

    def read_until(self, text: str) -> str:
        """Wait for a line of progress that has `text` in it."""
        assert self.process.stderr is not None
        seen = ""
        for line in self.process.stderr:
            seen += line
            if text in line:
                return line
        raise AssertionError(f"the command ended without saying {text!r}:\n{seen}")

    def started(self, program: str) -> list[int]:
        """The processes that run for this command and have `program` in their command line."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                ours = self._mark.encode() in (folder / "environ").read_bytes().split(b"\0")
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if ours and program in line:
                found.append(int(folder.name))
        return found

    def wait_for(self, program: str, timeout_s: float = 600) -> int:
        """The process id of `program`, once the command has started it."""

        def started() -> list[int]:
            if self.process.poll() is not None:
                status, _, errors = self.finish()
                raise AssertionError(f"the command ended with {status} without starting {program}:\n{errors}")
            return self.started(program)

        return wait(started, timeout_s)[0]

    def interrupt(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        self.process.send_signal(number)

    def left_behind(self) -> list[int]:
        """What still runs of all that it started, a moment after its end."""
        deadline = time.monotonic() + 60  # only what is left behind takes that long
        while (left := self.started("")) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


def wait(condition: Callable[[], list[int]], timeout_s: float) -> list[int]:
    """Poll until the condition gives something."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
