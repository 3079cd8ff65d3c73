# SPDX-License-Identifier: MIT
"""Guests: what Debian's packages have for one, unpacked beside the build and not installed, and an initramfs of it."""

from sim.guest.initramfs import cpio, write_initramfs
from sim.guest.kernel import fetch_headers, fetch_kernel
from sim.guest.packages import GuestError, Packages, alone, compile_static, fetch_package, run_compiler, run_tool
from sim.guest.place import run_folder
from sim.guest.tree import fetch_tree

__all__ = [
    "GuestError", "Packages", "alone", "compile_static", "cpio", "fetch_headers", "fetch_kernel", "fetch_package",
    "fetch_tree", "run_compiler", "run_folder", "run_tool", "write_initramfs",
]  # fmt: skip
