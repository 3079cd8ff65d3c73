# SPDX-License-Identifier: MIT
"""Our tiers through the contract on every link, and the broken backends, of which each must be rejected.

    python -m vswap.contract [--json FILE] [--links model,verilated]

Exit status 1 when one of ours fails a check or a broken one fails none; 3 when the RTL cannot be compiled here.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from vswap.base.results import printing_aside, write_json
from vswap.contract.backends import OURS
from vswap.contract.broken import BROKEN, Broken
from vswap.contract.checks import CHECKS
from vswap.contract.suite import ENVIRONMENT, LINKS, run_contract


def ours(links: list[str], seeds: int | None = None) -> dict[str, dict[str, list[str]]]:
    """Tier -> link -> failed checks."""
    failed: dict[str, dict[str, list[str]]] = {}
    for name, factory in OURS.items():
        failed[name] = {}
        for link in links:
            report = run_contract(factory, link=LINKS[link], seeds=seeds)
            failed[name][link] = report.failed + report.errors
            print(f"{name:<10} {link:<10} {len(report.passed)} passed, {len(failed[name][link])} failed", flush=True)
            for outcome in report.outcomes:
                if outcome.verdict in ("fail", "error"):
                    print(f"    {outcome.identifier} seed {outcome.seed}: {outcome.reason}", flush=True)
    return failed


def caught_by(broken: Broken, link: str = "model") -> str | None:
    """The check that rejects a broken backend, None when none does."""
    report = run_contract(broken.factory, around=broken.patched, stop_at_first=True, link=LINKS[link])
    return next(iter(report.failed), None)


def main(arguments: list[str]) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vswap.contract", description="Show that the contract suite works.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what came of it; - for standard output")
    parser.add_argument("--links", default=",".join(LINKS), help="links to run our tiers on")
    options = parser.parse_args(arguments)
    links = options.links.split(",")
    if unknown := sorted(set(links) - set(LINKS)):
        parser.error(f"--links: {', '.join(unknown)}: expected {', '.join(LINKS)}")
    try:
        with printing_aside(options.json):
            result = _all(links)
    except ENVIRONMENT as error:
        print(error, file=sys.stderr)
        return 3
    if options.json is not None:
        write_json(options.json, asdict(result))
    return 0 if result.right else 1


@dataclass(frozen=True)
class Result:
    """What came of all: tier of ours -> link -> failed checks; broken backend -> the check that caught it."""

    ours: dict[str, dict[str, list[str]]]
    broken: dict[str, str | None]

    @property
    def right(self) -> bool:
        """Ours pass everything, and every broken one was caught."""
        return not any(any(links.values()) for links in self.ours.values()) and all(self.broken.values())


def _all(links: list[str]) -> Result:
    print(f"{len(CHECKS)} checks, {len(OURS)} tiers of ours, {len(BROKEN)} broken backends\n")
    failed = ours(links)
    print()
    caught: dict[str, str | None] = {}
    for broken in BROKEN:
        caught[broken.name] = caught_by(broken)
        print(f"{broken.name:<36} {caught[broken.name] or 'NOT REJECTED'}", flush=True)
    return Result(failed, caught)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
