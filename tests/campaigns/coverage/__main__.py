# SPDX-License-Identifier: MIT
"""Measure the coverage of the RTL by its tests: `python -m tests.campaigns.coverage`; writes build/coverage.json."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from hw.places import build_folder, results_folder
from hw.processes import kill_group
from hw.sources import ROOT
from tests.campaigns.coverage.holes import HoleError, load, table
from tests.campaigns.coverage.points import read
from tests.campaigns.coverage.report import grouped, report

TESTS = [
    *(f"tests/hw/test_{name}.py" for name in (
        "ecc", "event_log", "fifo", "heat_tracker", "mailbox", "media_port", "media_writer", "page_cache", "page_scan",
        "registers", "sector_allocator", "lz4_compressor", "lz4_decompressor", "cram_device", "cram_device_faults",
        "faults", "flips", "flips_commands", "media_faults",
    )),
    "tests/driver/test_over_rtl.py",
]  # fmt: skip
"""What runs the RTL under Verilator, by cocotb and, where memories are changed, as a library."""


class TestFailureError(Exception):
    """The tests that were to be measured do not pass."""


def run_tests(folder: Path) -> None:
    """Run TESTS with everything counted; each run leaves a file in `folder`. Raises TestFailureError."""
    shutil.rmtree(folder, ignore_errors=True)
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    argv += ["-k", "not icarus and not lint and not illegal", *TESTS]
    environment = os.environ | {"VCRAM_COVERAGE": str(folder)}
    process = subprocess.Popen(argv, cwd=ROOT, env=environment, start_new_session=True)
    try:
        status = process.wait()
    finally:
        kill_group(process)
    if status != 0:
        raise TestFailureError("the tests do not pass: see above")


def main() -> int:
    """Run the tests, print the table; returns 1 if a hole is not listed, a listed one is none, or the target missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.coverage",
        description="Line and toggle coverage of the RTL by the tests, module by module; docs/coverage.md explains it.",
    )
    parser.add_argument("--again", action="store_true", help="read the last runs again and run nothing")
    parser.add_argument("--holes", action="store_true", help="print the holes as in docs/holes.md and run nothing")
    parser.add_argument("--module", metavar="NAME", help="also show the listed holes of this module")
    arguments = parser.parse_args()
    if arguments.holes:
        print(table(load()))
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    holes = load()
    runs, result = build_folder() / "coverage", results_folder() / "coverage.json"
    try:
        if not arguments.again:
            print("coverage: builds and tests the RTL with everything counted; takes half an hour", flush=True)
            run_tests(runs)
    except KeyboardInterrupt:
        print("\ncoverage: interrupted; nothing is left running", file=sys.stderr)
        return 130
    files = sorted(runs.glob("*.dat"))
    if not files:
        print(f"coverage: no runs in {runs}: run without --again", file=sys.stderr)
        return 2
    outcome = report(read(files), holes)
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(outcome.json(), indent=1) + "\n")
    print(outcome.table())
    for hole, points in outcome.holes.listed.items():
        mine = [point for point in points if point.module == arguments.module]
        if mine:
            print(f"\n{hole.reason}:", *grouped(mine), sep="\n  ")
    if outcome.holes.unlisted:
        print("\nunlisted holes:", *grouped(outcome.holes.unlisted), sep="\n  ")
    for complaint in outcome.complaints:
        if not complaint.startswith("unlisted"):
            print(complaint, file=sys.stderr)
    count = sum(map(len, outcome.holes.listed.values()))
    print(f"{count} points in {len(holes)} listed holes, {len(outcome.holes.unlisted)} not listed; rows: {result}")
    return int(bool(outcome.complaints))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (HoleError, TestFailureError) as error:
        sys.exit(f"coverage: {error}")
