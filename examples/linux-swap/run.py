# SPDX-License-Identifier: MIT
"""A Linux guest that swaps to the emulated device: real kernel, real zswap in front of it (docs/nbd.md).

    make linuxswap                                     # the RTL
    .venv/bin/python examples/linux-swap/run.py --device model

Boots Debian's kernel in QEMU with little memory and `vcram nbd` as its swap disk, and runs a program there that needs
more memory than there is and checks every byte of it. Kernel and busybox are fetched as packages and unpacked under
build/; nothing is installed. Exit status: 0 every byte was right; 1 not so, or no result; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from guest import Guest, build_guest  # noqa: E402

from hw.places import build_folder, results_folder  # noqa: E402
from sim.base.interrupts import interruptible  # noqa: E402
from sim.corpus import files as corpus_files  # noqa: E402
from sim.data import CORPUS  # noqa: E402
from sim.guest import GuestError, run_folder  # noqa: E402

QEMU = "qemu-system-x86_64"
LEAST_SWAP_OUTS = 10_000
LEFT_PAGES = 8 * 512  # clusters of the swap disk with slots that a processor had set aside: they are never discarded


def main() -> int:
    options = _options()
    try:
        with interruptible():
            return _run(options)
    except GuestError as error:
        print(f"linux-swap: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("linux-swap: interrupted; nothing is left running", file=sys.stderr)
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["model", "verilated"], default="verilated")
    parser.add_argument("--kvm", action="store_true", help="let the processor run the guest, not QEMU's emulation")
    parser.add_argument("--memory", type=int, default=160, metavar="MB", help="of the guest (160)")
    parser.add_argument("--hog", type=int, default=200, metavar="MB", help="what the program in it needs (200)")
    parser.add_argument("--rounds", type=int, default=1, help="how often it changes and checks a quarter of it (1)")
    parser.add_argument("--pool", type=int, default=5, metavar="PERCENT", help="of memory for zswap (5)")
    parser.add_argument("--disk", default="512M", metavar="SIZE", help="of the swap disk (512M)")
    parser.add_argument("--media", default="128M", metavar="SIZE", help="of the media behind it (128M)")
    parser.add_argument("--timeout", type=int, default=1200, metavar="S", help="for the guest (1200)")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> int:
    if shutil.which(QEMU) is None:
        raise GuestError(f"no {QEMU} here: apt-get install qemu-system-x86")
    pages = [page for entry in corpus_files.load(CORPUS).entries for page in corpus_files.pages(CORPUS, entry)]
    settings = {"hog": options.hog, "rounds": options.rounds, "pool": options.pool}
    with run_folder() as folder:
        guest = build_guest(build_folder() / "linux-swap", folder / "initramfs", pages, settings)
        socket, figures = folder / "swap", folder / "figures.json"
        with _disk(options, socket, figures):
            told = _boot(options, guest, socket)
        device = json.loads(figures.read_text())
    result = results_folder() / "linux-swap.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps({"guest": told, "device": device}, indent=2) + "\n")
    _table(told, device)
    problems = find_problems(told, device)
    for problem in problems:
        print(f"linux-swap: {problem}", file=sys.stderr)
    if not problems:
        print(f"0 bad pages of {told['hog.checked']:,} checked, {told['vmstat.pswpout']:,} swapped out; {result}")
    return bool(problems)


@contextmanager
def _disk(options: argparse.Namespace, socket: Path, figures: Path) -> Iterator[None]:
    """`vcram nbd` while in use; its figures are written at the end."""
    print(f"starting the device ({options.device}); RTL that is not compiled yet takes two minutes", flush=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "sim.cli", "nbd", "--socket", str(socket), "--size", options.disk,
         "--media", options.media, "--device", options.device, "--json", str(figures)],
        cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr:
        try:
            line = process.stderr.readline()
            if not line.startswith("serving"):
                raise GuestError(f"no disk: {line.strip()}")
            yield
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read()
            if process.wait():
                raise GuestError(f"the disk's server failed: {said.strip()}")
        finally:
            process.terminate()
            process.wait()


def _boot(options: argparse.Namespace, guest: Guest, socket: Path) -> dict[str, int]:
    """Run the guest to its end; what it told."""
    machine = ["-accel", "kvm", "-cpu", "host"] if options.kvm else ["-accel", "tcg"]
    process = subprocess.Popen(
        [QEMU, *machine, "-machine", "q35", "-m", str(options.memory), "-smp", "1", "-nodefaults", "-no-reboot",
         "-display", "none", "-serial", "stdio", "-kernel", str(guest.kernel), "-initrd", str(guest.initramfs),
         "-append", "console=ttyS0 quiet panic=-1 no_timer_check",
         "-drive", f"file=nbd:unix:{socket},format=raw,if=none,id=swap,cache=none,discard=unmap",
         "-device", "virtio-blk-pci,drive=swap,discard=on"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    told: dict[str, int] = {}
    print(f"booting Linux {guest.version} with {options.memory} MB", flush=True)
    try:
        for line in _lines(process, time.monotonic() + options.timeout):
            if line.startswith("@"):
                name, _, value = line[1:].partition(" ")
                told[name] = int(value)
            elif line:
                print(f"  {line}", flush=True)
    finally:
        process.kill()
        process.wait()
    if "end.done" not in told:
        raise GuestError("the guest ended early; its last words are above")
    return told


def _lines(process: subprocess.Popen[bytes], deadline: float) -> Iterator[str]:
    """What the guest writes to its serial port, until it ends."""
    assert process.stdout is not None
    with process.stdout as stream:
        rest = b""
        while True:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([stream], [], [], left)[0]:
                raise GuestError("the guest took too long: --timeout, or a smaller --hog")
            part = os.read(stream.fileno(), 1 << 16)
            if not part:
                return
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").strip()


def _table(told: dict[str, int], device: dict[str, dict[str, int]]) -> None:
    """What the guest counted when the hog had ended beside what the device counted until the end."""
    left = [(name, value) for name, value in told.items() if not name.startswith("end.")]
    right = [(f"disk {name.replace('_', ' ')}", value) for name, value in device["disk"].items()]
    right += [
        (f"{when}: {name.replace('_', ' ')}", device[when][name]) for when in ("peak", "end") for name in device[when]
    ]
    right += [(f"device {name.replace('_', ' ')}", value) for name, value in device["device"].items() if value]
    print(f"\n{'the guest':<40} {'':>12}    the device")
    for i in range(max(len(left), len(right))):
        name, value = left[i] if i < len(left) else ("", "")
        other, count = right[i] if i < len(right) else ("", "")
        print(f"{name:<40} {_number(value):>12}    {other:<34} {_number(count):>14}".rstrip())
    print()


def _number(value: int | str | None) -> str:
    return f"{value:,}" if isinstance(value, int) else value or "-"


def find_problems(told: dict[str, int], device: dict[str, dict[str, int]]) -> list[str]:
    """What must not be."""
    problems = []
    if told.get("hog.bad", -1) != 0:
        problems.append(f"{told['hog.bad']:,} bad pages" if "hog.bad" in told else "the hog did not end")
    if told["vmstat.pswpout"] < LEAST_SWAP_OUTS:
        problems.append(f"only {told['vmstat.pswpout']:,} pages swapped out, at least {LEAST_SWAP_OUTS:,} expected")
    refused = {name: device["disk"][name] for name in ("enospc", "eio", "einval")}
    problems += [f"{count:,} requests refused with {name.upper()}" for name, count in refused.items() if count]
    if device["end"]["resident_pages"] > LEFT_PAGES:
        problems.append(f"{device['end']['resident_pages']:,} pages are left on the device after swapoff")
    return problems


if __name__ == "__main__":
    sys.exit(main())
