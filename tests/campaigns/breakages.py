# SPDX-License-Identifier: MIT
"""Breaks the project on purpose, one thing at a time, and shows that the tests notice: `make breakages`.

Each breakage is made in a copy of the tree; the tests that guard the place are run there and must fail. The copy is
first tested unbroken, so that a failure has no other cause.

    python -m tests.campaigns.breakages           all of them, some minutes
    python -m tests.campaigns.breakages --list    what would be broken where, and the tests that guard it

Exit status 1: a breakage was not noticed, or cannot be made, or its tests fail unbroken.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Breakage:
    """One wrong line.

    Attributes:
        name: what is broken.
        file: path inside the project.
        before, after: the text whose first occurrence is replaced.
        tests: what must fail, as arguments of pytest.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


RTL_CONTRACT = ("tests/driver/test_over_rtl.py", "-k", "verilator")

BREAKAGES = (
    Breakage(
        "one byte of a decompressed page is wrong",
        "hw/rtl/cram_device.v",
        ".fill_data_i(fill_data),",
        ".fill_data_i(fill_data ^ {504'd0, {8{fill_line == 6'd17}}}),",
        RTL_CONTRACT,
    ),
    Breakage(
        "a sector leaks when a page of several is released",
        "hw/rtl/chain_release.v",
        "left_q    <= count_i;",
        "left_q    <= count_i - {6'd0, count_i > 7'd1};",
        RTL_CONTRACT,
    ),
    Breakage(
        "a PTE is left writable on a CRAM page over the budget",
        "vswap/state/residents.py",
        "self.writable < self._budget",
        "self.writable <= self._budget",
        ("tests/vswap",),
    ),
    Breakage(
        "the register header is stale",
        "hw/rtl/cram_registers.vh",
        "EVENT_COUNT",
        "EVENT_COUNTED",
        ("tests/hw/test_registers.py",),
    ),
)


def passes(tree: Path, tests: tuple[str, ...]) -> bool:
    """Whether these tests pass in a tree."""
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    return subprocess.run(argv, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def main(arguments: list[str]) -> int:
    """Try every breakage; 0 if all were noticed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.breakages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help="list the breakages and run nothing")
    if parser.parse_args(arguments).list:
        for breakage in BREAKAGES:
            print(f"{breakage.name}: {breakage.file}; pytest {shlex.join(breakage.tests)}")
        return 0
    return _try_all()


def _try_all() -> int:
    missed = 0
    with tempfile.TemporaryDirectory(prefix="vcram-breakages-") as folder:
        tree = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", "*.egg-info", ".*_cache")
        shutil.copytree(ROOT, tree, ignore=ignored)
        for tests in dict.fromkeys(breakage.tests for breakage in BREAKAGES):
            print(f"unbroken: {' '.join(tests)} ...", end=" ", flush=True)
            if not passes(tree, tests):
                print("fails: nothing can be shown")
                return 1
            print("passes")
        for breakage in BREAKAGES:
            print(f"{breakage.name} ...", end=" ", flush=True)
            file = tree / breakage.file
            text = file.read_text()
            if text.count(breakage.before) < 1:
                print(f"cannot be made: {breakage.file} has no {breakage.before!r}")
                return 1
            file.write_text(text.replace(breakage.before, breakage.after, 1))
            noticed = not passes(tree, breakage.tests)
            file.write_text(text)
            print("noticed" if noticed else "NOT NOTICED")
            missed += not noticed
    print(f"{len(BREAKAGES) - missed} of {len(BREAKAGES)} breakages noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
