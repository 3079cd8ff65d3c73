# SPDX-License-Identifier: MIT
"""Search interleavings for races, or run one again.

    python -m vswap.races [--count N] [--first SEED] [--jobs N]        search our code
    python -m vswap.races --seeded [NAME] [--count N]                  search the code with each seeded race, or one
    python -m vswap.races [--seeded NAME] --program P --schedule S     run one interleaving, as a finding prints it

Exit status 1 when our code fails, or when a seeded race is not found.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from hw.workers import WorkerPool
from vswap.base.results import printing_aside, write_json
from vswap.races.program import execute
from vswap.races.search import SCHEDULES_A_PROGRAM, Finding, decode, search
from vswap.races.seeded import FIRST, SEEDED, seeded

_PROGRAMS = 50  # that a process searches before it tells


def shares(first: int, count: int) -> list[tuple[int, int]]:
    """`count` interleavings from program `first` on as tasks of a process: (first program, interleavings)."""
    size = _PROGRAMS * SCHEDULES_A_PROGRAM
    return [(first + before // SCHEDULES_A_PROGRAM, min(size, count - before)) for before in range(0, count, size)]


def find_seeded(name: str, count: int) -> Finding | None:
    """Search the code with a race put into it."""
    with seeded(name):
        finding = search(FIRST.get(name, 0), count)
    return replace(finding, race=name) if finding is not None else None


def main(arguments: list[str]) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vswap.races", description="Search interleavings for races.")
    parser.add_argument("--count", type=_positive, default=10_000, help="interleavings (10000)")
    parser.add_argument("--first", type=int, default=0, help="first program (0)")
    parser.add_argument("--jobs", type=_positive, default=2, help="processes (2)")
    parser.add_argument(
        "--seeded", nargs="?", const="", metavar="NAME", choices=["", *SEEDED],
        help="search for the races put in on purpose, or for this one; with --program: run the code with it",
    )  # fmt: skip
    parser.add_argument("--program", type=int, help="run this program alone ...")
    parser.add_argument("--schedule", metavar="SEED:SLEEP+NS,...", help="... on this schedule (in order, no delay)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what came of it; - for standard output")
    options = parser.parse_args(arguments)
    if options.program is None and options.schedule is not None:
        parser.error("--schedule is of one program: name it with --program")
    if options.program is not None and options.seeded == "":
        parser.error("--program runs one seeded race: name it, --seeded NAME")
    if options.program is not None:
        try:
            schedule = decode(options.schedule or ":")
        except ValueError as error:
            parser.error(f"--schedule: {error}")
        race = nullcontext() if options.seeded is None else seeded(options.seeded)
        with race, tempfile.TemporaryDirectory() as folder:
            execute(options.program, schedule, Path(folder))
        print("nothing went wrong")
        return 0
    with printing_aside(options.json):
        if options.seeded is not None:
            names = [options.seeded] if options.seeded else list(SEEDED)
            right, result = _seeded(names, options.count, options.jobs)
        else:
            right, result = _ours(options.count, options.first, options.jobs)
    if options.json is not None:
        write_json(options.json, result)
    return 0 if right else 1


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected at least 1")
    return number


def _ours(count: int, first: int, jobs: int) -> tuple[bool, dict[str, object]]:
    firsts, counts = zip(*shares(first, count), strict=True)
    done, findings = 0, []
    with WorkerPool(jobs) as pool:
        for number, found in enumerate(pool.map(search, firsts, counts)):
            done += found.interleavings if found is not None else counts[number]
            if found is not None:
                findings.append(str(found))
                print(found, flush=True)
            if number % 10 == 9:
                print(f"{done:,} of {count:,} interleavings, {len(findings)} findings", file=sys.stderr, flush=True)
    print(f"{done:,} interleavings, {len(findings)} findings")
    return not findings, {"interleavings": done, "findings": findings}


def _seeded(names: list[str], count: int, jobs: int) -> tuple[bool, dict[str, object]]:
    found: dict[str, int | None] = {}
    with WorkerPool(jobs) as pool:
        for name, finding in zip(names, pool.map(find_seeded, names, [count] * len(names)), strict=True):
            found[name] = finding.interleavings if finding else None
            print(f"{name:<46} {finding or 'NOT FOUND'}", flush=True)
    return all(found.values()), {"seeded": found}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("races: interrupted; nothing is left running", file=sys.stderr)
        sys.exit(130)
