# SPDX-License-Identifier: MIT
"""Prove what hw/formal/proofs.py lists: `python -m hw.formal`; writes build/formal.json."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from hw.formal.proofs import PROOFS, Proof, table
from hw.formal.run import LIMIT_S, FormalError, Outcome, prepare, prove, stop_all
from hw.places import results_folder


def row(proof: Proof, outcome: Outcome) -> dict[str, Any]:
    """What build/formal.json keeps of a proof."""
    return {
        "module": proof.module,
        "claim": proof.claim,
        "mode": proof.mode,
        "depth": proof.depth,
        "configuration": proof.configuration,
        "result": outcome.result,
        "covers": outcome.covers,
        "seconds": outcome.seconds,
        "detail": outcome.detail,
    }


def main() -> int:
    """Run the proofs, one line each; returns 1 if one does not hold or a cover statement is not reached."""
    parser = argparse.ArgumentParser(
        prog="python -m hw.formal",
        description="Formal proofs about the RTL, by Yosys and the solver Yices; docs/formal.md explains them.",
    )
    parser.add_argument("--only", metavar="NAME", help="run the proofs whose name (first column) begins like this")
    parser.add_argument("--jobs", type=int, default=1, help="proofs at a time (%(default)s)")
    parser.add_argument("--limit", type=int, default=LIMIT_S, metavar="S", help="seconds for one proof (%(default)s)")
    parser.add_argument("--list", action="store_true", help="list the proofs and run none")
    parser.add_argument("--table", action="store_true", help="print the table of docs/formal.md and run none")
    arguments = parser.parse_args()
    if arguments.table:
        print(table())
        return 0
    chosen = [proof for proof in PROOFS if proof.name.startswith(arguments.only or "")]
    if not chosen:
        print(f"formal: no proof is named {arguments.only!r}: see --list", file=sys.stderr)
        return 2
    if arguments.list:
        print("\n".join(f"{proof.name}: {proof.claim}" for proof in chosen))
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows = []
    bad = 0
    pool = ThreadPoolExecutor(max(1, arguments.jobs))
    try:
        prepare()
        waiting = {pool.submit(prove, proof, limit_s=arguments.limit): proof for proof in chosen}
        for number, done in enumerate(as_completed(waiting), 1):
            proof, outcome = waiting[done], done.result()
            rows.append(row(proof, outcome))
            bad += not outcome.good
            how = "induction" if proof.mode == "prove" else f"{proof.depth} cycles"
            print(
                f"[{number}/{len(chosen)}] {proof.module}: {proof.claim}; {how}; {proof.configuration}: "
                f"{outcome.result}, {outcome.covers} covers, {outcome.seconds:.0f} s {outcome.detail}".rstrip(),
                flush=True,
            )
    except KeyboardInterrupt:
        print("\nformal: interrupted; nothing is left running", file=sys.stderr)
        return 130
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        stop_all()
    result = results_folder() / "formal.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"{len(rows) - bad} of {len(rows)} hold; rows: {result}")
    return int(bad > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FormalError as error:
        sys.exit(f"formal: {error}")
