# SPDX-License-Identifier: MIT
"""The module `cram_provider` for the guest's kernel, built against Debian's headers, unpacked and not installed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from sim.guest import fetch_headers, run_compiler

SOURCE = Path(__file__).resolve().parent / "modules" / "cram_provider.c"


def build_provider(folder: Path, version: str) -> Path:
    """The module's file; built again when its source or the kernel has changed.

    Args:
        folder: where packages are kept.
        version: of the kernel.

    Raises:
        sim.guest.GuestError: it cannot be built.
    """
    digest = hashlib.sha256(SOURCE.read_bytes() + version.encode()).hexdigest()[:16]
    kept = folder / f"{SOURCE.stem}-{digest}.ko"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(prefix="vcram-compiler-") as temporary:
        headers = fetch_headers(folder, version, Path(temporary))
        print(f"compiling the module {SOURCE.stem}", flush=True)
        module = Path(temporary) / "module"
        module.mkdir()
        shutil.copy(SOURCE, module)
        (module / "Kbuild").write_text(f"obj-m := {SOURCE.stem}.o\n")
        # Types for BPF would need the kernel with all its symbols.
        run_compiler(["make", "-C", str(headers), f"M={module}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"])
        made = (module / f"{SOURCE.stem}.ko").read_bytes()
    for old in folder.glob(f"{SOURCE.stem}-*"):
        old.unlink()
    part = kept.with_suffix(".part")
    part.write_bytes(made)
    part.rename(kept)
    return kept
