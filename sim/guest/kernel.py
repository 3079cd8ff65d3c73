# SPDX-License-Identifier: MIT
"""Debian's kernels: the image, and those of its modules that a guest needs."""

from __future__ import annotations

import lzma
import re
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sim.guest.packages import TEMPORARY, GuestError, Packages, fetch_package, run_tool

_NO_KBUILD = re.compile(r"[\s:]")


def fetch_kernel(folder: Path, names: Sequence[str], modules: Sequence[str]) -> Path:
    """The first of these packages of kernels that is known here: a folder with `vmlinuz`, `version` and `modules`.
    These are `modules` and what they need, and the order to load them in. Raises GuestError."""
    packages = Packages()
    for name in names:
        for package in packages.depends(name):
            if package.startswith("linux-image-"):
                kept = fetch_package(folder, package, partial(_keep_kernel, modules))
                if set(modules) <= set((kept / "wanted").read_text().split() if (kept / "wanted").exists() else ()):
                    return kept
                shutil.rmtree(kept)  # of an earlier version of the guest, which needed other modules
                return fetch_package(folder, package, partial(_keep_kernel, modules))
    raise GuestError(f"none of the packages {', '.join(names)} is known here: apt-get update")


def fetch_headers(folder: Path, version: str, place: Path) -> Path:
    """What modules of a kernel (`fetch_kernel`) are built against: the folder for make's -C.

    The kernel's makefiles cannot be in a folder with a space or a colon in its name. If `folder` is one, they are
    copied to `place`, which goes with the module. Raises GuestError.
    """
    kept = folder / f"linux-headers_{version}"
    flavour = version.rpartition("-")[2]
    base = version.removesuffix(f"-{flavour}")
    if not kept.is_dir():
        print(f"fetching the headers of Linux {version}", flush=True)
        packages = Packages()
        with tempfile.TemporaryDirectory(dir=folder, prefix=TEMPORARY) as temporary:
            made = Path(temporary) / "made"
            for name in (f"linux-headers-{version}", f"linux-headers-{base}-common", f"linux-kbuild-{base}"):
                versions = packages.versions(name)
                if not versions:
                    raise GuestError(f"no package {name} is known here: apt-get update")
                archive = packages.download(name, versions[0], Path(temporary))
                run_tool(["dpkg-deb", "--extract", str(archive), str(made)])
            made.rename(kept)
    if _NO_KBUILD.search(str(kept)):
        if _NO_KBUILD.search(str(place)):
            raise GuestError(f"no module can be built in {place}: set TMPDIR to a folder without a space in its name")
        kept = shutil.copytree(kept, place / "headers", symlinks=True)
    sources = kept / "usr" / "src"
    headers = sources / f"linux-headers-{version}"
    # As packaged it names the place where it would be installed; the folder may have been moved since.
    (headers / "Makefile").write_text(f"include {sources / f'linux-headers-{base}-common' / 'Makefile'}\n")
    return headers


def _keep_kernel(modules: Sequence[str], unpacked: Path, kept: Path) -> None:
    shutil.move(str(next((unpacked / "boot").glob("vmlinuz-*"))), kept / "vmlinuz")
    root = next(unpacked.glob("**/lib/modules/*"))
    (kept / "version").write_text(root.name)
    (kept / "wanted").write_text("".join(f"{name}\n" for name in modules))
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
