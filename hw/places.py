# SPDX-License-Identifier: MIT
"""Places: where builds, caches, runs and reports lie. Whatever writes a file that nobody named asks here.

| the tree | what is built and kept | what a command leaves for its user |
| --- | --- | --- |
| a checkout | its folder `build` | the same, if called from inside the checkout; else the current folder |
| a checkout that cannot be written | the user's cache; a line says so | as above |
| an installed package | the user's cache (on Linux `~/.cache/vcram`) | the current folder |

VCRAM_BUILD in the environment names another folder for what is built and kept, whatever the tree is.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path

import platformdirs

from hw.sources import ROOT

VARIABLE = "VCRAM_BUILD"

log = logging.getLogger(__name__)


class PlaceError(OSError):
    """There is no folder to build in; one line with the remedy."""


def is_checkout() -> bool:
    """Whether this is the project's own tree, not an installed package."""
    return (ROOT / "pyproject.toml").is_file()


def build_folder() -> Path:
    """The folder of all that is built, kept and run; absolute. It need not exist yet, but it can be made.

    Raises:
        PlaceError: it cannot be written, or VCRAM_BUILD is no absolute path.
    """
    if named := os.environ.get(VARIABLE):
        if not Path(named).is_absolute():  # a child in another folder would take it for another place
            raise PlaceError(f"{VARIABLE} is {named!r}: name an absolute path")
        folder = Path(named)
    elif is_checkout() and _can_be_written(ROOT / "build"):
        return ROOT / "build"
    else:
        folder = platformdirs.user_cache_path("vcram", appauthor=False)
        if is_checkout() and _can_be_written(folder):
            _tell(folder)
    if not _can_be_written(folder):
        raise PlaceError(f"{folder} cannot be written: name another folder in {VARIABLE}")
    return folder


def results_folder(room: str = "") -> Path:
    """Where a command leaves a file for its user, unless told another place.

    Args:
        room: a folder of its own inside a checkout's `build`.

    Raises:
        PlaceError: as `build_folder`.
    """
    here = Path.cwd()
    return build_folder() / room if is_checkout() and here.is_relative_to(ROOT) else here


def _can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder, which need not exist yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@cache  # once a process
def _tell(folder: Path) -> None:
    log.warning("%s cannot be written: builds and runs go to %s", ROOT, folder)
