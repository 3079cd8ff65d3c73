# SPDX-License-Identifier: MIT
"""The guest: Debian's kernel 6.12 as it is, busybox, and what is to run in it."""

from __future__ import annotations

import shlex
import struct
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.corpus import files as corpus_files
from sim.cxl.provider import build_provider
from sim.data import CORPUS
from sim.guest import (
    GuestError,
    compile_static,
    fetch_kernel,
    fetch_package,
    fetch_tree,
    run_tool,
    write_initramfs,
)  # fmt: skip

HERE = Path(__file__).resolve().parent / "guest"
KERNELS = ("linux-image-6.12-amd64", "linux-image-amd64")
"""A generic one: cloud kernels have no CXL. It is the stock kernel of Debian 13; Debian 12 has it beside its own."""
MODULES = ("cxl_acpi", "cxl_pci", "cxl_mem", "dax_cxl", "device_dax", "kmem")
SWAP_MODULES = ("virtio_pci", "virtio_blk", "zsmalloc", "lz4")
PROGRAMS = ("cold", "poison", "media", "reclaim")
"""Of sim/cxl/guest, compiled for the guest."""
WORKLOADS = {
    "sqlite": ("sqlite3",), "redis": ("redis-server", "redis-tools"),
    "python": ("libpython3.13-testsuite | libpython3.11-testsuite",),
}  # fmt: skip
"""Scripts of sim/cxl/guest that put a program into the group, and the packages that it comes from."""
_PERIOD_MS = 50
_PERIODS_MS = {"python": 2000}
"""After how long the group is reclaimed again, by the guest's time. An interpreter uses its heap in no order and
would do little else."""
_HEAT = 80
"""At which a page in use comes back, if the group is reclaimed again and again: it was read once, and 16 lines more."""
SCRIPTS = ("in-group", *WORKLOADS)
_ELF_64 = b"\x7fELF\x02\x01"
_ELF_HEAD_BYTES = 64
_X86_64 = 62
_PT_INTERP = 3


@dataclass(frozen=True)
class Guest:
    """What QEMU boots."""

    kernel: Path
    initramfs: Path
    version: str


def build_guest(
    folder: Path,
    initramfs: Path,
    command: Sequence[str],
    extra: Sequence[Path] = (),
    shell: bool = False,
    provider: bool = True,
    swap: bool = False,
    hot: int = 0,
    packages: Sequence[str] = (),
    reclaim: bool = False,
    record: bool = False,
) -> Guest:
    """Fetch what is not there yet, and make the initramfs.

    Args:
        folder: where packages are kept.
        initramfs: the file to make.
        command: what runs in the guest, and its arguments. A file of this machine, a script or a static program, is
            taken along; another name is one of the guest's own: of busybox, in PROGRAMS or WORKLOADS, or of `packages`.
        extra: modules of the kernel to load.
        shell: a shell takes the command's place.
        provider: our module is loaded, which trims and heeds the watermarks (sim.cxl.provider).
        swap: it swaps to its disk, with zswap in front of it.
        hot: heat at which our module promotes a page; 0: never.
        packages: of Debian, which the guest has, with what they need.
        reclaim: the group is reclaimed again and again, as it always is for WORKLOADS.
        record: the kernel traces what becomes of the command's pages.

    Raises:
        sim.guest.GuestError: it cannot be had, or the command cannot run there.
    """
    kernel = fetch_kernel(folder, KERNELS, (*MODULES, *SWAP_MODULES))
    version = (kernel / "version").read_text()
    busybox = next(fetch_package(folder, "busybox-static").glob("*bin/busybox"))
    words = list(command)
    workload = words[0] if words and words[0] in WORKLOADS else None
    wanted = [*packages, *(WORKLOADS[workload] if workload else ())]
    tree = fetch_tree(folder, wanted) if wanted else {}
    reclaim = reclaim or workload is not None
    settings = {
        "shell": shell, "swap": swap, "hot": hot or (_HEAT if reclaim and provider else 0), "reclaim": reclaim,
        "outside": workload, "record": record, "period": _PERIODS_MS.get(workload or "", _PERIOD_MS),
    }  # fmt: skip
    files = {
        **tree,
        "init": ((HERE / "init").read_bytes(), 0o755),
        "bin/busybox": (busybox.read_bytes(), 0o755),
        "pages": (b"".join(_pages()), 0o644),
        "settings": ("".join(f"{name}={value or ''}\n" for name, value in settings.items()).encode(), 0o644),
        **{f"bin/{name}": (compile_static(HERE / f"{name}.c"), 0o755) for name in PROGRAMS},
        **{f"bin/{name}": ((HERE / f"{name}.sh").read_bytes(), 0o755) for name in SCRIPTS},
        **({"provider.ko": (build_provider(folder, version).read_bytes(), 0o644)} if provider else {}),
        **{f"extra/{path.name}": (path.read_bytes(), 0o644) for path in extra},
    }
    own = {*PROGRAMS, *SCRIPTS, *run_tool([str(busybox), "--list"]).split()}
    own |= {Path(name).name for name in tree if name.startswith(("usr/bin/", "usr/sbin/"))}
    local = Path(words[0]) if words else None
    if local is not None and local.is_file() and not (str(local.parent) == "/bin" and local.name in own):
        data = local.read_bytes()
        if (wrong := why_not(data, own)) is not None:
            raise GuestError(f"{local} cannot run in the guest: {wrong}")
        name = f"command/{local.name}"
        files[name] = (data, 0o755)
        words[0] = f"/{name}"
    elif words and words[0].removeprefix("/bin/") not in own:
        raise GuestError(f"{shlex.quote(words[0])} is neither a file here nor a program of the guest's")
    files["command/run"] = (f"#!/bin/sh\nexec {shlex.join(words)}\n".encode(), 0o755)
    write_initramfs(initramfs, files, kernel)
    return Guest(kernel / "vmlinuz", initramfs, version)


def why_not(data: bytes, own: Container[str]) -> str | None:
    """What a file lacks to run in a guest that has busybox and no libraries; None: it can."""
    if data[:2] == b"#!":
        interpreter = (data[2:].split(maxsplit=1) or [b""])[0].decode(errors="replace")
        if not interpreter.startswith("/bin/") or interpreter.removeprefix("/bin/") not in own:
            return f"it has no {interpreter}; write the script for #!/bin/sh"
        return None
    if b"\0" not in data:
        return None  # a script, too
    if data[:6] != _ELF_64 or len(data) < _ELF_HEAD_BYTES:
        return "it is neither a script nor a program for x86-64"
    (machine,) = struct.unpack_from("<H", data, 18)
    if machine != _X86_64:
        return "it is a program for another processor"
    (first,), (size, count) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<HH", data, 54)
    segments = (data[first + i * size :][:4] for i in range(count))
    if struct.pack("<I", _PT_INTERP) in segments:
        return "it needs libraries; link it with -static"
    return None


def _pages() -> list[bytes]:
    return [page for entry in corpus_files.load(CORPUS).entries for page in corpus_files.pages(CORPUS, entry)]
