# SPDX-License-Identifier: MIT
"""Seen: what a tool tells of a program's memory, before it is a trace."""

from __future__ import annotations

from dataclasses import dataclass

USER_END = 1 << 56
"""No program's memory lies beyond; addresses of the kernel do."""


@dataclass(frozen=True, slots=True)
class Access:
    """A page was touched.

    Attributes:
        space: whose it is, by the tool's number: a process, or a target.
        page: address divided by 4096.
        write: None where the tool does not say.
        time_ns: on the tool's clock.
    """

    space: int
    page: int
    write: bool | None
    time_ns: int


@dataclass(frozen=True, slots=True)
class TakenOut:
    """The kernel has taken a page out of DRAM."""

    space: int
    page: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """The kernel has brought a page back to DRAM, which it had taken out."""

    space: int
    page: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Forked:
    """A process `child` begins with the pages of `space`."""

    space: int
    child: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The memory of a process is gone: by its end, or by exec."""

    space: int
    time_ns: int


Seen = Access | TakenOut | BroughtBack | Forked | Exited
