# SPDX-License-Identifier: MIT
"""lifetime: from the store that makes a handle to the free that ends it."""

from __future__ import annotations

from vswap.base.backing import BackingType
from vswap.contract.bench import Bench, Factory
from vswap.contract.checks.tools import cancelled, expect, raises, subject
from vswap.contract.registry import check


@check("lifetime.unique", "No handle is handed out while it is in use.", seeds=3)
async def unique(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    for _ in range(6):
        await under_test.fill(16)
        under_test.free_some(2)
    under_test.check_books()


@check("lifetime.double-free", "A second free of a handle, or the free of one that never was, is a KeyError.")
async def double_free(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    handles = [await under_test.must_store() for _ in range(2)]
    under_test.free(handles[0])
    expect(raises(lambda: under_test.tier.free(handles[0]), KeyError), "a handle was freed twice: that is a KeyError")
    await under_test.tier.flush()
    expect(
        raises(lambda: under_test.tier.free(handles[0]), KeyError),
        "a handle was freed twice, the second time late: that is a KeyError",
    )
    expect(
        raises(lambda: under_test.tier.free(1 << 30), KeyError),
        "a handle that never was has been freed: that is a KeyError",
    )
    under_test.check_books()
    await under_test.verify()


@check("lifetime.reverse-map", "handles() names the slot that owns each handle, in a copy of its own.")
async def reverse_map(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    for _ in range(4):
        await under_test.must_store()
    under_test.check_books()
    under_test.tier.handles().clear()
    under_test.check_books()
    handle = next(iter(under_test.pages))
    under_test.free(handle)
    expect(handle not in under_test.tier.handles(), "a freed handle is still in the reverse map")


@check("lifetime.reown", "After reown the reverse map names the new slot, also 0, and nothing else has changed.")
async def reown(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    if under_test.tier.type is BackingType.ZERO:  # its handles are the slots
        return
    first, second = [await under_test.must_store() for _ in range(2)]
    for slot in (77, 0, under_test.owners[second], 78):  # several handles may have the same slot
        under_test.tier.reown(first, slot)
        under_test.owners[first] = slot
        under_test.check_books()
    await under_test.verify()
    under_test.free(second)
    expect(
        raises(lambda: under_test.tier.reown(second, 5), KeyError), "a freed handle got a new owner: that is a KeyError"
    )


@check("lifetime.whole", "A store under way is in no list and in no figure: what sees it sees it whole.", seeds=2)
async def whole(factory: Factory, bench: Bench) -> None:
    """Looked at before every step of any task while a store is under way; the suite's clock makes that possible."""
    under_test = subject(factory, bench)
    page = await under_test.taken()
    before = under_test.tier.handles()
    task = bench.clock.spawn(under_test.tier.store(page, 5), "store")
    for _ in range(100_000):
        seen = set(under_test.tier.handles()) - set(before)
        if task.done():
            break
        expect(not seen, "the handle of a store that has not returned is in handles() already")
        counted = under_test.tier.usage().pages - len(before)
        expect(counted == 0, f"usage() has {counted} pages of a store that has not returned")
        await bench.clock.sleep(1)
    handle = await task
    expect(handle in under_test.tier.handles(), "a stored page is not in handles()")


@check("lifetime.cancel", "A task killed inside a store leaves nothing behind: no handle, no room, no frame.", seeds=2)
async def cancel(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    page = await under_test.taken()
    await under_test.tier.flush()
    used = bench.memory.used
    for delay in (0, 1, 5, 20, 50, 100, 200, 500, 1000, 5000, 24_999):
        task = bench.clock.spawn(under_test.tier.store(page, 5), "killed store")
        await bench.clock.sleep(delay)
        if task.done():
            under_test.tier.free(await task)
        else:
            task.cancel()
            await cancelled(task)
        under_test.check_books()
        await under_test.tier.flush()
        expect(bench.memory.used == used, f"frames leaked by a store killed after {delay} ns")
    await under_test.take_all_room()


@check("lifetime.reuse-after-free", "All room comes back after the free and its late work, however often.", seeds=2)
async def reuse_after_free(factory: Factory, bench: Bench) -> None:
    under_test = subject(factory, bench)
    counts = []
    for _ in range(4):
        await under_test.fill(200)
        counts.append(len(under_test.pages))
        await under_test.empty()
        under_test.check_books()
    expect(min(counts) * 10 >= counts[0] * 9, f"from filling to filling there was less room: {counts}")
