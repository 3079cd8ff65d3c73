# SPDX-License-Identifier: MIT
"""VirtualClock: a deterministic loop in virtual time for plain coroutines. Idle time is skipped, not simulated.

Tasks run one at a time, from await to await. Without a seed, ready tasks run first come, first served; with a seed a
random one of the ready tasks runs next, the same one in every run with that seed, so that an interleaving that breaks
can be searched for and replayed.

A task gives up control by yielding to the loop either an int (sleep that many ns) or a list of waiters to be put on.
That is all the loop knows; it keeps a switch at two or three calls.
"""

from __future__ import annotations

import types
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from heapq import heapify, heappop, heappush
from itertools import count
from random import Random
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

T = TypeVar("T")
P = ParamSpec("P")

_STALE_WAKEUPS = 1024  # wake-ups of cancelled sleepers that may lie in the heap before it is swept


def _coroutine(function: Callable[P, Generator[Any, Any, None]]) -> Callable[P, Coroutine[Any, Any, None]]:
    """Make a generator awaitable: what it yields goes straight to the loop, without a frame in between."""
    return cast(Callable[P, Coroutine[Any, Any, None]], types.coroutine(function))


class Deadlock(RuntimeError):  # noqa: N818 - the name of the condition
    """No task is ready and none sleeps, but main is not done. The message names the tasks that wait."""


class VirtualTask(Generic[T]):
    """A task of a VirtualClock; implements hw.clock.Task."""

    __slots__ = (
        "_clock", "_coroutine", "_done", "_error", "_result", "_waiters", "_waits_on", "name", "resume", "wakeup",
    )  # fmt: skip

    def __init__(self, clock: VirtualClock, coroutine: Coroutine[Any, Any, T], name: str) -> None:
        self.name = name
        self.resume: Callable[[None], Any] = coroutine.send  # what the loop calls next
        self.wakeup = -1  # number of the heap entry that may wake this task
        self._clock = clock
        self._coroutine = coroutine
        self._waiters: list[VirtualTask[Any]] = []
        self._waits_on: list[VirtualTask[Any]] | None = None
        self._done = False
        self._result: T | None = None
        self._error: BaseException | None = None

    def __await__(self) -> Generator[Any, None, T]:
        if not self._done:
            yield self._waiters
        if self._error is not None:
            self._clock._failed.pop(self, None)  # somebody has seen it
            raise self._error
        return cast(T, self._result)

    def done(self) -> bool:
        """True once the coroutine has returned, raised or been cancelled."""
        return self._done

    def cancel(self) -> None:
        """Raise CancelledError at the task's current await, when its turn comes. Nothing if it is done."""
        self._clock._cancel(self)


class VirtualEvent:
    """A flag that tasks wait for; implements hw.clock.Event. Waiters wake in the order in which they came."""

    __slots__ = ("_ready", "_set", "_waiters")

    def __init__(self, ready: deque[VirtualTask[Any]]) -> None:
        self._ready = ready
        self._set = False
        self._waiters: list[VirtualTask[Any]] = []

    def set(self) -> None:
        """Raise the flag and make every waiter ready."""
        self._set = True
        if self._waiters:
            self._ready.extend(self._waiters)
            self._waiters.clear()

    def clear(self) -> None:
        """Lower the flag."""
        self._set = False

    def is_set(self) -> bool:
        """The flag."""
        return self._set

    @_coroutine
    def wait(self) -> Generator[Any, None, None]:
        """Wait until the flag is up; returns at once if it is."""
        if not self._set:
            yield self._waiters


class TimeSource(Protocol):
    """What makes tasks ready as time passes without being a task: a device under simulation.

    The loop lets it run only while no task is ready, and never past the next wake-up of a sleeper. So neither sees the
    other's future.
    """

    @property
    def busy(self) -> bool:
        """False while time may pass without the source's doing anything."""

    def advance(self, until: int | None) -> int:
        """Run on from `clock.now` and return the time reached, ns: `until`, or earlier if the source has made a task
        ready or has nothing more to do. None: there is no limit."""


class VirtualClock:
    """Virtual time in ns, starting at 0; implements hw.clock.Clock.

    Args:
        seed: None runs ready tasks in order; a number shuffles them, deterministically for that number.

    Attributes:
        on_step: called before every step of any task, None for nobody; set it before the run. When it raises, the run
            ends with that, and it is not called again.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.now = 0
        self.seed = seed
        self.on_step: Callable[[], None] | None = None
        self._ready: deque[VirtualTask[Any]] = deque()
        self._sleepers: list[tuple[int, int, VirtualTask[Any]]] = []  # heap of (time, number, task)
        self._numbers = count()
        self._stale = 0  # entries of the heap whose sleeper was cancelled
        self._tasks: dict[VirtualTask[Any], None] = {}  # alive, in the order of their start
        self._failed: dict[VirtualTask[Any], None] = {}  # died of an exception that nobody has seen
        self._random = Random(seed) if seed is not None else None
        self._sources: list[TimeSource] = []
        self._running = False

    @property
    def sleepers(self) -> int:
        """Tasks that sleep, and those cancelled in their sleep that have not been swept out yet."""
        return len(self._sleepers)

    @_coroutine
    def sleep(self, ns: int) -> Generator[Any, None, None]:
        """Let `ns` nanoseconds pass; 0 only lets other ready tasks run. Raises ValueError below 0."""
        if ns.__class__ is int and ns > 0 and not self._ready and not self._sources and self.on_step is None:
            # Nobody can run before this task does again: let the time pass here, and spare the way through the loop.
            sleepers, then = self._sleepers, self.now + ns
            if not sleepers or sleepers[0][0] > then:
                self.now = then
                if self._random is not None:
                    self._random.random()  # what the loop would have drawn: a seed gives the same order either way
                return
        yield ns

    def spawn(self, coroutine: Coroutine[Any, Any, T], name: str = "") -> VirtualTask[T]:
        """Start a task; it runs at the next await of the caller."""
        task = VirtualTask(self, coroutine, name)
        self._tasks[task] = None
        self._ready.append(task)
        return task

    def event(self) -> VirtualEvent:
        """A new event, not set."""
        return VirtualEvent(self._ready)

    def attach(self, source: TimeSource) -> None:
        """From now on let `source` run while time passes. Several busy sources run in lockstep, 1 ns at a time."""
        self._sources.append(source)

    def detach(self, source: TimeSource) -> None:
        """Forget `source`; nothing if it is not attached."""
        if source in self._sources:
            self._sources.remove(source)

    def next_wakeup(self) -> int | None:
        """When the next sleeper wakes, ns; None if nobody sleeps."""
        sleepers = self._sleepers
        while sleepers and sleepers[0][2].wakeup != sleepers[0][1]:
            heappop(sleepers)
            self._stale -= 1
        return sleepers[0][0] if sleepers else None

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end, cancel every other task, and return main's result.

        Raises:
            what main raised; else what a task raised that nobody awaited (an ExceptionGroup if there are several).
            Deadlock: main can never finish. Exceptions of dead tasks come first, as they are the likely reason.
        """
        try:
            result = self.run_until(main)
        except BaseException as error:
            self.shut_down(error)
            raise
        self.shut_down(None)
        return result

    def run_until(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end and leave the other tasks where they are, for the next call. Raises as main does."""
        if self._running:
            main.close()
            raise RuntimeError("this clock is already running")
        task = self.spawn(main, "main")
        self._running = True
        try:
            self._loop(task)
        finally:
            self._running = False
        if task._error is not None:
            self._failed.pop(task, None)
            raise task._error
        return cast(T, task._result)

    def _loop(self, main: VirtualTask[Any] | None) -> None:
        """Run until `main` is done; without main, until no task is alive."""
        ready, sleepers, numbers = self._ready, self._sleepers, self._numbers
        pop_ready = ready.popleft if self._random is None else self._pop_random
        next_ready = pop_ready if self.on_step is None else self._watched(pop_ready)
        while True:
            while ready:
                task = next_ready()
                try:
                    request = task.resume(None)
                except StopIteration as stop:
                    self._finish(task, stop.value, None)
                    if task is main:
                        return
                except (Exception, CancelledError) as error:
                    self._finish(task, None, error)
                    if task is main:
                        return
                except BaseException:  # ends the run, not the task: Ctrl-C, an exit, the time limit of a test
                    self._finish(task, None, None)
                    raise
                else:
                    if request.__class__ is int:
                        if request > 0:
                            task.wakeup = number = next(numbers)
                            heappush(sleepers, (self.now + request, number, task))
                        elif request == 0:
                            ready.append(task)
                        else:
                            self._throw(task, ValueError(f"cannot sleep {request} ns"))
                    elif request.__class__ is list:
                        request.append(task)
                        task._waits_on = request
                    else:
                        self._throw(task, TypeError(f"awaited {request!r}, not an awaitable of this clock"))
            if main is None and not self._tasks:
                return
            if not self._wake():
                raise self._deadlock()

    def _wake(self) -> bool:
        """Skip to the next wake-up and make ready all that are due then. False if nobody is ready for ever."""
        sleepers, ready = self._sleepers, self._ready
        if self._sources:
            until = self._run_sources()
            if ready and until != self.now:
                return True
        while sleepers:
            time, number, task = heappop(sleepers)
            if task.wakeup != number:
                self._stale -= 1
                continue
            self.now = time
            ready.append(task)
            task.wakeup = -1
            while sleepers and sleepers[0][0] == time:
                _, number, task = heappop(sleepers)
                if task.wakeup == number:
                    ready.append(task)
                    task.wakeup = -1
                else:
                    self._stale -= 1
            return True
        return False

    def _run_sources(self) -> int | None:
        """Let the sources run until a task is ready, the next wake-up, or all are idle. Returns the next wake-up."""
        until = self.next_wakeup()
        while not self._ready and self.now != until:
            busy = [source for source in self._sources if source.busy]
            if len(busy) == 1:
                self.now = busy[0].advance(until)
            elif busy:
                for source in busy:
                    source.advance(self.now + 1)
                self.now += 1
            else:
                break
        return until

    def _pop_random(self) -> VirtualTask[Any]:
        ready = self._ready
        assert self._random is not None
        i = int(self._random.random() * len(ready))
        task = ready[i]
        ready[i] = ready[0]
        ready.popleft()
        return task

    def _watched(self, pop_ready: Callable[[], VirtualTask[Any]]) -> Callable[[], VirtualTask[Any]]:
        """`pop_ready` with a call of `on_step` before."""

        def pop() -> VirtualTask[Any]:
            on_step, self.on_step = self.on_step, None  # gone if it raises: not again while the tasks are being ended
            if on_step is not None:
                on_step()
                self.on_step = on_step
            return pop_ready()

        return pop

    def _finish(self, task: VirtualTask[Any], result: Any, error: BaseException | None) -> None:
        task._done, task._result, task._error = True, result, error
        del self._tasks[task]
        if task._waiters:
            self._ready.extend(task._waiters)
            task._waiters.clear()
        if error is not None and not isinstance(error, CancelledError):
            self._failed[task] = None

    def _cancel(self, task: VirtualTask[Any]) -> None:
        if not task._done:
            self._throw(task, CancelledError())

    def _throw(self, task: VirtualTask[Any], error: BaseException) -> None:
        """Make `task` ready, and to raise `error` at its await when its turn comes."""
        throw, send = task._coroutine.throw, task._coroutine.send

        def resume(_: None) -> Any:
            task.resume = send
            self._detach(task)  # from where it went to wait after this, if it was the running task
            return throw(error)

        task.resume = resume
        self._detach(task)
        self._ready.append(task)

    def _detach(self, task: VirtualTask[Any]) -> None:
        """Take `task` from whatever it waits in."""
        if task.wakeup >= 0:
            task.wakeup = -1
            self._forget_wakeup()
        elif task._waits_on is not None and task in task._waits_on:
            task._waits_on.remove(task)
        elif task in self._ready:
            self._ready.remove(task)

    def _forget_wakeup(self) -> None:
        """A heap entry has lost its sleeper; sweep when there are many, so that the heap stays small."""
        self._stale += 1
        if self._stale > _STALE_WAKEUPS and self._stale * 2 > len(self._sleepers):
            self._sleepers[:] = [entry for entry in self._sleepers if entry[2].wakeup == entry[1]]
            heapify(self._sleepers)
            self._stale = 0

    def _deadlock(self) -> Deadlock:
        names = ", ".join(task.name or getattr(task._coroutine, "__qualname__", "?") for task in self._tasks)
        return Deadlock(f"at {self.now} ns nobody is ready and nobody sleeps; waiting: {names}")

    def shut_down(self, error: BaseException | None = None) -> None:
        """Cancel what still lives and raise what died unseen; `error`, if given, is on its way out of main."""
        try:
            if error is None or isinstance(error, (Exception, CancelledError)):
                for task in list(self._tasks):
                    task.cancel()
                self._loop(None)
        finally:
            for task in list(self._tasks):
                task._coroutine.close()
            self._tasks.clear()
            self._ready.clear()
            self._sleepers.clear()
            failures = [task._error for task in self._failed if task._error is not None]
            self._failed.clear()
        if failures and (error is None or isinstance(error, Deadlock)):
            if len(failures) == 1:
                raise failures[0] from error
            raise BaseExceptionGroup(f"{len(failures)} tasks failed and nobody awaited them", failures) from error
        if error is not None:
            for failure in failures:
                error.add_note(f"unseen failure of another task: {failure!r}")
