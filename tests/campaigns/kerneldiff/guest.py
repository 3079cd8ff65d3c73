# SPDX-License-Identifier: MIT
"""The guest: Debian's kernel under QEMU with the agent as its only program, and a line to it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw.places import build_folder
from sim.guest import GuestError as GuestError
from sim.guest import alone, compile_static, fetch_kernel, write_initramfs
from tests.campaigns.kerneldiff.script import MOST_SWAP_PAGES

QEMU = "qemu-system-x86_64"
WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""What runs a guest: it ends when we end, however that is."""
KERNELS = {"6.1": ("linux-image-amd64",), "6.12": ("linux-image-6.12-amd64",)}
"""Debian's packages, by the profile that they are held against. Debian 12 has both."""
DISKS = ("swap", "backing", "spare")
"""/dev/vda and those after it."""
MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "zsmalloc", "lz4", "zram")
PATIENCE_S = 120.0
"""For an answer; the first one waits for the boot, which takes some seconds under emulation on a free processor."""


class RequestError(Exception):
    """The guest could not do what it was asked for: one line."""


class Guest:
    """A running guest. `ask` sends a request of agent.c and gives the lines of the answer."""

    def __init__(self, version: str, line: socket.socket, process: subprocess.Popen[bytes], console: Path) -> None:
        self.version = version
        self._socket = line
        self._process = process
        self._console = console
        self._rest = b""

    def ask(self, request: str) -> list[str]:
        """The answer, without its last line. Raises RequestError, GuestError when there is no answer."""
        self._socket.sendall(request.encode() + b"\n")
        lines: list[str] = []
        while True:
            line = self._line()
            if line == "ok":
                return lines
            if line.startswith("failed "):
                raise RequestError(f"{request}: {line[7:]}")
            lines.append(line)

    def read(self, *paths: str) -> dict[str, str]:
        """Files of the guest; one that is not there is empty."""
        texts: dict[str, str] = {}
        name = ""
        for line in self.ask("get " + " ".join(paths)):
            if line.startswith("=/"):
                name = line[1:]
                texts[name] = ""
            else:
                texts[name] += line + "\n"
        return texts

    def _line(self) -> str:
        while b"\n" not in self._rest:
            try:
                part = self._socket.recv(1 << 16)
            except OSError:  # no answer in time, or QEMU has ended
                part = b""
            if not part:
                raise GuestError(f"Linux {self.version} does not answer: {self._last_words()}")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")

    def _last_words(self) -> str:
        said = self._console.read_text(errors="replace").strip().splitlines()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f"{QEMU} ended with status {self._process.wait(1)}" + (f", {said[-1].strip()}" if said else "")
        return said[-1].strip() if said else "it said nothing"


@contextmanager
def boot(profile: str) -> Iterator[Guest]:
    """A guest with the kernel of a profile, fetched if need be; it ends with the context. Raises GuestError."""
    if shutil.which(QEMU) is None:
        raise GuestError(f"no {QEMU} here: apt-get install qemu-system-x86")
    folder = build_folder() / "kerneldiff"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr), alone(folder):  # its progress
        kernel = fetch_kernel(folder, KERNELS[profile], MODULES)
    files = {"init": (compile_static(Path(__file__).with_name("agent.c")), 0o755)}
    with tempfile.TemporaryDirectory(prefix="vcram-kerneldiff-") as temporary:
        place = Path(temporary)
        write_initramfs(place / "initramfs", files, kernel)
        for name in DISKS:
            with (place / name).open("wb") as disk:
                disk.truncate(MOST_SWAP_PAGES * 4096)
        process = subprocess.Popen(
            _command(kernel / "vmlinuz", place),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert process.stderr is not None
        try:
            with process.stderr, _connect(place / "line", process) as line:
                yield Guest((kernel / "version").read_text(), line, process, place / "console")
        finally:
            process.kill()
            process.wait()


def _command(kernel: Path, place: Path) -> list[str]:
    return [
        *WITH_US, QEMU, "-accel", "tcg", "-machine", "q35", "-m", "256", "-smp", "1",
        "-nodefaults", "-no-reboot", "-display", "none",
        "-kernel", str(kernel), "-initrd", str(place / "initramfs"),
        "-append", "console=ttyS0 quiet panic=-1 no_timer_check transparent_hugepage=never cgroup_no_v1=all",
        "-serial", f"file:{place / 'console'}",
        "-chardev", f"socket,id=line,path={place / 'line'},server=on,wait=off",
        "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=line,name=vcram",
        *(word for name in DISKS for word in (
            "-drive", f"file={place / name},format=raw,if=none,id={name},cache=unsafe",
            "-device", f"virtio-blk-pci,drive={name}",
        )),
    ]  # fmt: skip


def _connect(path: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + PATIENCE_S
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(PATIENCE_S)
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
            raise GuestError(f"{QEMU} ended: {said[-1] if said else process.returncode}")
        try:
            line.connect(str(path))
            return line
        except OSError:
            time.sleep(0.02)
    line.close()
    raise GuestError(f"{QEMU} does not open its line to the guest")
