# SPDX-License-Identifier: MIT
"""Look for every part, and say what was found."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from hw.tools import ToolError
from sim.doctor.parts import PARTS, MissingError, Part


@dataclass(frozen=True)
class Finding:
    """What was found of a part.

    Attributes:
        name, enables, needed, command: as in `Part`.
        found: its version, or what there is to say of it; None if it is missing.
        problem: why it counts as missing; empty if it does not.
    """

    name: str
    enables: str
    needed: bool
    command: str
    found: str | None
    problem: str = ""


def examine(parts: Iterable[Part] = PARTS) -> list[Finding]:
    """Look for the parts, in their order; takes a second or two."""
    return [_look(part) for part in parts]


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether all is there that `vcram run` needs."""
    return all(finding.found is not None for finding in findings if finding.needed)


def _look(part: Part) -> Finding:
    found, problem = None, ""
    try:
        found = part.look()
    except (MissingError, ToolError, OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    return Finding(part.name, part.enables, part.needed, part.command, found, problem)
