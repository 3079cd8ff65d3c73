# SPDX-License-Identifier: MIT
"""Sample mutants of the device and run the tests on them: `make mutation`; writes build/mutation.json."""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import signal
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hw.build import BuildError
from hw.places import results_folder
from hw.sources import digest
from hw.tools import ToolError
from sim.base.versions import versions
from sim.bench.hardware_tables import by_module
from tests.campaigns.mutation.netlist import MutationError, Netlist
from tests.campaigns.mutation.run import DEVICE, KILLERS, KNOWN, Campaign, Verdict

EQUIVALENT = Path(__file__).parent / "equivalent.toml"
SHARE = 0.95  # of the mutants that are not equivalent, at least


def equivalents(path: Path = EQUIVALENT) -> dict[str, str]:
    """Key of a mutant that no test can tell from the original -> why. Raises MutationError."""
    try:
        entries = tomllib.loads(path.read_text()).get("equivalent", [])
        return {entry["key"]: entry["reason"] for entry in entries}
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise MutationError(f"{path}: {error}: each [[equivalent]] has `key` and `reason`") from None


def row(verdict: Verdict, reasons: Mapping[str, str]) -> dict[str, Any]:
    """What build/mutation.json keeps of a mutant."""
    mutant = verdict.mutant
    result = "killed" if verdict.killer else "equivalent" if mutant.key in reasons else "survived"
    return {
        "key": mutant.key,
        "module": mutant.module.source,
        "mutation": mutant.what,
        "lines": list(mutant.lines),
        "result": result,
        "killer": verdict.killer,
        "detail": verdict.said or reasons.get(mutant.key, ""),
        "seconds": round(verdict.seconds, 1),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Mutants, killed, equivalent and survived by module, and all together."""
    lines = [f"{'module':<26}{'mutants':>9}{'killed':>9}{'equivalent':>12}{'survived':>10}"]
    for name, count in by_module(rows):
        lines.append(
            f"{name:<26}{count.total():>9}{count['killed']:>9}{count['equivalent']:>12}{count['survived']:>10}"
        )
    return "\n".join(lines)


@cache
def campaign(count: int, seed: int, only: str | None, afresh: bool) -> Campaign:
    """The campaign of these arguments, once a process; a process that is forked off has its parent's."""
    netlist = Netlist(DEVICE.verilog())
    return Campaign(netlist, netlist.sample(count, seed, only), known=None if afresh else KNOWN)


Chosen = tuple[int, int, str | None, bool]
"""The arguments of `campaign`."""


def original(task: tuple[Chosen, int]) -> tuple[str, float]:
    """Run a bench without a mutant, for a pool of processes: in which campaign, which bench."""
    chosen, which = task
    return KILLERS[which].bench, campaign(*chosen).limit_s(KILLERS[which])


def judge(task: tuple[Chosen, int]) -> tuple[int, Verdict]:
    """Judge a mutant, for a pool of processes: in which campaign, which mutant."""
    chosen, which = task
    judging = campaign(*chosen)
    return which, judging.judge(judging.mutants[which])


def _quietly() -> None:
    """For a process of a pool: a signal ends it, and its simulation, without a traceback."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)


def main() -> int:
    """Judge the sample, a line a mutant; returns 1 if too few are killed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.mutation",
        description="Mutants of the RTL, made by Yosys, and whether the benches notice; docs/mutants.md",
        epilog="What was found out before is kept as long as neither RTL nor bench changes: a run can be interrupted.",
    )
    parser.add_argument("--count", type=int, default=320, help="about how many mutants (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other mutants (%(default)s)")
    parser.add_argument("--module", metavar="NAME", help="put all mutants into this module of hw/rtl")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="simulations at a time (%(default)s)")
    parser.add_argument("--afresh", action="store_true", help=f"do not use what {KNOWN.name} has from earlier runs")
    parser.add_argument("--keep", action="store_true", help=f"write {KNOWN.name} from what is known, run nothing")
    parser.add_argument("--list", action="store_true", help="list the mutants and run nothing")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="mutation: %(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reasons = equivalents()
    judged: dict[int, dict[str, Any]] = {}
    chosen = (arguments.count, arguments.seed, arguments.module, arguments.afresh)
    try:
        judging = campaign(*chosen)
        mutants = judging.mutants
        if arguments.list:
            print("\n".join(f"{mutant.key} {mutant.module.source}: {mutant.what}" for mutant in mutants))
            return 0
        if arguments.keep:
            print(f"{judging.keep()} of {len(mutants)} mutants are decided; kept in {KNOWN}")
            return 0
        for which, mutant in enumerate(mutants):
            if mutant.key in reasons:  # there is nothing to ask
                judged[which] = row(Verdict(mutant, None, "", 0), reasons)
        needed = {
            killer for which, mutant in enumerate(mutants) if which not in judged for killer in judging.open(mutant)
        }
        start = time.monotonic()
        fork = multiprocessing.get_context("fork")  # which hands the campaign on
        with fork.Pool(arguments.jobs, _quietly) as pool:
            benches = [(chosen, which) for which, killer in enumerate(KILLERS) if killer in needed]
            for bench, limit_s in pool.imap_unordered(original, benches):
                logging.info("%s passes without a mutant; a mutant gets %.0f s", bench, limit_s)
        judging.recall()
        with fork.Pool(arguments.jobs, _quietly) as pool:
            others = [(chosen, which) for which in range(len(mutants)) if which not in judged]
            for which, verdict in pool.imap_unordered(judge, others):
                entry = judged[which] = row(verdict, reasons)
                by = f" by {entry['killer']}" if entry["killer"] else ""
                print(
                    f"[{len(judged)}/{len(mutants)}, {time.monotonic() - start:.0f} s] {entry['key']} "
                    f"{entry['module']}: {entry['mutation']}: {entry['result']}{by}; {entry['detail']}",
                    flush=True,
                )
                _write([judged[which] for which in sorted(judged)], len(mutants), arguments.seed)
    except KeyboardInterrupt:
        print("\nmutation: interrupted; nothing is left running, and the next run goes on from here", file=sys.stderr)
        return 130
    rows = [judged[which] for which in sorted(judged)]
    print(table(rows))
    killed = sum(entry["result"] == "killed" for entry in rows)
    able = sum(entry["result"] != "equivalent" for entry in rows)
    print(f"{killed} of {able} killed, {killed / max(1, able):.1%}; rows: {_result()}")
    return int(killed < SHARE * able)


def _result() -> Path:
    return results_folder() / "mutation.json"


def _write(rows: list[dict[str, Any]], sample: int, seed: int) -> None:
    """What is judged by now, of a sample of so many, and of which state of the RTL."""
    state = {"seed": seed, "commit": versions().get("commit", "unknown"), "rtl": digest(), "sample": sample}
    _result().parent.mkdir(parents=True, exist_ok=True)
    _result().write_text(json.dumps(state | {"mutants": rows}, indent=1) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (MutationError, BuildError, ToolError) as error:
        sys.exit(f"mutation: {error}")
