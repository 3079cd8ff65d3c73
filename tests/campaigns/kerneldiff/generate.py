# SPDX-License-Identifier: MIT
"""Random scripts out of a grammar, and smaller ones of those in which a difference was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.campaigns.kerneldiff.flavours import FLAVOURS, Flavour
from tests.campaigns.kerneldiff.script import Script, Step

ASIDE = 8
"""Pages beyond those that are mapped at first, for what is moved there."""


def random_script(seed: int, name: str | None = None) -> Script:
    """The script of a seed, of the flavour of this name; by default the seed says which one it is."""
    name = name or list(FLAVOURS)[seed % len(FLAVOURS)]
    flavour = FLAVOURS[name]
    writer = _Writer(flavour, Random(f"kerneldiff {name} {seed}"))
    writer.map(0)
    while len(writer.steps) < flavour.steps:
        writer.next()
    writer.end()
    return Script(f"{name}-{seed}", writer.settings, tuple(writer.steps), f"Random, flavour {name}, seed {seed}.")


class _Writer:
    """A script in the making: the machine, what is mapped, and who is there."""

    def __init__(self, flavour: Flavour, random: Random) -> None:
        self.settings = flavour.draw(random)
        self.steps: list[Step] = []
        self._flavour = flavour
        self._random = random
        self._mapped: dict[int, set[int]] = {0: set()}
        self._seed = 1
        self._zswap = self.settings.get("zswap") == "on"
        self._grain = 1 << int(self.settings.get("mthp", "0"))

    def next(self) -> None:
        """Add an operation, and what belongs to it."""
        task = self._random.choice(sorted(self._mapped))
        (op,) = self._random.choices(list(self._flavour.weights), list(self._flavour.weights.values()))
        if op in ("swapoff", "zswap", "zram", "reclaim", "limit", "settle"):
            self._on_machine(op)
        elif op == "map" or not self._mapped[task]:
            self.map(task)
        else:
            self._on_task(op, task)

    def end(self) -> None:
        """All that is mapped is read."""
        for task, mapped in sorted(self._mapped.items()):
            for page in sorted(mapped):
                if page - 1 not in mapped:
                    end = page
                    while end in mapped:
                        end += 1
                    self._add("read", task, page, end - page)

    def map(self, task: int) -> None:
        """Pages that are new; most are written to at once, and a read of the others finds the page of zeros."""
        free = sorted(set(range(self._flavour.room)) - self._mapped[task])
        starts = [page for page in free if page % self._grain == 0]
        if not starts:
            return
        first = self._random.choice(starts)
        count = 1
        while count < self._flavour.longest and first + count in free:
            count += 1
        self._add("map", task, first, count)
        self._mapped[task].update(range(first, first + count))
        if self._random.random() < 0.7:
            self._write(task, first, count)

    # Inside

    def _add(self, op: str, task: int | None, *arguments: object) -> None:
        self.steps.append(Step(op, task, tuple(map(str, arguments))))

    def _run(self, task: int) -> tuple[int, int]:
        """First page and count of pages that are mapped in a row; half of the time whole large folios."""
        mapped, random = self._mapped[task], self._random
        first = random.choice(sorted(mapped))
        grain = self._grain if random.random() < 0.5 else 1
        aligned = first - first % grain
        if not set(range(aligned, aligned + grain)) <= mapped:
            grain, aligned = 1, first
        count = grain
        longer = 1 - 2 / self._flavour.longest * grain
        while count + grain <= self._flavour.longest and random.random() < max(longer, 0.3):
            if not set(range(aligned + count, aligned + count + grain)) <= mapped:
                break
            count += grain
        return aligned, count

    def _write(self, task: int, first: int, count: int) -> None:
        self._add("write", task, first, count, self._random.choice(self._flavour.kinds), self._seed)
        self._seed += count

    def _on_task(self, op: str, task: int) -> None:
        mapped, random = self._mapped, self._random
        first, count = self._run(task)
        match op:
            case "write":
                self._write(task, first, count)
            case "pageout":
                self._add(op, task, first, count)
                if self._flavour.settles and random.random() < 0.5:
                    self._add("settle", None)
            case "fork":
                child = next((number for number in range(self._flavour.tasks) if number not in mapped), None)
                if child is not None:
                    self._add(op, task, child)
                    mapped[child] = set(mapped[task])
            case "exit":
                if len(mapped) > 1:
                    self._add(op, task)
                    del mapped[task]
            case "dontneed" | "free":
                self._add(op, task, first, count)
                if random.random() < 0.5:
                    self._write(task, first, count)
            case "unmap":
                self._add(op, task, first, count)
                mapped[task] -= set(range(first, first + count))
            case "mremap":
                self._move(task, first, min(count, ASIDE))
            case _:
                self._add(op, task, first, count)

    def _move(self, task: int, first: int, count: int) -> None:
        mine, room = self._mapped[task], self._flavour.room
        target = self._random.randrange(room, room + ASIDE)
        moved, left = set(range(target, target + count)), set(range(first, first + count))
        if not moved & mine and all(page < room for page in left):
            self._add("mremap", task, first, count, target)
            self._mapped[task] = mine - left | moved

    def _on_machine(self, op: str) -> None:
        random = self._random
        match op:
            case "swapoff":
                self._add("swapoff", None)
                self._add("swapon", None)
            case "zswap":
                if self.settings.get("zswap") == "on":
                    self._zswap = not self._zswap
                    self._add("zswap", None, "on" if self._zswap else "off")
            case "zram":
                if self.settings.get("backing") == "on" and self.settings["swap"] == "zram":
                    self._add("zram", None, random.choice(("idle", "write-idle", "write-huge", "write-huge_idle")))
            case "reclaim":
                self._add("reclaim", None, random.randrange(1, self._flavour.room))
            case "limit":
                self._add("limit", None, "memory.swap.max", random.randrange(8, 2 * self._flavour.room))
            case _:
                self._add(op, None)


def shrink(script: Script, fails: Callable[[Script], bool], most: int = 60) -> Script:
    """A script without the steps that its difference does not need; it still `fails`. At most so many tries."""
    tries = 0
    size = max(1, len(script.steps) // 2)
    while size:
        at = 0
        while at < len(script.steps) and tries < most:
            smaller = replace(script, steps=script.steps[:at] + script.steps[at + size :])
            tries += 1
            if possible(smaller) and fails(smaller):
                script = smaller
            else:
                at += size
        size //= 2
    return script


def possible(script: Script) -> bool:
    """There are steps, and each can be done."""
    return bool(script.steps) and impossible(script) is None


def impossible(script: Script) -> int | None:
    """Number of the first step, from 1 on, that lacks the task or the pages that it needs, or makes what is there
    already; None if there is no such step."""
    mapped: dict[int, set[int]] = {0: set()}
    swapping = True
    for number, step in enumerate(script.steps, 1):
        if step.task is None:
            if step.op in ("swapoff", "swapon"):
                if swapping == (step.op == "swapon"):
                    return number
                swapping = not swapping
            continue
        if step.task not in mapped:
            return number
        mine = mapped[step.task]
        if step.op == "fork":
            if step.number(0) in mapped:
                return number
            mapped[step.number(0)] = set(mine)
        elif step.op == "exit":
            del mapped[step.task]
        elif not _fits(step, mine):
            return number
    return None


def _fits(step: Step, mine: set[int]) -> bool:
    """The pages of a step are as it needs them in its task; they are then as it leaves them."""
    pages = set(step.pages)
    if step.op == "map":
        fits = not pages & mine
        mine |= pages
        return fits
    fits = pages <= mine
    if step.op in ("unmap", "mremap"):
        mine -= pages
    if step.op == "mremap":
        target = set(range(step.number(2), step.number(2) + step.number(1)))
        fits = fits and not target & mine
        mine |= target
    return fits
