# SPDX-License-Identifier: MIT
"""The guest: Debian's kernel and busybox, unpacked beside the build and not installed, and a small initramfs."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
KERNELS = ("linux-image-6.12-amd64", "linux-image-amd64")
"""Generic ones: cloud kernels have no zswap. Debian 12 has both; before 6.8 a full zswap hardly writes back."""
MODULES = ("virtio_pci", "virtio_blk", "zsmalloc", "lz4")  # what the guest needs, and what these need


class GuestError(Exception):
    """The guest cannot be built: one line that says why and what to do."""


@dataclass(frozen=True)
class Guest:
    """What QEMU boots."""

    kernel: Path
    initramfs: Path
    version: str


def build_guest(folder: Path, pages: list[bytes], settings: dict[str, int]) -> Guest:
    """Fetch what is not there yet, and make the initramfs.

    Args:
        folder: where packages are kept.
        pages: of real programs, for the hog.
        settings: variables of `init`.
    """
    kernel = fetch_kernel(folder, KERNELS, MODULES)
    busybox = fetch_package(folder, "busybox-static")
    files: dict[str, tuple[bytes, int]] = {
        "init": ((HERE / "init").read_bytes(), 0o755),
        "bin/busybox": (next(busybox.glob("*bin/busybox")).read_bytes(), 0o755),
        "hog": (compile_static(HERE / "hog.c", folder), 0o755),
        "pages": (b"".join(pages), 0o644),
        "settings": ("".join(f"{name}={value}\n" for name, value in settings.items()).encode(), 0o644),
    }
    for path in sorted((kernel / "modules").iterdir()):
        files[f"modules/{path.name}"] = (path.read_bytes(), 0o644)
    initramfs = folder / "initramfs"
    initramfs.write_bytes(gzip.compress(cpio(files), 1))
    return Guest(kernel / "vmlinuz", initramfs, (kernel / "version").read_text())


def cpio(files: dict[str, tuple[bytes, int]]) -> bytes:
    """An archive in the form that the kernel unpacks (newc): path to content and mode; folders are made as needed."""
    parts: list[bytes] = []
    made: set[str] = set()

    def add(name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> None:
        fields = (len(parts) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts.append(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))

    add("dev", 0o040755, b"")
    add("dev/console", 0o020600, b"", (5, 1))  # before /dev is mounted
    for name, (data, mode) in files.items():
        for folder in reversed(Path(name).parents):
            if str(folder) not in (".", *made):
                made.add(str(folder))
                add(str(folder), 0o040755, b"")
        add(name, 0o100000 | mode, data)
    add("TRAILER!!!", 0, b"")
    return b"".join(parts)


def fetch_kernel(folder: Path, names: Sequence[str], modules: Sequence[str]) -> Path:
    """The first of these packages of kernels that is known here: a folder with `vmlinuz`, `version` and `modules`.
    These are `modules` and what they need, and the order to load them in. Raises GuestError."""
    for name in names:
        for package in _depends(name):
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


def fetch_package(folder: Path, name: str, keep: Callable[[Path, Path], None] | None = None) -> Path:
    """The files of a package's candidate version, unpacked once; or what `keep` moves from there to another folder.
    Raises GuestError."""
    version = _candidate(name)
    kept = folder / f"{name}_{version.replace(':', '.')}"
    if kept.is_dir():
        return kept
    print(f"fetching {name} {version}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="fetch-") as temporary:
        _run(["apt-get", "-qq", "download", name], Path(temporary))
        archive = next(Path(temporary).glob("*.deb"))
        unpacked, made = Path(temporary) / "unpacked", Path(temporary) / "made"
        _run(["dpkg-deb", "--extract", str(archive), str(unpacked)], Path(temporary))
        if keep is not None:
            made.mkdir()
            keep(unpacked, made)
            made.rename(kept)
        else:
            unpacked.rename(kept)
    return kept


def _candidate(name: str) -> str:
    for line in _run(["apt-cache", "policy", name]).splitlines():
        key, _, value = line.strip().partition(": ")
        if key == "Candidate" and value != "(none)":
            return value
    raise GuestError(f"no package {name} is known here: apt-get update")


def _depends(name: str) -> list[str]:
    try:
        lines = _run(["apt-cache", "depends", "--important", name]).splitlines()
    except GuestError:
        return []  # no such package
    return [line.strip().partition(": ")[2] for line in lines if "Depends: " in line]


def compile_static(source: Path, folder: Path) -> bytes:
    """A C program for the guest, which has no libraries. Raises GuestError."""
    target = folder / source.stem
    _run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-static", "-o", str(target), str(source)])
    return target.read_bytes()


def _run(argv: list[str], folder: Path | None = None) -> str:
    if shutil.which(argv[0]) is None:
        raise GuestError(f"no {argv[0]} here: this example needs Debian, or a system made from it, and a C compiler")
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it did not say why"]
        raise GuestError(f"{' '.join(argv[:3])} failed: {said[-1]}")
    return done.stdout
