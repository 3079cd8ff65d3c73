# SPDX-License-Identifier: MIT
"""Random scripts out of a grammar, and smaller ones of those in which a difference was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from tests.campaigns.kerneldiff.contents import KINDS
from tests.campaigns.kerneldiff.script import Script, Step

ROOM = 24
"""Pages that a random script maps, and tasks use; so few that no swap device is ever half full."""
MOST_TASKS = 3


class _Writer:
    """A script in the making: what is mapped, and who is there."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.mapped: dict[int, set[int]] = {0: set()}
        self.steps: list[Step] = []
        self.seed = 1

    def add(self, op: str, task: int | None, *arguments: object) -> None:
        self.steps.append(Step(op, task, tuple(map(str, arguments))))

    def run(self, task: int) -> tuple[int, int]:
        """First page and count of pages that are mapped in a row."""
        first = self.random.choice(sorted(self.mapped[task]))
        count = 1
        while count < 8 and first + count in self.mapped[task] and self.random.random() < 0.7:
            count += 1
        return first, count

    def write(self, task: int, first: int, count: int) -> None:
        self.add("write", task, first, count, self.random.choice(KINDS), self.seed)
        self.seed += count

    def map(self, task: int) -> None:
        """Pages that are new; most are written to at once, and a read of the others finds the page of zeros."""
        free = sorted(set(range(ROOM)) - self.mapped[task])
        if not free:
            return
        first = self.random.choice(free)
        count = 1
        while count < 8 and first + count in free:
            count += 1
        self.add("map", task, first, count)
        self.mapped[task].update(range(first, first + count))
        if self.random.random() < 0.7:
            self.write(task, first, count)


def random_script(seed: int, steps: int = 24) -> Script:
    """The script of a seed."""
    random = Random(f"kerneldiff {seed}")
    settings = {"swap": random.choice(("zram", "disk")), "zswap": random.choice(("off", "on"))}
    writer = _Writer(random)
    writer.map(0)
    while len(writer.steps) < steps:
        task = random.choice(sorted(writer.mapped))
        op = random.choices(
            ("read", "write", "touch", "pageout", "fork", "exit", "dontneed", "unmap", "map", "mremap", "cold",
             "protect", "free", "swapoff"),
            (20, 12, 14, 24, 5, 3, 4, 3, 4, 3, 2, 2, 3, 1),
        )[0]  # fmt: skip
        _add(writer, op, task, settings)
    for task in sorted(writer.mapped):
        for page in sorted(writer.mapped[task]):
            if page - 1 not in writer.mapped[task]:
                end = page
                while end in writer.mapped[task]:
                    end += 1
                writer.add("read", task, page, end - page)
    return Script(f"random-{seed}", settings, tuple(writer.steps), f"Random, seed {seed}.")


def _add(writer: _Writer, op: str, task: int, settings: dict[str, str]) -> None:
    mapped, random = writer.mapped, writer.random
    if op == "map" or not mapped[task]:
        writer.map(task)
        return
    first, count = writer.run(task)
    match op:
        case "write":
            writer.write(task, first, count)
        case "pageout":
            writer.add(op, task, first, count)
            if settings["swap"] == "disk":
                writer.add("settle", None)
        case "fork":
            child = next((number for number in range(MOST_TASKS) if number not in mapped), None)
            if child is not None:
                writer.add(op, task, child)
                mapped[child] = set(mapped[task])
        case "exit":
            if len(mapped) > 1:
                writer.add(op, task)
                del mapped[task]
        case "dontneed":
            writer.add(op, task, first, count)
            if random.random() < 0.5:
                writer.write(task, first, count)
        case "free":
            writer.add(op, task, first, count)
            writer.write(task, first, count)
        case "unmap":
            writer.add(op, task, first, count)
            mapped[task] -= set(range(first, first + count))
        case "mremap":
            target = random.randrange(ROOM, ROOM + 8)
            moved = set(range(target, target + count))
            if not moved & mapped[task] and all(page < ROOM for page in range(first, first + count)):
                writer.add(op, task, first, count, target)
                mapped[task] -= set(range(first, first + count))
                mapped[task] |= moved
        case "swapoff":
            writer.add("swapoff", None)
            writer.add("swapon", None)
        case _:
            writer.add(op, task, first, count)


def shrink(script: Script, fails: Callable[[Script], bool], most: int = 60) -> Script:
    """A script without the steps that its difference does not need; it still `fails`. At most so many tries."""
    tries = 0
    size = max(1, len(script.steps) // 2)
    while size:
        at = 0
        while at < len(script.steps) and tries < most:
            smaller = replace(script, steps=script.steps[:at] + script.steps[at + size :])
            tries += 1
            if possible(smaller) and settled(smaller) and fails(smaller):
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


def settled(script: Script) -> bool:
    """No page is on its way to a disk, which takes a time that nobody can tell."""
    following = [*(step.op for step in script.steps[1:]), ""]
    return script.setting("swap") != "disk" or all(
        after == "settle" for step, after in zip(script.steps, following, strict=True) if step.op == "pageout"
    )


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


def scripts(first: int, count: int) -> Iterator[Script]:
    """The scripts of `count` seeds."""
    for seed in range(first, first + count):
        yield random_script(seed)
