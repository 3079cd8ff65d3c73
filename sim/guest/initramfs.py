# SPDX-License-Identifier: MIT
"""The file system that a guest begins with."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path


def cpio(files: dict[str, tuple[bytes, int]]) -> bytes:
    """An archive in the form that the kernel unpacks (newc): path to content and mode; folders are made as needed.
    With S_IFLNK in its mode it is a link to what its content names."""
    parts: list[bytes] = []
    made: set[str] = set()

    def add(name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> None:
        fields = (len(parts) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts.append(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))

    add("dev", 0o040755, b"")
    add("dev/console", 0o020600, b"", (5, 1))  # before /dev is mounted
    for name, (data, mode) in files.items():
        for folder in reversed(Path(name).parents):
            if str(folder) not in (".", *made):
                made.add(str(folder))
                add(str(folder), 0o040755, b"")
        add(name, mode if stat.S_IFMT(mode) else stat.S_IFREG | mode, data)
    add("TRAILER!!!", 0, b"")
    return b"".join(parts)


def write_initramfs(path: Path, files: dict[str, tuple[bytes, int]], kernel: Path) -> None:
    """Write one with these files and the modules of a kernel (`fetch_kernel`) in the folder `modules`."""
    modules = {f"modules/{file.name}": (file.read_bytes(), 0o644) for file in sorted((kernel / "modules").iterdir())}
    path.write_bytes(gzip.compress(cpio(files | modules), 1, mtime=0))
