# SPDX-License-Identifier: MIT
"""Flavours of random scripts: each is about a part of what the language can say (docs/kerneldiff.md, "Scripts")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from tests.campaigns.kerneldiff.contents import KINDS

_ACCESSES = {"read": 20, "write": 12, "touch": 14}
_MAPPINGS = {"map": 4, "unmap": 3, "mremap": 3, "protect": 2}


@dataclass(frozen=True)
class Flavour:
    """What the scripts of a flavour are made of.

    Attributes:
        about: what they are for.
        weights: how often each operation is drawn.
        settings: the values that a machine is drawn from.
        kinds: contents of pages.
        settles: half of what is swapped out leaves the swap cache at once. In the guest that takes reclaim of the
            group, from which large folios that are mapped in part cannot be held.
        tasks: at most so many.
        room: pages that they map: so few that no swap device is ever half full.
        longest: pages of one operation.
        steps: at least so many.
    """

    about: str
    weights: Mapping[str, int]
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: tuple[str, ...] = KINDS
    settles: bool = True
    tasks: int = 3
    room: int = 24
    longest: int = 8
    steps: int = 24

    def draw(self, random: Random) -> dict[str, str]:
        """The settings of a machine."""
        values = {"swap": ("zram", "disk"), "zswap": ("off", "on"), **self.settings}
        return {name: random.choice(choice) for name, choice in values.items()}


FLAVOURS: Mapping[str, Flavour] = {
    "plain": Flavour(
        "a task or two, and a bit of everything",
        {**_ACCESSES, **_MAPPINGS, "pageout": 24, "fork": 5, "exit": 3, "dontneed": 4, "cold": 2, "free": 3,
         "swapoff": 1},
    ),
    "families": Flavour(
        "children and their children, who share pages and slots",
        {**_ACCESSES, **_MAPPINGS, "pageout": 20, "fork": 16, "exit": 9, "dontneed": 3, "free": 2, "swapoff": 1},
        tasks=6,
    ),
    "advised": Flavour(
        "madvise, again and again, of pages in any state",
        {**_ACCESSES, **_MAPPINGS, "pageout": 24, "fork": 5, "exit": 3, "dontneed": 12, "cold": 12, "free": 20,
         "settle": 4},
    ),
    "large": Flavour(
        "large folios, whole and in part",
        {**_ACCESSES, **_MAPPINGS, "pageout": 20, "fork": 4, "exit": 3, "dontneed": 6, "cold": 5, "free": 6,
         "swapoff": 1},
        {"mthp": ("2", "3", "4"), "kernels": ("6.12",)},
        settles=False, room=64, longest=32,
    ),
    "switched": Flavour(
        "zswap, the swap device and zram's backing device switched off and on",
        {**_ACCESSES, **_MAPPINGS, "pageout": 24, "fork": 3, "exit": 2, "dontneed": 3, "free": 2, "settle": 3,
         "swapoff": 6, "zswap": 10, "zram": 8},
        {"backing": ("off", "on")},
    ),
    "readahead": Flavour(
        "pages of a disk that are read ahead",
        {**_ACCESSES, **_MAPPINGS, "read": 40, "pageout": 24, "fork": 3, "exit": 2, "dontneed": 3, "free": 2,
         "settle": 8, "swapoff": 1},
        {"swap": ("disk",), "zswap": ("off", "off", "off", "on"), "page-cluster": ("3",)},
        kinds=("same", "text", "random", "random"), room=80, longest=32,
    ),
    "pressure": Flavour(
        "reclaim by the group's own lists, and limits",
        {**_ACCESSES, **_MAPPINGS, "fork": 2, "exit": 2, "dontneed": 3, "cold": 4, "reclaim": 16, "limit": 4},
        {"swap": ("zram",), "zswap": ("off",)},
        room=64, longest=32,
    ),
}  # fmt: skip
