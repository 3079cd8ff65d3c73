# SPDX-License-Identifier: MIT
"""`vcram contract`: a swap backend through the contract suite, with the outcomes as text, JSON or JUnit's XML."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from sim.base.interrupts import interruptible
from sim.base.options import OutputFile, Seconds
from sim.base.statuses import FAILED, NO_DEVICE
from vswap.base.results import is_stdout, printing_aside, write_json, write_text
from vswap.contract import (
    CHECKS,
    ENVIRONMENT,
    LIMIT_S,
    LINKS,
    Outcome,
    SuiteError,
    chosen,
    junit,
    load_factory,
    run_contract,
    try_factory,
)  # fmt: skip
from vswap.contract.abi import HEADER


def _show_header(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(HEADER)
        context.exit()


@click.command("contract")
@click.argument("factory", metavar="FACTORY")
@click.option("--link", type=click.Choice(sorted(LINKS)), default="model", show_default=True,
              help="What runs the device that a backend may use.")  # fmt: skip
@click.option("--check", "checks", multiple=True, metavar="ID", help="Run this check only; may be repeated.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="First seed of each check.")
@click.option("--limit", "limit_s", type=Seconds(), default=LIMIT_S, show_default=True,
              metavar="S", help="Seconds that a check may take with one seed; then it has failed.")  # fmt: skip
@click.option("--json", "json_file", type=OutputFile(), metavar="FILE",
              help="Write the outcomes as JSON; - for standard output.")  # fmt: skip
@click.option("--junit", "junit_file", type=OutputFile(), metavar="FILE",
              help="Write the outcomes as JUnit's XML, for a CI server; - for standard output.")  # fmt: skip
@click.option("--header", is_flag=True, is_eager=True, expose_value=False, callback=_show_header,
              help="Print the path of the C header for a FILE.so, and do no more.")  # fmt: skip
@click.pass_context
def contract_command(
    context: click.Context,
    factory: str,
    link: str,
    checks: tuple[str, ...],
    seed: int,
    limit_s: float,
    json_file: Path | None,
    junit_file: Path | None,
) -> None:
    """Run a swap backend through the contract that a kernel relies on.

    FACTORY is PACKAGE:FUNCTION or FILE.py:FUNCTION, a function of a Bench that makes the backend
    (docs/contract-suite.md), for example vswap.contract.backends:zswap; or FILE.so, a shared object with the C ABI. A
    failure names the check, what the kernel relies on, and its seed; `vcram --debug contract` adds its traceback.

    Exit status: 0 if no check failed; 1 if one did; 2 for bad input, a factory that is of no use included; 3 if the
    environment did not let a check come to its end, for example since a compiler is missing, and none failed; 130 if
    interrupted.
    """
    if is_stdout(json_file) and is_stdout(junit_file):
        raise click.BadParameter("--json is standard output already", param_hint="--junit")
    for name in checks:
        if name not in CHECKS:
            raise click.BadParameter(f"{name}: no such check", param_hint="--check")
    debug = context.find_root().params["debug"]
    began = datetime.now()
    aside = is_stdout(json_file) or is_stdout(junit_file)

    def write(outcomes: list[Outcome]) -> None:
        """For programs."""
        if json_file is not None:
            write_json(json_file, [asdict(outcome) for outcome in outcomes])
        if junit_file is not None:
            how = {"link": link, "first seed": seed, "limit of a check, s": limit_s}
            write_text(junit_file, junit(outcomes, factory, began, how))

    def show(outcome: Outcome) -> None:
        """A line a check; more where it failed."""
        note = f"  ({outcome.reason})" if outcome.verdict == "not applicable" else ""
        lines = [f"{outcome.verdict:<15} {outcome.identifier}{note}"]
        if outcome.verdict == "error":
            lines.append(f"    the environment: {outcome.reason}")
        if outcome.verdict == "fail":
            lines.append(f"    the kernel relies on this: {CHECKS[outcome.identifier].relies}")
            lines.append(f"    seed {outcome.seed}: {outcome.reason}")
        if outcome.verdict in ("fail", "error") and debug:
            lines.append(outcome.details)
        click.echo("\n".join(lines), err=aside)

    with interruptible():
        try:
            with printing_aside(Path("-") if aside else None):
                made = load_factory(factory)
            try_factory(factory, made, LINKS[link], limit_s)
        except SuiteError as error:
            if debug:
                click.echo(error.details, err=True)
            raise
        except ENVIRONMENT as error:
            write([Outcome(clause.identifier, "error", seed, str(error)) for clause in chosen(checks)])
            raise
        report = run_contract(made, seed=seed, only=checks, link=LINKS[link], limit_s=limit_s, progress=show)
    rest = len(report.outcomes) - len(report.passed) - len(report.failed) - len(report.errors)
    errors = f"{len(report.errors)} errors, " if report.errors else ""
    click.echo(f"{len(report.passed)} passed, {len(report.failed)} failed, {errors}{rest} do not apply", err=aside)
    write(report.outcomes)
    if report.failed or report.errors:
        sys.exit(FAILED if report.failed else NO_DEVICE)
