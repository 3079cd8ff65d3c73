# SPDX-License-Identifier: MIT
"""The guest: Debian's kernel 6.12 as it is, busybox, and what is to run in it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.corpus import files as corpus_files
from sim.cxl.provider import build_provider
from sim.data import CORPUS
from sim.guest import compile_static, fetch_kernel, fetch_package, write_initramfs

HERE = Path(__file__).resolve().parent / "guest"
KERNELS = ("linux-image-6.12-amd64", "linux-image-amd64")
"""A generic one: cloud kernels have no CXL. It is the stock kernel of Debian 13; Debian 12 has it beside its own."""
MODULES = ("cxl_acpi", "cxl_pci", "cxl_mem", "dax_cxl", "device_dax", "kmem")
SWAP_MODULES = ("virtio_pci", "virtio_blk", "zsmalloc", "lz4")
PROGRAMS = ("cold", "poison")
"""Of sim/cxl/guest, compiled for the guest."""


@dataclass(frozen=True)
class Guest:
    """What QEMU boots."""

    kernel: Path
    initramfs: Path
    version: str


def build_guest(
    folder: Path,
    command: Sequence[str],
    extra: Sequence[Path] = (),
    shell: bool = False,
    provider: bool = True,
    swap: bool = False,
) -> Guest:
    """Fetch what is not there yet, and make the initramfs.

    Args:
        folder: where packages are kept.
        command: what runs in the guest, and its arguments. A file of this machine, a script or a static program, is
            taken along; another name is one of the guest's own: of busybox, or in PROGRAMS.
        extra: modules of the kernel to load.
        shell: a shell takes the command's place.
        provider: our module is loaded, which trims and heeds the watermarks (sim.cxl.provider).
        swap: it swaps to its disk, with zswap in front of it.

    Raises:
        sim.guest.GuestError: it cannot be had.
    """
    kernel = fetch_kernel(folder, KERNELS, (*MODULES, *SWAP_MODULES))
    version = (kernel / "version").read_text()
    busybox = fetch_package(folder, "busybox-static")
    files = {
        "init": ((HERE / "init").read_bytes(), 0o755),
        "bin/busybox": (next(busybox.glob("*bin/busybox")).read_bytes(), 0o755),
        "pages": (b"".join(_pages()), 0o644),
        "settings": (f"shell={'1' if shell else ''}\nswap={'1' if swap else ''}\n".encode(), 0o644),
        **{f"bin/{name}": (compile_static(HERE / f"{name}.c", folder), 0o755) for name in PROGRAMS},
        **({"provider.ko": (build_provider(folder, version).read_bytes(), 0o644)} if provider else {}),
        **{f"extra/{path.name}": (path.read_bytes(), 0o644) for path in extra},
    }
    words = list(command)
    if words and Path(words[0]).is_file():
        name = f"command/{Path(words[0]).name}"
        files[name] = (Path(words[0]).read_bytes(), 0o755)
        words[0] = f"/{name}"
    files["command/run"] = (f"#!/bin/sh\nexec {shlex.join(words)}\n".encode(), 0o755)
    initramfs = folder / "initramfs"
    write_initramfs(initramfs, files, kernel)
    return Guest(kernel / "vmlinuz", initramfs, version)


def _pages() -> list[bytes]:
    return [page for entry in corpus_files.load(CORPUS).entries for page in corpus_files.pages(CORPUS, entry)]
