# SPDX-License-Identifier: MIT
"""The guest: Debian's kernel and busybox, unpacked beside the build and not installed, and a small initramfs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sim.guest import alone, compile_static, fetch_kernel, fetch_package, write_initramfs

HERE = Path(__file__).resolve().parent
KERNELS = ("linux-image-6.12-amd64", "linux-image-amd64")
"""Generic ones: cloud kernels have no zswap. Debian 12 has both; before 6.8 a full zswap hardly writes back."""
MODULES = ("virtio_pci", "virtio_blk", "zsmalloc", "lz4")  # what the guest needs, and what these need


@dataclass(frozen=True)
class Guest:
    """What QEMU boots."""

    kernel: Path
    initramfs: Path
    version: str


def build_guest(folder: Path, initramfs: Path, pages: list[bytes], settings: dict[str, int]) -> Guest:
    """Fetch what is not there yet, and make the initramfs. Raises sim.guest.GuestError.

    Args:
        folder: where packages are kept.
        initramfs: the file to make.
        pages: of real programs, for the hog.
        settings: variables of `init`.
    """
    with alone(folder):
        kernel = fetch_kernel(folder, KERNELS, MODULES)
        busybox = fetch_package(folder, "busybox-static")
    write_initramfs(
        initramfs,
        {
            "init": ((HERE / "init").read_bytes(), 0o755),
            "bin/busybox": (next(busybox.glob("*bin/busybox")).read_bytes(), 0o755),
            "hog": (compile_static(HERE / "hog.c"), 0o755),
            "pages": (b"".join(pages), 0o644),
            "settings": ("".join(f"{name}={value}\n" for name, value in settings.items()).encode(), 0o644),
        },
        kernel,
    )
    return Guest(kernel / "vmlinuz", initramfs, (kernel / "version").read_text())
