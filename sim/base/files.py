# SPDX-License-Identifier: MIT
"""Files that somebody names: opened only if they are files, and read only if they are not absurdly long."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read. A pipe or a device, which may have no end, is refused, and a folder. Raises OSError."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        wrong = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(wrong, os.strerror(wrong) if stat.S_ISDIR(mode) else "no regular file", str(path))
    return os.fdopen(number, "rb")


def read_text(path: Path, most: int = 4 << 20) -> str:
    """The text of a file of at most so many bytes. Raises OSError, UnicodeDecodeError."""
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"longer than {most:,} bytes", str(path))
    return data.decode()
