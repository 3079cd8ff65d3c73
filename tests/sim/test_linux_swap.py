# SPDX-License-Identifier: MIT
"""The parts of the guest that swaps to the device which need no guest (examples/linux-swap)."""

from __future__ import annotations

import guest
import pytest
import run


def entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and content of what a newc archive holds, read as the kernel reads it (init/initramfs.c)."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        data = (at + 110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, archive[data : data + size])
        at = (data + size + 3) // 4 * 4


def test_the_initramfs_holds_each_file_behind_its_folder_and_the_console_first() -> None:
    files = {"init": (b"#!/bin/busybox sh\n", 0o755), "bin/busybox": (b"\x7fELF" * 5, 0o755), "a/b/c": (b"", 0o644)}
    found = entries(guest.cpio(files))
    assert {name: found[name] for name in files} == {
        name: (0o100000 | mode, data) for name, (data, mode) in files.items()
    }
    assert list(found) == ["dev", "dev/console", "init", "bin", "bin/busybox", "a", "a/b", "a/b/c"]
    assert found["dev/console"][0] == 0o020600


GUEST = {"hog.bad": 0, "hog.checked": 64000, "vmstat.pswpout": 50000}
DEVICE = {"disk": {"enospc": 0, "eio": 0, "einval": 0}, "end": {"resident_pages": 0}}


def test_a_run_without_a_problem_has_none() -> None:
    assert run.find_problems(GUEST, DEVICE) == []


@pytest.mark.parametrize(
    ("told", "device", "problem"),
    [
        (GUEST | {"hog.bad": 2}, DEVICE, "2 bad pages"),
        ({"vmstat.pswpout": 50000}, DEVICE, "the hog did not end"),
        (GUEST | {"vmstat.pswpout": 12}, DEVICE, "only 12 pages swapped out, at least 10,000 expected"),
        (GUEST, DEVICE | {"disk": DEVICE["disk"] | {"eio": 1}}, "1 requests refused with EIO"),
        (GUEST, DEVICE | {"end": {"resident_pages": 9999}}, "9,999 pages are left on the device after swapoff"),
    ],
)
def test_what_must_not_be_is_named(told: dict[str, int], device: dict[str, dict[str, int]], problem: str) -> None:
    assert run.find_problems(told, device) == [problem]
