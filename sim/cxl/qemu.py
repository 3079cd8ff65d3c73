# SPDX-License-Identifier: MIT
"""QEMU for the guest: Debian's build of 10.0.2, unpacked and not installed, and the plugin, compiled for this build."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hw.tools import compiler_version
from hw.verilated.library import ABI
from sim.guest import GuestError, Packages, fetch_package, run_compiler, run_tool
from sim.guest.packages import TEMPORARY, check_file

VERSION = "10.0.2"
"""The plugin uses structures of QEMU, which differ between versions."""
FILES = {
    "qemu-system-x86": "4a6b1856c8b0d7df4ff8e70249e12c473ccf8d516aadb4ae14d3d938faed0c65",
    "qemu-system-data": "2d831088187087013b3fcbd19bdfb955b182a2d5a08f6dafa0ad1c6d2007fb4e",
    "seabios": "48390d0a534c66d11789e39518aa219773a9d3677b29fe1af8799dfb563ec713",
    "qemu": "0901da33844a331bf8b3602b9c1fbd178e60b737c8e3ade678255bd090c9b9f1",
}
"""SHA-256 of what this project was made with: packages of Debian 12's backports, and the source of both Debians."""
BACKPORT = "1:10.0.2+ds-2+deb13u1~bpo12+1"
PLUGIN = Path(__file__).resolve().parent / "plugin"
FLAGS = ["-std=gnu11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror",
         "-Wno-unused-parameter", "-Wno-sign-compare", "-Wno-missing-field-initializers"]  # fmt: skip


@dataclass(frozen=True)
class Qemu:
    """A QEMU to run.

    Attributes:
        program: of it.
        options: that it needs before all others.
        plugin: with the device type `cxl-cram`.
    """

    program: Path
    options: list[str]
    plugin: Path


def fetch_qemu(folder: Path) -> Qemu:
    """Fetch and compile what is not there yet.

    Args:
        folder: where packages are kept.

    Raises:
        GuestError: it cannot be had: one line that says why.
    """
    program = _unpacked(folder, "qemu-system-x86") / "usr" / "bin" / "qemu-system-x86_64"
    missing = re.findall(r"(\S+) => not found", run_tool(["ldd", str(program)]))
    if missing:
        raise GuestError(f"QEMU needs {', '.join(missing)}: apt-get install qemu-system-x86 brings them")
    places = [_unpacked(folder, name) / "usr" / "share" for name in ("qemu-system-data", "seabios")]
    options = ["-L", str(places[0] / "qemu"), "-L", str(places[1] / "seabios")]
    return Qemu(program, options, _plugin(folder))


def _unpacked(folder: Path, name: str) -> Path:
    """A package of QEMU's, looked for in this Debian and in its backports."""
    for kept in sorted(folder.glob(f"{name}_*")):
        return kept
    packages, version = _find(folder)
    digest = FILES[name] if version == BACKPORT else None
    if not name.startswith("qemu"):
        version = max(packages.versions(name))  # of the backports, where there are two
    return fetch_package(folder, name, version=version, packages=packages, digest=digest)


@cache
def _find(folder: Path) -> tuple[Packages, str]:
    """Where QEMU can be had, and which version that is: of this Debian, or of its backports."""
    for packages in (Packages(), Packages.backports(folder / "apt")):
        for version in packages.versions("qemu-system-x86"):
            if version.startswith(f"1:{VERSION}+"):
                return packages, version
    raise GuestError(
        f"QEMU {VERSION} is neither in this Debian nor in its backports: apt-get update on Debian 12 or 13"
    )


def _headers(folder: Path) -> Path:
    """QEMU's headers, those made from its schema included."""
    kept = folder / f"qemu-headers_{VERSION}"
    if kept.is_dir():
        return kept
    packages, version = _find(folder)
    print(f"fetching the headers of QEMU {VERSION}", flush=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=TEMPORARY) as temporary:
        archive = packages.download_source("qemu", version, Path(temporary))
        check_file(archive, FILES["qemu"])
        source = Path(temporary) / "source"
        source.mkdir()
        wanted = [f"qemu-{VERSION}/{name}" for name in ("include", "qapi", "scripts/qapi", "scripts/qapi-gen.py")]
        run_tool(["tar", "-xJf", str(archive), "-C", str(source), "--strip-components=1", *wanted])
        generator, schema = source / "scripts" / "qapi-gen.py", source / "qapi" / "qapi-schema.json"
        run_tool([sys.executable, "-B", str(generator), "-b", "-o", str(source / "made" / "qapi"), str(schema)])
        source.rename(kept)
    return kept


def _plugin(folder: Path) -> Path:
    """The plugin; compiled again when a file of it, the interface or the compiler has changed."""
    sources = sorted(PLUGIN.iterdir())
    digest = hashlib.sha256(compiler_version().encode() + repr(FLAGS).encode())
    for path in [*sources, ABI]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    target = folder / f"plugin-{digest.hexdigest()[:16]}.so"
    if target.exists():
        return target
    headers, glib = _headers(folder), fetch_package(folder, "libglib2.0-dev") / "usr"
    print("compiling the plugin", flush=True)
    places = [PLUGIN, ABI.parent, headers / "include", headers / "made", glib / "include" / "glib-2.0"]
    places += [next(glib.glob("lib/*/glib-2.0/include"))]
    for old in folder.glob("plugin-*"):
        old.unlink()
    made = target.with_suffix(".made")
    run_compiler([os.environ.get("CC", "cc"), *FLAGS, *(f"-I{place}" for place in places),
                  *(str(path) for path in sources if path.suffix == ".c"), "-o", str(made)])  # fmt: skip
    made.rename(target)
    return target


def describe(qemu: Qemu) -> str:
    """Its version, as it says it. Raises GuestError."""
    said = subprocess.run([qemu.program, "--version"], capture_output=True, text=True).stdout
    return said.partition("version ")[2].partition("\n")[0]
