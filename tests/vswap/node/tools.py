# SPDX-License-Identifier: MIT
"""What tests of a node need: a machine whose device is one, and pages on it."""

from __future__ import annotations

from functools import partial

from tests.pages import compressible_page
from tests.vswap.tb import TB, machine
from vswap import AddressSpace
from vswap.mm.memcg import Memcg

node_machine = partial(machine, cram_mode="node")
"""As `machine`, of a system whose device is a memory node."""


async def demoted(tb: TB, count: int = 4, name: str = "task", memcg: Memcg | None = None) -> AddressSpace:
    """A space with `count` pages, all of them on the node."""
    space = tb.system.create_space(name, memcg)
    for vpn in range(count):
        await space.write(vpn, compressible_page(vpn))
    for vpn in range(count):
        await space.pageout(vpn)
        assert tb.state(space, vpn) == "cram ro"
    return space


async def verify(space: AddressSpace, count: int = 4) -> None:
    """Every page is as `demoted` has written it."""
    for vpn in range(count):
        assert await space.read(vpn) == compressible_page(vpn)
