# SPDX-License-Identifier: MIT
"""The checks' registry: what a check is, and all of them by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vswap.contract.bench import Bench, Factory


class NotApplicable(Exception):  # noqa: N818 - not an error
    """The backend lacks what the check is about; the message names it."""


Body = Callable[[Factory, Bench], Awaitable[None]]


@dataclass(frozen=True)
class Check:
    """One clause of the contract.

    Attributes:
        identifier: `chapter.rule`; it never changes its meaning.
        relies: one sentence: what the kernel relies on.
        seeds: with how many seeds the check is run.
    """

    identifier: str
    relies: str
    body: Body
    seeds: int


CHECKS: dict[str, Check] = {}
CHAPTERS = ("data", "lifetime", "capacity", "errors", "concurrency", "writeback", "accounting", "machine")
"""In the order in which they are run: what is simple first, so that a failure is named by the simplest rule broken."""


def check(identifier: str, relies: str, *, seeds: int = 1) -> Callable[[Body], Body]:
    """Register a check: a coroutine function of a factory and a Bench that raises when the backend fails."""

    def register(body: Body) -> Body:
        assert identifier not in CHECKS
        CHECKS[identifier] = Check(identifier, relies, body, seeds)
        return body

    return register
