# SPDX-License-Identifier: MIT
"""`vcram doctor`: the command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict

import click

from sim.doctor.examine import Finding, examine, healthy


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON: a list, an object for each part.")
def doctor_command(as_json: bool) -> None:
    """Say what is installed of all that vcram can use, what each missing part would enable, and how to get it.

    Exit status: 0 all is there that `vcram run` needs; 1 not so.
    """
    findings = examine()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    if not healthy(findings):
        sys.exit(1)


def _print(findings: list[Finding]) -> None:
    _chapter("What `vcram run` needs", (finding for finding in findings if finding.needed))
    _chapter("What else there is", (finding for finding in findings if not finding.needed))
    missing = sum(finding.found is None for finding in findings)
    click.echo("`vcram run` has all it needs" if healthy(findings) else "`vcram run` lacks something", nl=False)
    click.echo(f"; {len(findings) - missing} of {len(findings)} parts are here.")


def _chapter(title: str, findings: Iterable[Finding]) -> None:
    click.echo(f"{title}:")
    for finding in findings:
        if finding.found is not None:
            click.echo(f"  yes  {finding.name}: {finding.found}")
        else:
            click.echo(f"  NO   {finding.name}: {finding.problem}")
            click.echo(f"         is for: {finding.enables}")
            click.echo(f"         get it: {finding.command}")
    click.echo()
