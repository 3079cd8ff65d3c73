# SPDX-License-Identifier: MIT
"""What guests are made of (sim.guest), as far as it needs no package."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hw.sources import ROOT
from sim.guest import GuestError, cpio, fetch_headers, fetch_package, run_tool, write_initramfs
from sim.guest.packages import check_file


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
    found = entries(cpio(files))
    assert {name: found[name] for name in files} == {
        name: (0o100000 | mode, data) for name, (data, mode) in files.items()
    }
    assert list(found) == ["dev", "dev/console", "init", "bin", "bin/busybox", "a", "a/b", "a/b/c"]
    assert found["dev/console"][0] == 0o020600


def test_an_initramfs_takes_the_modules_of_its_kernel_along(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "order").write_text("b.ko\na.ko\n")
    (tmp_path / "modules" / "a.ko").write_bytes(b"\x7fELF")
    write_initramfs(tmp_path / "made", {"init": (b"#!", 0o755)}, tmp_path)
    found = entries(gzip.decompress((tmp_path / "made").read_bytes()))
    assert found["modules/order"] == (0o100644, b"b.ko\na.ko\n")
    assert found["modules/a.ko"] == (0o100644, b"\x7fELF")
    assert found["init"] == (0o100755, b"#!")


def test_a_file_of_another_content_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "qemu.deb"
    file.write_bytes(b"abc")
    check_file(file, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    with pytest.raises(GuestError, match=r"^qemu\.deb is not the file"):
        check_file(file, "0" * 64)


def test_a_package_that_is_kept_is_not_fetched_again(tmp_path: Path) -> None:
    kept = tmp_path / "busybox-static_1.1.35"
    kept.mkdir()
    assert fetch_package(tmp_path, "busybox-static", version="1:1.35") == kept


def test_a_tool_that_fails_says_why_in_one_line() -> None:
    with pytest.raises(GuestError, match="no vcram-no-such-tool here"):
        run_tool(["vcram-no-such-tool"])
    with pytest.raises(GuestError, match=r"^sh -c echo no >&2; exit 1 failed: no$"):
        run_tool(["sh", "-c", "echo no >&2; exit 1"])
    with pytest.raises(GuestError, match=r"E: no connection$"):
        run_tool(["sh", "-c", "printf 'W: old\\nE: no connection\\nE: some failed\\n' >&2; exit 100"])


def test_of_a_compiler_that_is_interrupted_nothing_is_left(tmp_path: Path) -> None:
    """Neither what it has started nor its temporary files."""
    (tmp_path / "compiler").write_text('#!/bin/sh\ntouch "$TMPDIR/part"\nsleep 97 &\necho $! >started\nwait\n')
    (tmp_path / "compiler").chmod(0o755)
    program = (
        "from sim.base.interrupts import interruptible\nfrom sim.guest import run_compiler\n"
        "with interruptible():\n    run_compiler(['./compiler'])\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        while not (tmp_path / "started").exists() or not (tmp_path / "started").read_text():
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        process.wait(20)
    started = Path("/proc") / (tmp_path / "started").read_text().strip() / "cmdline"
    deadline = time.monotonic() + 10
    while started.exists() and started.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not (started.exists() and started.read_bytes())  # a zombie has no command line
    assert {path.name for path in tmp_path.iterdir()} == {"compiler", "started"}


def test_one_run_prepares_at_a_time_and_what_one_that_was_killed_has_half_made_goes(tmp_path: Path) -> None:
    holding = """if True:
        import sys, tempfile, time
        from pathlib import Path
        from sim.guest import alone
        from sim.guest.packages import TEMPORARY
        folder = Path(sys.argv[1])
        with alone(folder):
            (folder / f"{TEMPORARY}x").mkdir()
            print("in", flush=True)
            time.sleep(float(sys.argv[2]))"""

    def start(seconds: float) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", holding, str(tmp_path), str(seconds)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)

    with start(97) as first:
        assert first.stdout is not None and first.stdout.readline() == b"in\n"
        with start(0) as second:
            assert second.stdout is not None
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(2)
            first.kill()
            assert second.stdout.readline() == b"in\n"
            assert second.wait(20) == 0, "mkdir fails where the folder of the first one is there still"


def test_headers_are_used_in_a_folder_without_a_space_as_the_kernels_makefiles_can_be_in_no_other(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "a folder"
    source = folder / "linux-headers_6.12-amd64" / "usr" / "src" / "linux-headers-6.12-amd64"
    source.mkdir(parents=True)
    (tmp_path / "plain").mkdir()
    headers = fetch_headers(folder, "6.12-amd64", tmp_path / "plain")
    assert headers == tmp_path / "plain" / "headers" / "usr" / "src" / "linux-headers-6.12-amd64"
    assert (headers / "Makefile").read_text() == f"include {headers.parent}/linux-headers-6.12-common/Makefile\n"
    with pytest.raises(GuestError, match=r"^no module can be built in .*other place: set TMPDIR to a folder without a"):
        fetch_headers(folder, "6.12-amd64", tmp_path / "other place")
    folder.rename(tmp_path / "folder")
    assert fetch_headers(tmp_path / "folder", "6.12-amd64", tmp_path / "other place").is_relative_to(
        tmp_path / "folder"
    )
