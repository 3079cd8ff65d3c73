# SPDX-License-Identifier: MIT
"""The virtual clock: time is skipped, order is deterministic, nothing is lost and nothing hangs."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.clock import Clock, Lock
from hw.virtual_time import Deadlock, VirtualClock


def run(clock: VirtualClock, *coroutines: Coroutine[Any, Any, None]) -> None:
    """Run the coroutines side by side to their ends."""

    async def main() -> None:
        for task in [clock.spawn(coroutine) for coroutine in coroutines]:
            await task

    clock.run(main())


def test_run_returns_mains_result() -> None:
    async def main() -> int:
        return 42

    assert VirtualClock().run(main()) == 42


def test_run_raises_what_main_raises() -> None:
    async def main() -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        VirtualClock().run(main())


@given(st.lists(st.integers(0, 1_000_000), max_size=20))
def test_sleepers_wake_in_order_of_time_and_the_clock_shows_that_time(delays: list[int]) -> None:
    clock: Clock = VirtualClock()
    woken: list[int] = []

    async def sleeper(ns: int) -> None:
        await clock.sleep(ns)
        assert clock.now == ns
        woken.append(ns)

    assert isinstance(clock, VirtualClock)
    run(clock, *(sleeper(ns) for ns in delays))
    assert woken == sorted(delays)
    assert clock.now == max(delays, default=0)


def test_tasks_due_at_the_same_time_run_in_the_order_they_went_to_sleep() -> None:
    clock = VirtualClock()
    order: list[str] = []

    async def sleeper(name: str, *sleeps: int) -> None:
        for ns in sleeps:
            await clock.sleep(ns)
        order.append(name)

    run(clock, sleeper("a", 4, 6), sleeper("b", 10), sleeper("c", 10))
    assert order == ["b", "c", "a"]


def test_sleep_0_lets_other_ready_tasks_run_and_takes_no_time() -> None:
    clock = VirtualClock()
    order: list[str] = []

    async def worker(name: str) -> None:
        for i in range(2):
            order.append(f"{name}{i}")
            await clock.sleep(0)

    run(clock, worker("a"), worker("b"))
    assert order == ["a0", "b0", "a1", "b1"]
    assert clock.now == 0


def test_a_spawned_task_runs_at_the_next_await_of_its_parent() -> None:
    clock = VirtualClock()
    order: list[str] = []

    async def child() -> None:
        order.append("child")

    async def main() -> None:
        task = clock.spawn(child())
        order.append("parent")
        await task

    clock.run(main())
    assert order == ["parent", "child"]


@pytest.mark.parametrize("request_", [-1, 1.5])
def test_a_sleep_that_is_no_time_is_refused_where_it_is_awaited(request_: Any) -> None:
    clock = VirtualClock()

    async def main() -> str:
        with pytest.raises((ValueError, TypeError)):
            await clock.sleep(request_)
        await clock.sleep(5)
        return "went on"

    assert clock.run(main()) == "went on"


# Seeds


def interleaving(seed: int | None) -> list[int]:
    clock = VirtualClock(seed)
    order: list[int] = []

    async def worker(number: int) -> None:
        for _ in range(3):
            order.append(number)
            await clock.sleep(0)

    run(clock, *(worker(number) for number in range(6)))
    return order


@given(st.integers())
def test_a_seed_replays_its_interleaving(seed: int) -> None:
    assert interleaving(seed) == interleaving(seed)


def test_seeds_differ_and_shuffle_only_the_order() -> None:
    orders = [interleaving(seed) for seed in range(20)]
    assert len({tuple(order) for order in orders}) > 15
    assert interleaving(None) == list(range(6)) * 3
    assert all(sorted(order) == sorted(interleaving(None)) for order in orders)


def test_a_seed_never_lets_a_sleeper_wake_late() -> None:
    for seed in range(20):
        clock = VirtualClock(seed)

        async def sleeper(clock: VirtualClock, ns: int) -> None:
            await clock.sleep(ns)
            assert clock.now == ns

        run(clock, *(sleeper(clock, ns % 7) for ns in range(30)))


# Events


def test_an_event_wakes_every_waiter_once_and_lets_later_ones_through() -> None:
    clock = VirtualClock()
    event = clock.event()
    woken: list[str] = []

    async def waiter(name: str) -> None:
        await event.wait()
        woken.append(name)

    async def main() -> None:
        clock.spawn(waiter("a"))
        clock.spawn(waiter("b"))
        await clock.sleep(10)
        assert woken == []
        event.set()
        event.clear()  # a waiter that was woken stays woken
        await clock.sleep(0)
        assert woken == ["a", "b"]
        event.set()
        await waiter("late")
        assert event.is_set()

    clock.run(main())
    assert woken == ["a", "b", "late"]


# Failures


def test_a_deadlock_is_raised_and_names_who_waits() -> None:
    clock = VirtualClock()

    async def main() -> None:
        lock = Lock(clock)
        await lock.acquire()
        clock.spawn(clock.event().wait(), "reader")
        await clock.sleep(7)
        await lock.acquire()

    with pytest.raises(Deadlock, match=r"at 7 ns .* waiting: main, reader"):
        clock.run(main())


def test_a_failure_that_nobody_awaited_is_raised_at_the_end() -> None:
    clock = VirtualClock()

    async def fails() -> None:
        raise LookupError("in the background")

    async def main() -> None:
        clock.spawn(fails())
        await clock.sleep(1)

    with pytest.raises(LookupError, match="in the background"):
        clock.run(main())


def test_several_failures_that_nobody_awaited_are_raised_together() -> None:
    clock = VirtualClock()

    async def fails(error: Exception) -> None:
        raise error

    async def main() -> None:
        clock.spawn(fails(LookupError("one")))
        clock.spawn(fails(ArithmeticError("two")))
        await clock.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        clock.run(main())
    assert [str(error) for error in caught.value.exceptions] == ["one", "two"]


def test_a_failure_that_causes_a_deadlock_is_raised_in_its_place() -> None:
    clock = VirtualClock()
    event = clock.event()

    async def would_set() -> None:
        raise LookupError("the reason")

    async def main() -> None:
        clock.spawn(would_set())
        await event.wait()

    with pytest.raises(LookupError, match="the reason") as caught:
        clock.run(main())
    assert isinstance(caught.value.__cause__, Deadlock)


def test_mains_failure_carries_a_note_of_the_failures_of_others() -> None:
    clock = VirtualClock()

    async def fails() -> None:
        raise LookupError("aside")

    async def main() -> None:
        clock.spawn(fails())
        await clock.sleep(1)
        raise ArithmeticError("main")

    with pytest.raises(ArithmeticError) as caught:
        clock.run(main())
    assert "aside" in caught.value.__notes__[0]


def test_a_failure_that_was_awaited_is_not_raised_again() -> None:
    clock = VirtualClock()

    async def fails() -> None:
        raise LookupError

    async def main() -> str:
        task = clock.spawn(fails())
        await clock.sleep(1)
        with pytest.raises(LookupError):
            await task
        return "fine"

    assert clock.run(main()) == "fine"


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, pytest.fail.Exception])  # the last one: a time limit
def test_ctrl_c_in_a_task_ends_the_run_at_once(end: type[BaseException]) -> None:
    clock = VirtualClock()
    cleaned: list[bool] = []

    async def patient() -> None:
        try:
            await clock.sleep(1_000)
        finally:
            cleaned.append(True)

    async def interrupted() -> None:
        await clock.sleep(1)
        raise end

    async def main() -> None:
        clock.spawn(interrupted())
        await patient()

    with pytest.raises(end):
        clock.run(main())
    assert cleaned == [True]
    assert clock.now == 1


# Cancellation


def test_a_cancelled_sleeper_cleans_up_and_its_time_does_not_pass() -> None:
    clock = VirtualClock()
    cleaned: list[int] = []

    async def sleeper() -> None:
        try:
            await clock.sleep(1_000)
        finally:
            cleaned.append(clock.now)

    async def main() -> None:
        task = clock.spawn(sleeper())
        await clock.sleep(3)
        task.cancel()
        with pytest.raises(CancelledError):
            await task
        assert task.done()

    clock.run(main())
    assert cleaned == [3]
    assert clock.now == 3


def test_cancelling_before_the_start_after_the_end_or_twice_is_harmless() -> None:
    clock = VirtualClock()
    started: list[bool] = []

    async def work() -> int:
        started.append(True)
        return 1

    async def main() -> None:
        never = clock.spawn(work())
        never.cancel()
        never.cancel()
        await clock.sleep(0)
        assert never.done()
        assert started == []
        done = clock.spawn(work())
        assert await done == 1
        done.cancel()
        assert await done == 1

    clock.run(main())


def test_a_task_may_cancel_itself_and_wakes_only_once() -> None:
    clock = VirtualClock()
    trail: list[str] = []

    async def main() -> None:
        async def suicidal() -> None:
            task.cancel()
            try:
                await clock.sleep(10)
            except CancelledError:
                trail.append("caught")
            await clock.sleep(100)
            trail.append(str(clock.now))

        task = clock.spawn(suicidal())
        await task

    clock.run(main())
    assert trail == ["caught", "100"]


def test_tasks_that_outlive_main_are_cancelled() -> None:
    clock = VirtualClock()
    ended: list[str] = []

    async def daemon() -> None:
        try:
            while True:
                await clock.sleep(10)
        except CancelledError:
            ended.append("cancelled")
            raise

    async def main() -> None:
        clock.spawn(daemon())
        await clock.sleep(35)

    clock.run(main())
    assert ended == ["cancelled"]
    assert clock.now == 35


def test_run_until_leaves_other_tasks_for_the_next_call() -> None:
    clock = VirtualClock()
    ticks: list[int] = []

    async def ticker() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.now)

    async def main(ns: int) -> None:
        await clock.sleep(ns)

    clock.spawn(ticker())
    clock.run_until(main(25))
    assert ticks == [10, 20]
    clock.run_until(main(10))
    assert ticks == [10, 20, 30]
    clock.shut_down()


def test_many_cancelled_sleepers_do_not_pile_up() -> None:
    clock = VirtualClock()

    async def main() -> None:
        for _ in range(20_000):
            task = clock.spawn(clock.sleep(10**9))
            await clock.sleep(1)
            task.cancel()
            await clock.sleep(1)

    clock.run_until(main())
    assert clock.sleepers < 5_000
    assert clock.now == 40_000


# hw.clock.Lock on this clock


@given(st.integers(1, 12), st.one_of(st.none(), st.integers(0, 1000)))
def test_a_lock_is_handed_over_first_come_first_served(tasks: int, seed: int | None) -> None:
    clock = VirtualClock(seed)
    lock = Lock(clock)
    arrived: list[int] = []
    served: list[int] = []

    async def worker(number: int) -> None:
        for _ in range(3):
            arrived.append(number)
            async with lock:
                served.append(number)
                await clock.sleep(5)

    run(clock, *(worker(number) for number in range(tasks)))
    assert served == arrived
    assert clock.now == 3 * 5 * tasks  # never held by two, never idle
    assert not lock.locked()


def test_a_task_that_waits_in_line_is_not_overtaken_by_one_that_tries() -> None:
    clock = VirtualClock()
    lock = Lock(clock)

    async def waiter() -> None:
        async with lock:
            await clock.sleep(1)

    async def main() -> None:
        await lock.acquire()
        task = clock.spawn(waiter())
        await clock.sleep(0)
        lock.release()
        assert not lock.try_acquire()
        await task
        assert lock.try_acquire()

    clock.run(main())


def test_a_cancelled_waiter_leaves_the_line() -> None:
    clock = VirtualClock()
    lock = Lock(clock)
    served: list[str] = []

    async def worker(name: str) -> None:
        async with lock:
            served.append(name)

    async def main() -> None:
        await lock.acquire()
        first, second = clock.spawn(worker("first")), clock.spawn(worker("second"))
        await clock.sleep(1)
        first.cancel()
        await clock.sleep(1)
        lock.release()
        await second
        assert first.done()

    clock.run(main())
    assert served == ["second"]
    assert not lock.locked()


def test_a_waiter_cancelled_while_the_lock_is_handed_to_it_passes_it_on() -> None:
    clock = VirtualClock()
    lock = Lock(clock)
    served: list[str] = []

    async def worker(name: str) -> None:
        async with lock:
            served.append(name)

    async def main() -> None:
        await lock.acquire()
        first, second = clock.spawn(worker("first")), clock.spawn(worker("second"))
        await clock.sleep(1)
        lock.release()  # first owns it now, but has not run
        first.cancel()
        await second

    clock.run(main())
    assert served == ["second"]
    assert not lock.locked()
