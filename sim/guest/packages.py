# SPDX-License-Identifier: MIT
"""Debian's packages, fetched by apt and unpacked beside the build; nothing is installed.

Which archive they come from is what apt is told on this machine: no host is named here, that of backports included.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hw.processes import locked, tree_ends_with_us

TEMPORARY = "being-made-"
"""What folders begin with that are not whole yet."""


class GuestError(Exception):
    """The guest cannot be built: one line that says why and what to do."""


@dataclass(frozen=True)
class Packages:
    """What apt knows: of this machine's archives, or with `options` of others."""

    options: list[str] = field(default_factory=list)

    @classmethod
    def backports(cls, folder: Path) -> Packages:
        """The backports of this Debian with their sources, from the archive that its own packages come from. What apt
        keeps of them is in `folder`; the machine's lists stay as they are. Raises GuestError."""
        sources = folder / "sources.list"
        options = {
            "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache", "Acquire::Languages": "none",
        }  # fmt: skip
        packages = cls([word for name, value in options.items() for word in ("-o", f"{name}={value}")])
        for made in ("lists/partial", "cache/archives/partial"):
            (folder / made).mkdir(parents=True, exist_ok=True)
        suite, archive = _archive()
        lines = [f"{kind} {archive} {suite} main\n" for kind in ("deb", "deb-src")]
        lines += [line.replace(f" {suite} ", f" {suite}-backports ") for line in lines]
        sources.write_text("".join(lines))
        # Without this option a list that cannot be fetched is a warning, and the one of before is used, or none.
        run_tool(["apt-get", "update", "-qq", "-o", "APT::Update::Error-Mode=any", *packages.options])
        return packages

    def versions(self, name: str) -> list[str]:
        """All versions of a package that can be had, the candidate first."""
        candidate, others = "", []
        for line in run_tool(["apt-cache", *self.options, "policy", name]).splitlines():
            key, _, value = line.strip().partition(": ")
            if key == "Candidate" and value != "(none)":
                candidate = value
        for line in run_tool(["apt-cache", *self.options, "madison", name]).splitlines():
            words = line.split("|")
            if words[-1].strip().endswith("Packages"):
                others.append(words[1].strip())
        return [candidate, *(other for other in others if other != candidate)] if candidate else others

    def depends(self, name: str) -> list[str]:
        """What a package needs; nothing if there is no such package."""
        try:
            lines = run_tool(["apt-cache", *self.options, "depends", "--important", name]).splitlines()
        except GuestError:
            return []
        return [line.strip().partition(": ")[2] for line in lines if "Depends: " in line]

    def download(self, name: str, version: str, folder: Path) -> Path:
        """Fetch a package into a folder; its file."""
        run_tool(["apt-get", "download", f"{name}={version}", "-qq", *self.options], folder)
        return next(folder.glob(f"{name}_*.deb"))

    def download_source(self, name: str, version: str, folder: Path) -> Path:
        """Fetch the upstream source of a source package into a folder; its file."""
        run_tool(
            ["apt-get", *self.options, "-qq", "source", "--download-only", "--tar-only", f"{name}={version}"], folder
        )
        return next(folder.glob(f"{name}_*.orig.tar.*"))


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else fetches packages into a folder, or compiles there, until the block ends. What a run that was killed
    has left half made is removed."""
    with locked(folder / "lock"):
        for left in folder.glob(f"{TEMPORARY}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def fetch_package(
    folder: Path,
    name: str,
    keep: Callable[[Path, Path], None] | None = None,
    version: str | None = None,
    packages: Packages | None = None,
    digest: str | None = None,
) -> Path:
    """The files of a package, unpacked once; or what `keep` moves from there to another folder.

    Args:
        folder: where packages are kept.
        version: the candidate's, if it is not named.
        packages: what apt knows.
        digest: SHA-256 that its file must have.

    Raises:
        GuestError: it cannot be had.
    """
    packages = packages or Packages()
    if version is None:
        versions = packages.versions(name)
        if not versions:
            raise GuestError(f"no package {name} is known here: apt-get update")
        version = versions[0]
    kept = folder / f"{name}_{version.replace(':', '.')}"
    if kept.is_dir():
        return kept
    print(f"fetching {name} {version}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=TEMPORARY) as temporary:
        archive = packages.download(name, version, Path(temporary))
        if digest is not None:
            check_file(archive, digest)
        unpacked, made = Path(temporary) / "unpacked", Path(temporary) / "made"
        run_tool(["dpkg-deb", "--extract", str(archive), str(unpacked)])
        if keep is not None:
            made.mkdir()
            keep(unpacked, made)
            made.rename(kept)
        else:
            unpacked.rename(kept)
    return kept


def check_file(path: Path, digest: str) -> None:
    """Raise GuestError if a file is not the one with this SHA-256."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise GuestError(f"{path.name} is not the file that this project was made with")


def compile_static(source: Path) -> bytes:
    """A C program for the guest, which has no libraries. Raises GuestError."""
    with tempfile.TemporaryDirectory(prefix="vcram-compiler-") as folder:
        made = Path(folder) / source.stem
        run_compiler([os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-static", "-o", str(made), str(source)])
        return made.read_bytes()


def run_compiler(argv: Sequence[str]) -> None:
    """Run a compiler, or make: of their temporary files nothing is left, even if they are killed. Raises GuestError."""
    with tempfile.TemporaryDirectory(prefix="vcram-compiler-") as temporary:
        run_tool(argv, env={**os.environ, "TMPDIR": temporary})


def run_tool(argv: Sequence[str], folder: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a tool prints; with us ends all that it has started. Raises GuestError if it is not here or fails."""
    if shutil.which(argv[0]) is None:
        raise GuestError(f"no {argv[0]} here: this needs Debian, or a system made from it, and a C compiler")
    process = subprocess.Popen(
        argv, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    with process, tree_ends_with_us(process):
        printed, complained = process.communicate()
    if process.returncode:
        said = complained.strip().splitlines() or ["it did not say why"]
        # A compiler draws arrows below its errors; apt sums up below its own.
        errors = [line for line in said if "error" in line.lower() or line.startswith("E: ")]
        raise GuestError(f"{' '.join(argv[:3])} failed: {(errors or said[-1:])[0]}")
    return printed


def _archive() -> tuple[str, str]:
    """This Debian's name, and where apt gets its packages from."""
    suite = ""
    for line in Path("/etc/os-release").read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            suite = value.strip('"')
    for block in run_tool(["apt-get", "indextargets"]).split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines())
        if fields.get("Created-By") == "Packages" and fields.get("Release") == suite:
            trust = f"[signed-by={fields['Signed-By']}] " if "Signed-By" in fields else ""
            return suite, trust + fields["Repo-URI"]
    raise GuestError("apt has no archive of this Debian: apt-get update")
