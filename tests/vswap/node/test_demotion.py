# SPDX-License-Identifier: MIT
"""Reclaim moves a folio to the node: it stays mapped, read-only, without a slot; a write brings it back."""

from __future__ import annotations

import pytest

from tests.pages import compressible_page, noise_page
from tests.vswap.node.tools import demoted, node_machine, verify
from tests.vswap.tb import TB
from vswap.base.backing import BackingType


@node_machine(rtl=True)
async def test_a_demoted_folio_is_mapped_read_only_and_has_no_slot(tb: TB) -> None:
    await demoted(tb)
    assert tb.machine.slots.used == 0 and len(tb.machine.cache) == 0, "no slot, no swap cache"
    assert tb.node().usage().pages == 4 and tb.machine.memory.used == 0
    assert tb.system.counters.pgdemote_proactive == 4


@node_machine(rtl=True)
async def test_a_read_is_a_load_of_the_device_and_takes_no_fault(tb: TB) -> None:
    space = await demoted(tb)
    faults, loads = tb.system.counters.pgfault, tb.system.counters.loads
    await verify(space)
    assert (tb.system.counters.pgfault, tb.system.counters.loads) == (faults, loads + 4)
    assert tb.system.counters.soft_faults == 0
    assert await space.read(1, line=3) == compressible_page(1)[192:256]


@node_machine(rtl=True)
async def test_a_write_copies_the_page_to_dram_and_gives_the_device_page_up(tb: TB) -> None:
    space = await demoted(tb)
    await space.write(2, noise_page(7))
    assert tb.state(space, 2) == "dram rw" and tb.system.counters.promotions == 1
    assert await space.read(2) == noise_page(7)
    await tb.settle()
    assert tb.node().usage().pages == 3 and tb.system.counters.trimmed == 1
    for vpn in (0, 1, 3):
        assert await space.read(vpn) == compressible_page(vpn)


@node_machine(rtl=True)
async def test_each_write_isolates_the_writer_alone(tb: TB) -> None:
    space = await demoted(tb, 1)
    child = await tb.system.fork(space, "child")
    grandchild = await tb.system.fork(child, "grandchild")
    page = tb.cram_folio(space, 0)
    assert {tb.cram_folio(each, 0) for each in (child, grandchild)} == {page}, "all share the read-only folio"
    await child.write(0, noise_page(1))
    assert (tb.state(child, 0), tb.state(space, 0), tb.state(grandchild, 0)) == ("dram rw", "cram ro", "cram ro")
    assert await child.read(0) == noise_page(1)
    for each in (space, grandchild):
        assert await each.read(0) == compressible_page(0)
    await space.write(0, noise_page(2))
    await grandchild.write(0, noise_page(3))
    await tb.settle()
    assert tb.node().usage().pages == 0, "the last of them has taken the page with it"
    assert [await each.read(0) for each in (space, child, grandchild)] == [noise_page(n) for n in (2, 1, 3)]


@node_machine(rtl=True)
async def test_a_shared_folio_is_demoted_as_a_whole(tb: TB) -> None:
    space = tb.space()
    await space.write(0, compressible_page(0))
    child = await tb.system.fork(space, "child")
    await tb.reclaim(space, 0)
    assert tb.cram_folio(space, 0) is tb.cram_folio(child, 0)
    assert tb.system.counters.pgdemote_proactive == 1 and tb.node().usage().pages == 1
    assert await child.read(0) == compressible_page(0)


@node_machine()
async def test_reclaim_demotes_what_is_cold_and_counts_who_did_it(tb: TB) -> None:
    space = tb.space()
    for vpn in range(100):
        await space.write(vpn, compressible_page(vpn))
    counters = tb.system.counters
    assert counters.pgdemote_kswapd and counters.pgdemote_direct and not counters.zswpout
    assert counters.pgdemote_kswapd + counters.pgdemote_direct == tb.node().usage().pages >= 36
    await verify(space, 100)


@node_machine()
async def test_a_fault_on_a_page_under_migration_waits_for_it(tb: TB) -> None:
    space = tb.space()
    await space.write(0, compressible_page(0))
    folio = tb.pte(space, 0).dram
    out = tb.clock.spawn(space.pageout(0))
    while tb.state(space, 0) != "migration ro" and tb.state(space, 0) != "migration rw":
        await tb.clock.sleep(10)
    assert folio.lock.locked()
    assert await space.read(0) == compressible_page(0)
    assert tb.state(space, 0) == "cram ro"
    await out


@node_machine()
async def test_a_write_during_the_migration_is_not_lost(tb: TB) -> None:
    space = tb.space()
    await space.write(0, compressible_page(0))
    out = tb.clock.spawn(space.pageout(0))
    await tb.clock.sleep(tb.machine.costs.swap_machinery + 10)
    assert tb.state(space, 0).startswith("migration")
    await space.write(0, noise_page(1))
    await out
    assert await space.read(0) == noise_page(1)


@node_machine()
async def test_fork_and_exit_during_the_migration_leave_no_reference_behind(tb: TB) -> None:
    space = tb.space()
    for vpn in range(3):
        await space.write(vpn, compressible_page(vpn))
    out = tb.clock.spawn(space.pageout(0, 3))
    await tb.clock.sleep(tb.machine.costs.swap_machinery + 10)
    child = await tb.system.fork(space, "child")
    await space.exit()
    await out
    await verify(child, 3)
    again = tb.clock.spawn(child.pageout(0, 3))
    await tb.clock.sleep(tb.machine.costs.swap_machinery + 10)
    await child.exit()
    await again


@node_machine()
async def test_what_the_node_does_not_take_is_swapped_out_in_the_same_round(tb: TB) -> None:
    space = tb.space()
    await space.write(0, compressible_page(0))
    tb.system.nodes.set_no_alloc("cram", True)
    await space.pageout(0)
    assert tb.state(space, 0) == "softleaf" and tb.backing(space, 0).type is BackingType.ZSWAP
    assert await space.read(0) == compressible_page(0)


@node_machine()
async def test_a_store_that_fails_leaves_the_page_writable_in_dram_or_swapped_out(
    tb: TB, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = tb.space()
    await space.write(0, compressible_page(0))
    tb.system.nodes.set_capacity("cram", 0)
    monkeypatch.setattr(tb.node(), "admits", lambda: True)
    await space.pageout(0)
    assert tb.state(space, 0) == "softleaf" and tb.node().usage().pages == 0
    await space.write(0, noise_page(0))
    assert await space.read(0) == noise_page(0)
