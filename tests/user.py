# SPDX-License-Identifier: MIT
"""An ordinary user, for what must work without root's rights."""

from __future__ import annotations

import os
from pathlib import Path

NOBODY = 65534
_DAC_READ_SEARCH = 1 << 2


def as_user() -> list[str]:
    """What to put before a command so that an ordinary user runs it: if we are root, nobody.

    Nobody may read all files here, where root can grant that: Python itself may lie in root's home. Only what belongs
    to nobody, or to everybody, can be written.
    """
    if os.getuid() != 0:
        return []
    (held,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapPrm:"))
    capabilities = "-all,+dac_read_search" if int(held.split()[1], 16) & _DAC_READ_SEARCH else "-all"
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", *user, f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}"]


def give(folder: Path) -> None:
    """Let that user own a folder and all in it."""
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.lchown(path, NOBODY, NOBODY)
