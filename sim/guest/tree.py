# SPDX-License-Identifier: MIT
"""The files of programs that Debian has packages of, with the libraries that they need, for a guest's file system."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from sim.guest.packages import GuestError, fetch_package, run_tool

_LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian")
_MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders that are links into usr/, on a Debian that is installed."""


def fetch_tree(folder: Path, names: Sequence[str]) -> dict[str, tuple[bytes, int]]:
    """What these packages and those that they need have, for `sim.guest.cpio`: below usr/, with links to lib and lib64.
    Manuals are left out, and so are packages for the administration of a system (of users, services, packages).

    Args:
        folder: where packages are kept.
        names: of the packages; of several with " | " between them the first that is known.

    Raises:
        GuestError: they cannot be had.
    """
    links = {name: (f"usr/{name}".encode(), stat.S_IFLNK | 0o777) for name in ("lib", "lib64")}
    files: dict[str, tuple[bytes, int]] = {}
    for name, version in _closure(names).items():
        root = fetch_package(folder, name, version=version)
        for path in sorted(root.rglob("*")):
            place = path.relative_to(root)
            if place.parts[0] in _MERGED:
                place = "usr" / place
            if str(place).startswith(_LEFT_OUT):
                continue
            if path.is_symlink():
                files[str(place)] = (os.fsencode(path.readlink()), stat.S_IFLNK | 0o777)
            elif path.is_file():
                files[str(place)] = (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
    return links | files


def _closure(names: Sequence[str]) -> dict[str, str]:
    """The packages and all that they need, in order of their names: the version of each."""
    known = {}
    for stanza in run_tool(["apt-cache", "dumpavail"]).split("\n\n"):
        fields = dict(re.findall(r"^(\S+): (.*)$", stanza, re.MULTILINE))
        if "Package" in fields:
            known[fields["Package"]] = fields
    found: dict[str, str] = {}
    names = [next((each for each in name.split(" | ") if each in known), name) for name in names]
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise GuestError(f"no package {name} is known here: apt-get update")
        fields = known[name]
        if name in found or (fields.get("Section") == "admin" and name not in names):
            continue
        found[name] = fields["Version"]
        needed = [fields[key] for key in ("Pre-Depends", "Depends") if key in fields]
        for choice in ", ".join(needed).split(", "):
            choices = [re.split(r"[ :]", other, maxsplit=1)[0] for other in choice.split(" | ")]
            waiting += [other for other in choices if other in known][:1]  # others are virtual
    return dict(sorted(found.items()))
