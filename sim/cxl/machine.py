# SPDX-License-Identifier: MIT
"""The machine: QEMU with a CXL host bridge, a root port and our device, and a guest that runs in it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw.parameters import DeviceParameters
from hw.places import build_folder
from hw.verilated.library import compiled
from hw.workers import WorkerPool
from sim.cxl.figures import NEEDED
from sim.cxl.guest import Guest, build_guest
from sim.cxl.qemu import Qemu, describe, fetch_qemu
from sim.guest import alone, run_folder
from sim.run.window import Waves

UNIT_PAGES = 65536
"""HDM decoders, windows of the host and Identify count in 256 MiB."""
TIME_LIMIT_S = 1200.0
_LOOK_S = 0.5
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""QEMU ends with this process, even if that is killed."""
FIGURE = re.compile(r"@([a-z][\w.]*) (\d+)")
"""A line of the guest's that is for us."""
_COMPLAINTS = 5
"""Last lines of what a device of somebody else's has said, to be shown."""
_CPU = "max,vendor=GenuineIntel,-hypervisor,-erms,-fsrm,-rdrand,-rdseed"
# vendor: machine checks are Intel's. hypervisor: with it the kernel makes no region, as it cannot flush the caches.
# erms, fsrm: with them it copies pages byte by byte. rdrand, rdseed: they would differ from run to run.
_ARGUMENTS = "console=ttyS0 quiet panic=-1 no_timer_check memhp_default_state=online_movable init_on_alloc=0"
# init_on_alloc: every page would be written twice.


class CxlError(Exception):
    """The guest gave no result: one line that says why."""


@dataclass(frozen=True)
class Machine:
    """What the guest has.

    Attributes:
        parameters: of the device; as many perceived pages as UNIT_PAGES, or a multiple.
        memory_mb: DRAM.
        processors: of the guest.
        icount: its time is that of the instructions, so that two runs are equal.
        library: the device itself; None: the RTL with these parameters.
        modules: of the kernel, to load.
        provider: ours is loaded, which trims and heeds the watermarks.
        hot: heat at which ours promotes a page (docs/device/hot-pages.md); 0: never.
        faults: a program of the guest can have the media fail (sim/cxl/plugin/faults.h).
        swap_bytes: of a disk to swap to, with zswap in front of it; 0: none.
        packages: of Debian, that the guest has.
        reclaim: the command's group is reclaimed again and again.
        record: gets what the kernel's tracepoints say of the pages of the command (docs/cxl.md).
        waves: of the device, by its cycles, which are the window's ns.
        log: gets every access to the CXL device registers, a line each: r or w, offset, bytes, value.
        time_limit_s: for the whole run.
    """

    parameters: DeviceParameters = field(
        default_factory=lambda: DeviceParameters(perceived_pages=UNIT_PAGES, media_bytes=64 << 20)
    )
    memory_mb: int = 512
    processors: int = 1
    icount: bool = False
    library: Path | None = None
    modules: tuple[Path, ...] = ()
    provider: bool = True
    hot: int = 0
    faults: bool = False
    swap_bytes: int = 0
    packages: tuple[str, ...] = ()
    reclaim: bool = False
    record: Path | None = None
    waves: Waves | None = None
    log: Path | None = None
    time_limit_s: float = TIME_LIMIT_S


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    Attributes:
        kernel, qemu: their versions.
        told: what the guest said, by name.
        counted: the plugin's figures.
        lines: all else that the guest said.
        console: of its kernel.
    """

    kernel: str
    qemu: str
    told: dict[str, int]
    counted: dict[str, Any]
    lines: list[str]
    console: str


def run_guest(
    machine: Machine,
    command: Sequence[str],
    say: Callable[[str], None] = print,
    shell: bool = False,
    watch: Callable[[dict[str, Any]], None] | None = None,
) -> Outcome:
    """Boot a guest, make a memory node of the device, run a command there and end it.

    Args:
        machine: to run it on.
        command: see sim.cxl.guest.build_guest.
        say: gets each line that the guest says, as it comes.
        shell: the command is a shell on this terminal.
        watch: gets the plugin's figures while the guest runs, a few times a second.

    Raises:
        CxlError: no result.
        sim.guest.GuestError: what it needs cannot be had.
        hw.build.BuildError, hw.tools.ToolError: the RTL cannot be compiled.
    """
    folder = build_folder() / "cxl"
    folder.mkdir(parents=True, exist_ok=True)
    with run_folder() as place:
        with WorkerPool(1) as pool:  # packages come while the compiler works
            compiling = pool.submit(device_library, machine)
            with alone(folder):
                qemu = fetch_qemu(folder)
                guest = build_guest(
                    folder, place / "initramfs", command, machine.modules, shell, machine.provider,
                    bool(machine.swap_bytes), machine.hot, machine.packages, machine.reclaim,
                    machine.record is not None,
                )  # fmt: skip
            library = compiling.result()
        live = place / "live" if watch else None
        argv = _command(machine, qemu, guest, library, place, shell, live)
        say(f"booting Linux {guest.version} on {describe(qemu).partition(' ')[0]} with {machine.memory_mb} MB")
        told: dict[str, int] = {}
        lines: list[str] = []
        deadline = time.monotonic() + machine.time_limit_s
        for line in foreground(argv) if shell else _lines(argv, deadline, place / "errors"):
            if live is not None and watch is not None and live.exists():
                watch(json.loads(live.read_text()))
            if (figure := FIGURE.fullmatch(line)) is not None:
                told[figure[1]] = int(figure[2])
            elif line:
                lines.append(line)
                say(line)
        console = (place / "console").read_text(errors="replace") if (place / "console").exists() else ""
        if shell:
            told = {"end": 1} if (place / "figures").exists() else {}
        said = (place / "errors").read_text(errors="replace").splitlines() if not shell else []
        if machine.library is not None:
            for line in said[-_COMPLAINTS:]:
                say(f"device: {line}")
        if "end" in told and not (place / "figures").exists():
            raise CxlError(f"the device's figures could not be written: is there no room in {place.parent}?")
        if "end" not in told:
            kept = folder / "console"
            kept.write_text(console)
            words = console.strip().splitlines() or lines or ["it said nothing"]
            why = next((line for line in words if "Kernel panic" in line), words[-1])
            raise CxlError(f"the guest ended early: {why.strip()}; all of its console: {kept}")
        if missing := [name for name in NEEDED if name not in told and not shell]:
            raise CxlError(
                f"the guest has not told its {missing[0]}: the command must leave /proc and /sys as they are"
            )
        counted = json.loads((place / "figures").read_text())
    return Outcome(guest.version, describe(qemu), told, counted, lines, console)


def device_library(machine: Machine) -> Path:
    """The library of its device, compiled if need be. Raises hw.build.BuildError, hw.tools.ToolError."""
    return machine.library or compiled(
        machine.parameters, waves=machine.waves is not None, memories=machine.faults
    )  # fmt: skip


def _command(
    machine: Machine, qemu: Qemu, guest: Guest, library: Path, place: Path, shell: bool, live: Path | None
) -> list[str]:
    megabytes = machine.parameters.perceived_pages // 256
    device = f"cxl-cram,bus=root,library={file_option(library)},figures={file_option(place / 'figures')}"
    if machine.log is not None:
        device += f",log={file_option(machine.log)}"
    if machine.waves is not None:
        window = machine.waves.window
        device += f",waves={file_option(machine.waves.file)},waves-from={window.start},waves-to={window.end}"
    if live is not None:
        device += f",live={file_option(live)}"
    if machine.faults:
        device += ",faults=on"
    disk: list[str] = []
    if machine.swap_bytes:
        with (place / "swap").open("wb") as file:
            file.truncate(machine.swap_bytes)
        # Pages on the node are no RAM to QEMU. It copies what goes to the disk, and 4 KiB at once are not enough. That
        # limit is the address space's of the device, which a device has only with iommu_platform.
        disk = ["-drive", f"file={file_option(place / 'swap')},format=raw,if=none,id=swap,werror=report",
                "-device", "virtio-blk-pci,drive=swap,bus=pcie.0,disable-legacy=on,iommu_platform=on,"
                f"x-max-bounce-buffer-size={64 << 20}"]  # fmt: skip
    still = ["-icount", "shift=2,sleep=off", "-rtc", "base=2026-01-01,clock=vm", "-seed", "1"] if machine.icount else []
    return [
        *_WITH_US, str(qemu.program), *qemu.options, "-plugin", f"file={file_option(qemu.plugin)}",
        "-accel", "tcg", "-cpu", _CPU, *still,
        "-machine", f"q35,cxl=on,cxl-fmw.0.targets.0=bridge,cxl-fmw.0.size={megabytes}M",
        "-m", f"{machine.memory_mb},slots=1,maxmem=4G", "-smp", str(machine.processors),
        "-nodefaults", "-no-reboot", "-display", "none",
        "-device", "pxb-cxl,bus_nr=12,bus=pcie.0,id=bridge",
        "-device", "cxl-rp,port=0,bus=bridge,id=root,chassis=0,slot=2",
        "-device", device, *disk,
        "-serial", f"file:{place / 'console'}", "-serial", "mon:stdio" if shell else "stdio",
        *(["-serial", f"file:{machine.record.absolute()}"] if machine.record is not None else []),
        "-kernel", str(guest.kernel), "-initrd", str(guest.initramfs), "-append", _ARGUMENTS,
    ]  # fmt: skip


def file_option(path: Path) -> str:
    """A file in an option of QEMU's, where commas are between the parts. The library is loaded by that name: without a
    folder it would be looked for among the system's."""
    return str(path.absolute()).replace(",", ",,")


def foreground(argv: list[str]) -> Iterator[str]:
    """Run it on this terminal, which is then as it was before: QEMU has it raw, and may be killed."""
    before, flags = termios.tcgetattr(sys.stdin), fcntl.fcntl(sys.stdin, fcntl.F_GETFL)
    with subprocess.Popen(argv) as process:
        try:
            process.wait()
        finally:
            process.kill()
            process.wait()
            fcntl.fcntl(sys.stdin, fcntl.F_SETFL, flags)
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
    yield from ()


def _lines(argv: list[str], deadline: float, errors: Path) -> Iterator[str]:
    """Run it, and give the lines that the guest writes, an empty one while it says nothing; whatever happens, it ends
    with the iteration. What QEMU and the device complain of goes to `errors`, as much as it may be."""
    with errors.open("wb") as complaints:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True
        )
    assert process.stdout is not None
    with process.stdout as stream:
        rest = b""
        try:
            while True:
                if time.monotonic() > deadline:
                    raise CxlError(": ".join(["the guest took too long (--time-limit)", *_complaint(errors)]))
                if not select.select([stream], [], [], _LOOK_S)[0]:
                    yield ""
                    continue
                part = os.read(stream.fileno(), 1 << 16)
                if not part:
                    break
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace").strip()
            if process.wait():
                said = _complaint(errors) or [str(signal.strsignal(-process.returncode))]
                raise CxlError(f"QEMU ended: {said[0]}")
        finally:
            process.kill()
            process.wait()


def _complaint(errors: Path) -> list[str]:
    """The last line that QEMU has complained with, if any."""
    return errors.read_text(errors="replace").strip().splitlines()[-1:]
