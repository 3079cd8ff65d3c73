# SPDX-License-Identifier: MIT
"""Waves: every signal of the device during a part of a run, on the run's simulated clock, with views for two viewers.

The device's clock stands still while it has nothing to do, and its waves count its cycles. Here they get the times of
the run, so that they can be laid beside its report and its timeline.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hw.links.verilated import VerilatedLink
from sim.run.metrics import FaultRecord
from sim.run.window import Window
from vswap.base.results import naming

_SHOWN = re.compile(r"(interrupt_o|busy_o|(host|axil|media)_(aw|w|b|ar|r)(valid|ready|addr|last|resp)|idle_o)")
"""The signals of the views: the device's ports."""
_FRAMES = 2.5  # of 200 pixels, by which GTKWave zooms, in the window that it opens with


class WavesLink(VerilatedLink):
    """A link that writes waves while its clock is in a window.

    Attributes:
        window: when; a window of faults begins with the end of the fault before its first.
        file: where; as VCD until `finish`.
        begun, over: the window has begun; it has ended.
    """

    window: Window
    file: Path
    begun = over = False

    def watch(self, window: Window, file: Path) -> None:
        """Write what happens in a window to a file."""
        self.window, self.file, self._fst = window, file.with_suffix(".vcd"), file.suffix == ".fst"
        self._offsets: list[tuple[int, int]] = []  # (from which cycle, simulated ns less cycles)
        self._times = 0, 0  # of the first and the last line of the file, ps
        if window.faults and window.start == 1:
            self._begin()

    def fault(self, fault: FaultRecord) -> None:
        """A fault has ended."""
        if self.window.faults and not self.begun and fault.number >= self.window.start - 1:
            self._begin()
        if self.window.faults and not self.over and fault.number >= self.window.end:
            self._end()

    def advance(self, until: int | None) -> int:
        """See VerilatedLink; it stops at the window's ends."""
        now = self.clock.now
        if not self.window.faults and not self.over:
            if not self.begun and now >= self.window.start:
                self._begin()
            if now >= self.window.end:
                self._end()
            else:
                edge = self.window.end if self.begun else self.window.start
                until = edge if until is None else min(until, edge)
        offset = now - self.cycles
        if self.begun and not self.over and (not self._offsets or self._offsets[-1][1] != offset):
            self._offsets.append((self.cycles, offset))
        return super().advance(until)

    def finish(self) -> list[Path]:
        """End the file, give it the run's times and write the views; the files, none if the device did nothing."""
        if self.begun and not self.over:
            self._end()
        if not self._offsets:
            self.file.unlink(missing_ok=True)
            return []
        cycles = self.file.with_suffix(".cycles")
        self.file.replace(cycles)
        with naming(self.file), cycles.open() as source, self.file.open("w") as target:
            target.writelines(self._on_the_runs_clock(source))
        cycles.unlink()
        signals = _signals(self.file)
        waves = _as_fst(self.file) if self._fst else self.file
        return [waves, *_views(waves, signals, self._times)]

    def _begin(self) -> None:
        self.begun = True
        self.start_waves(self.file)

    def _end(self) -> None:
        self.over = True
        self.stop_waves()

    def _on_the_runs_clock(self, lines: Iterator[str]) -> Iterator[str]:
        ahead = iter([*self._offsets[1:], (1 << 62, 0)])
        offset = self._offsets[0][1]
        cycle, later = next(ahead)
        for line in lines:
            if line.startswith("#"):
                time = int(line[1:])
                while time // 1000 >= cycle:
                    offset = later
                    cycle, later = next(ahead)
                now = time + offset * 1000
                self._times = self._times[0] if self._times[1] else now, now
                yield f"#{now}\n"
            else:
                yield line


def _signals(file: Path) -> list[tuple[str, int]]:
    """(full name, bits) of the signals to show, each once, from the head of a VCD file."""
    scopes: list[str] = []
    found: dict[str, tuple[str, int]] = {}
    with file.open() as lines:
        for line in lines:
            words = line.split()
            if words[:1] == ["$scope"]:
                scopes.append(words[2])
            elif words[:1] == ["$upscope"]:
                scopes.pop()
            elif words[:1] == ["$var"] and scopes and scopes[-1] == "cram_bench" and _SHOWN.fullmatch(words[4]):
                found[words[4]] = ".".join([*scopes, words[4]]), int(words[2])
            elif words[:1] == ["$enddefinitions"]:
                break
    return list(found.values())


def _as_fst(file: Path) -> Path:
    """The same as FST, much smaller, where GTKWave's converter is installed and works; else the file as it is."""
    program = shutil.which("vcd2fst")
    if program is None:
        return file
    target = file.with_suffix(".fst")
    done = subprocess.run([program, str(file), str(target)], capture_output=True)
    if done.returncode or not target.exists():
        return file
    file.unlink()
    return target


def _views(waves: Path, signals: list[tuple[str, int]], times: tuple[int, int]) -> list[Path]:
    """A saved view for GTKWave and a command file for Surfer; both show all of the file."""
    gtkwave, surfer = waves.with_suffix(".gtkw"), waves.with_suffix(".sucl")
    frame = max(2, (times[1] - times[0]) / _FRAMES)  # ps
    zoom = f"*-{math.log2(frame):.6f} -1"
    names = [f"{name}[{bits - 1}:0]" if bits > 1 else name for name, bits in signals]
    gtkwave.write_text("\n".join([f'[dumpfile] "{waves.absolute()}"', f"[timestart] {times[0]}", zoom, *names, ""]))
    commands = [f"load_file {waves.absolute()}", *(f"variable_add {name}" for name, _ in signals), "zoom_fit", ""]
    surfer.write_text("\n".join(commands))
    return [gtkwave, surfer]
