# SPDX-License-Identifier: MIT
"""Debian's kernels: the image, and those of its modules that a guest needs."""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sim.guest.packages import GuestError, Packages, fetch_package


def fetch_kernel(folder: Path, names: Sequence[str], modules: Sequence[str]) -> Path:
    """The first of these packages of kernels that is known here: a folder with `vmlinuz`, `version` and `modules`.
    These are `modules` and what they need, and the order to load them in. Raises GuestError."""
    packages = Packages()
    for name in names:
        for package in packages.depends(name):
            if package.startswith("linux-image-"):
                return fetch_package(folder, package, partial(_keep_kernel, modules))
    raise GuestError(f"none of the packages {', '.join(names)} is known here: apt-get update")


def _keep_kernel(modules: Sequence[str], unpacked: Path, kept: Path) -> None:
    shutil.move(str(next((unpacked / "boot").glob("vmlinuz-*"))), kept / "vmlinuz")
    root = next(unpacked.glob("**/lib/modules/*"))
    (kept / "version").write_text(root.name)
    (kept / "modules").mkdir()
    found = {_module_name(path.name): path for path in root.rglob("*.ko*")}
    builtin = {_module_name(Path(line).name) for line in (root / "modules.builtin").read_text().split()}
    order: list[str] = []

    def take(name: str) -> None:
        if name in builtin or f"{name}.ko" in order:
            return
        if name not in found:
            raise GuestError(f"the kernel {root.name} has no module {name}")
        data = found[name].read_bytes()
        if found[name].suffix == ".xz":
            data = lzma.decompress(data)
        for needed in _depends_of(data):
            take(needed)
        (kept / "modules" / f"{name}.ko").write_bytes(data)
        order.append(f"{name}.ko")

    for name in modules:
        take(name)
    (kept / "modules" / "order").write_text("".join(f"{name}\n" for name in order))


def _module_name(file: str) -> str:
    return file.partition(".ko")[0].replace("-", "_")


def _depends_of(module: bytes) -> list[str]:
    """What its .modinfo section says that it needs."""
    listed = module.partition(b"\0depends=")[2].partition(b"\0")[0].decode()
    return [name.replace("-", "_") for name in listed.split(",") if name]
