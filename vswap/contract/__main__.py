# SPDX-License-Identifier: MIT
"""Our tiers through the contract on every link, and the broken backends, of which each must be rejected.

    python -m vswap.contract [--json FILE] [--links model,verilated]

Exit status 1 when one of ours fails a check or a broken one fails none.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vswap.contract.backends import OURS
from vswap.contract.broken import BROKEN, Broken
from vswap.contract.checks import CHECKS
from vswap.contract.suite import LINKS, run_contract


def ours(links: list[str], seeds: int | None = None) -> dict[str, dict[str, list[str]]]:
    """Tier -> link -> failed checks."""
    failed: dict[str, dict[str, list[str]]] = {}
    for name, factory in OURS.items():
        failed[name] = {}
        for link in links:
            report = run_contract(factory, link=LINKS[link], seeds=seeds)
            failed[name][link] = report.failed
            print(f"{name:<10} {link:<10} {len(report.passed)} passed, {len(report.failed)} failed", flush=True)
            for outcome in report.outcomes:
                if outcome.verdict == "fail":
                    print(f"    {outcome.identifier} seed {outcome.seed}: {outcome.reason}", flush=True)
    return failed


def caught_by(broken: Broken, link: str = "model") -> str | None:
    """The check that rejects a broken backend, None when none does."""
    report = run_contract(broken.factory, around=broken.patched, stop_at_first=True, link=LINKS[link])
    return next(iter(report.failed), None)


def main(arguments: list[str]) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vswap.contract", description="Show that the contract suite works.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what came of it")
    parser.add_argument("--links", default=",".join(LINKS), help="links to run our tiers on")
    options = parser.parse_args(arguments)
    print(f"{len(CHECKS)} checks, {len(OURS)} tiers of ours, {len(BROKEN)} broken backends\n")
    links = options.links.split(",")
    failed = ours(links)
    print()
    caught = {}
    for broken in BROKEN:
        caught[broken.name] = caught_by(broken)
        print(f"{broken.name:<36} {caught[broken.name] or 'NOT REJECTED'}", flush=True)
    result = {"ours": failed, "broken": caught}
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    accepted = not any(checks for on_links in failed.values() for checks in on_links.values())
    return 0 if accepted and all(caught.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
