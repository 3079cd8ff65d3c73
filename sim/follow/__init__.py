# SPDX-License-Identifier: MIT
"""Follow: run a program and everything it starts under ptrace and userfaultfd, its memory in somebody else's hands.

`Follower` runs the program; who wants its memory implements `Space` (one address space) and `Policy` (makes them).
`sim/capture` records with it, `sim/pager` pages with it.
"""

from __future__ import annotations

from sim.follow.agent import Agent
from sim.follow.filter import Rule
from sim.follow.follower import Follower
from sim.follow.launch import FollowError, check_streams, find_program
from sim.follow.mappings import Mapping, outside
from sim.follow.policy import Policy, Refusal, Space
from sim.follow.userfault import Fault, Userfault, available, runs

__all__ = [
    "Agent",
    "Fault",
    "FollowError",
    "Follower",
    "Mapping",
    "Policy",
    "Refusal",
    "Rule",
    "Space",
    "Userfault",
    "available",
    "check_streams",
    "find_program",
    "outside",
    "runs",
]
