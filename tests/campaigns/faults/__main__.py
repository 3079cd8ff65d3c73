# SPDX-License-Identifier: MIT
"""Faults at random moments of real workloads, and what the device makes of them; writes build/faults.json.

    python -m tests.campaigns.faults [--count N] [--seed S] [--kind K ...]      the campaign
    python -m tests.campaigns.faults --life S [--kind K ...]                    one life again

docs/faults.md explains kinds, outcomes and keys. Exit status 1: a promise was broken; a line that runs that life again
is printed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hw.places import results_folder
from hw.sources import digest
from hw.workers import WorkerPool
from sim.base.versions import versions
from sim.data import ORDERS_TRACE
from sim.trace.file import Trace
from tests.campaigns.faults.kinds import KINDS
from tests.campaigns.faults.life import EPISODES, Life, Outcome, Verdict
from vswap.base.results import write_json


def live(seed: int, kinds: list[str]) -> list[Verdict]:
    """One life."""
    return Life(Trace.load(ORDERS_TRACE), seed, kinds).run()


def summary(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """What is written to the file: counts of all faults, and of each kind by outcome."""
    table: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        row = table.setdefault(verdict.kind, Counter())
        row["faults"] += 1
        row["wrong"] += bool(verdict.wrong)
        row["hangs"] += bool(verdict.hang)
        row["lost_with_copy"] += len(verdict.lost)
        if verdict.outcome is not None:
            row[verdict.outcome] += 1
    keys = ("faults", "wrong", "hangs", "lost_with_copy")
    by_kind = {kind: {key: table[kind][key] for key in (*keys, *Outcome)} for kind in KINDS if kind in table}
    return {key: sum(row[key] for row in table.values()) for key in keys} | {"by_kind": by_kind}


def main(arguments: list[str]) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=10_000, help="faults (10000)")
    parser.add_argument("--seed", type=int, default=1, help="of the first life (1)")
    parser.add_argument("--life", type=int, metavar="SEED", help="run this life alone")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only faults of this kind; more than once")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--json", type=Path, default=results_folder() / "faults.json", help="where the figures go")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    kinds = options.kind or list(KINDS)
    if options.life is not None:
        verdicts = live(options.life, kinds)
        for verdict in verdicts:
            print(f"{verdict.episode:3} {verdict.kind:16} {verdict.outcome or '-':10} {verdict.fault}")
    else:
        verdicts = _campaign(options.count, options.seed, kinds, options.jobs)
        result = summary(verdicts) | {"commit": versions().get("commit", "unknown"), "rtl": digest()}
        write_json(options.json, result)
        _print(result)
    broken = [verdict for verdict in verdicts if not verdict.held]
    for verdict in broken:
        _report(verdict, options.kind)
    return 1 if broken else 0


def _campaign(count: int, seed: int, kinds: list[str], jobs: int) -> list[Verdict]:
    verdicts: list[Verdict] = []
    with WorkerPool(jobs) as pool:
        while len(verdicts) < count:
            lives = range(seed, seed + max(jobs, min(64, (count - len(verdicts)) // EPISODES)))
            seed = lives.stop
            for found in pool.map(live, lives, [kinds] * len(lives)):
                verdicts += found
                print(f"\r{len(verdicts)} of {count} faults", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return verdicts


def _print(result: dict[str, Any]) -> None:
    columns = ["faults", *Outcome, "wrong", "hangs", "lost_with_copy"]
    print(f"{'':18}" + "".join(f"{column:>15}" for column in columns))
    for kind, row in result["by_kind"].items():
        print(f"{kind:18}" + "".join(f"{row[column]:15}" for column in columns))


def _report(verdict: Verdict, kinds: list[str] | None) -> None:
    what = [*([verdict.wrong] if verdict.wrong else []), *([verdict.hang] if verdict.hang else []), *verdict.lost]
    again = "".join(f" --kind {kind}" for kind in kinds or ())
    print(f"{verdict.kind}: {verdict.fault}: {'; '.join(what)}", file=sys.stderr)
    print(f"    again: python -m tests.campaigns.faults --life {verdict.seed}{again}", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nfaults: interrupted; nothing is left running", file=sys.stderr)
        sys.exit(130)
