# SPDX-License-Identifier: MIT
"""Memory: how much of it this process takes."""

from __future__ import annotations

import os
from pathlib import Path


def resident_bytes() -> int:
    """The resident set of this process (proc_pid_statm(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
