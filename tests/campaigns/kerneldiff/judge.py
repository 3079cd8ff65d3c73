# SPDX-License-Identifier: MIT
"""The judge: scripts on the kernels and on the model, and what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Literal

from tests.campaigns.kerneldiff import kernel, model
from tests.campaigns.kerneldiff.compare import Comparison, Difference, Listed
from tests.campaigns.kerneldiff.guest import Guest
from tests.campaigns.kerneldiff.script import Script, Step
from tests.campaigns.kerneldiff.seen import Seen

COUNTED = {
    "6.1": (32, 64, 96, 127, -32, -64),
    "6.12": (20_000, 60_000, 150_000, 300_000, 600_000, 2_000_000),
}
"""What nobody can know of a reclaim, by profile. 6.1: changes of the group's statistics that have been counted when it
begins, besides 0; less than that where the kernel counts fewer of them, in larger portions, than the model
(vswap/mm/scan.py). 6.12: ns of the model after which the timer of 2 s brings the statistics up to date."""


@dataclass
class Verdict:
    """Of a run.

    Attributes:
        kernels: version of the kernel, by profile.
        scripts, steps, pages: how many of each were compared; a script on two kernels counts twice, a page
            with two layers of the model, too.
        unlisted: the differences that no exception lists.
        listed: differences under each exception.
        failing: scripts with a difference that is not listed.
    """

    kernels: dict[str, str] = field(default_factory=dict)
    scripts: int = 0
    steps: int = 0
    pages: int = 0
    unlisted: list[Difference] = field(default_factory=list)
    listed: Counter[str] = field(default_factory=Counter)
    failing: list[tuple[str, Script]] = field(default_factory=list)


def compare(profile: str, guest: Guest, script: Script, listed: Iterable[Listed]) -> tuple[list[Difference], int]:
    """The differences of a script, listed ones too, and how many pages were compared. What a timer is to have done is
    believed only where the kernel does not do it a second time.

    Raises:
        GuestError: the guest is gone.
        RequestError: the script asks for what cannot be.
    """
    listed = list(listed)
    left: list[Seen] = []
    kernel.run(guest, script, left.append)
    found, pages = _layers(profile, script, left, listed)
    if profile == "6.12" and _by_statistics(found):
        again: list[Seen] = []
        kernel.run(guest, script, again.append)
        if _by_statistics(_layers(profile, script, again, listed)[0]):
            found, pages = _layers(profile, script, left, [each for each in listed if "statistics" not in each.fields])
    return found, pages


def _by_statistics(found: Iterable[Difference]) -> bool:
    return any(each.field == "statistics" for each in found)


def _layers(profile: str, script: Script, left: list[Seen], listed: Iterable[Listed]) -> tuple[list[Difference], int]:
    """What the kernel showed against the model with each layer."""
    found: list[Difference] = []
    pages = 0
    for layer in model.LAYERS:
        differences, compared = against(profile, script, left, listed, layer)
        found += differences
        pages += compared
    return found, pages


def against(
    profile: str, script: Script, left: list[Seen], listed: Iterable[Listed], layer: Literal["direct", "virtual"]
) -> tuple[list[Difference], int]:
    """What the kernel showed against the model with one layer. Where the statistics that a reclaim goes by were brought
    up to date (`COUNTED`) shows in its outcome, or in that of a step after it: the last reclaim before a difference is
    done again with other numbers, if an exception says so."""
    listed = list(listed)
    counted: dict[int, int] = {}
    known: list[Difference] = []
    found, pages = _once(profile, script, left, listed, layer, counted)
    while number := _first(found):
        reclaim = _last_reclaim(script, number)
        for each in COUNTED[profile] if reclaim not in counted else ():
            step = script.steps[reclaim - 1]
            other = Difference(profile, script.name, reclaim, str(step), "statistics", "", str(each), layer=layer)
            name = next((entry.name for entry in listed if entry.holds(other, script, step)), "")
            if not name:
                continue
            better, compared = _once(profile, script, left, listed, layer, counted | {reclaim: each})
            if (_first(better) or len(script.steps) + 1) > number:
                counted[reclaim] = each
                known.append(replace(other, listed=name))
                found, pages = better, compared
                break
        else:
            break
    return known + found, pages


def _last_reclaim(script: Script, number: int) -> int:
    """Number of the last step up to this one that reclaims; this one where there is none."""
    return next((each for each in range(number, 0, -1) if script.steps[each - 1].op == "reclaim"), number)


def _first(found: Iterable[Difference]) -> int | None:
    """Number of the first step with a difference that is not listed."""
    return next((each.number for each in found if not each.listed), None)


def _once(
    profile: str,
    script: Script,
    left: list[Seen],
    listed: Iterable[Listed],
    layer: Literal["direct", "virtual"],
    counted: Mapping[int, int],
) -> tuple[list[Difference], int]:
    """One run of the model, against what the kernel showed."""
    right: list[Seen] = []
    broken = ""
    try:
        model.run(profile, script, right.append, layer, counted)
    except Exception as error:
        broken = f"{type(error).__name__}: {error}"
    comparison = Comparison(profile, script, listed, layer)
    found: list[Difference] = []
    for number, (seen, modelled) in enumerate(zip_longest(left, right)):
        step: Step = script.steps[number]
        if modelled is None:
            found.append(Difference(profile, script.name, number + 1, str(step), "model", "ok", broken, layer=layer))
            break
        found += comparison.step(number, seen, modelled)
    return found, comparison.pages


def judge(
    profile: str,
    guest: Guest,
    scripts: Sequence[Script],
    listed: Sequence[Listed],
    verdict: Verdict,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Compare scripts on one kernel, and add what came out. Raises GuestError, RequestError."""
    kernel.prepare(guest)
    verdict.kernels[profile] = guest.version
    for number, script in enumerate(scripts):
        progress(number)
        if not script.concerns(profile):
            continue
        found, pages = compare(profile, guest, script, listed)
        verdict.scripts += 1
        verdict.steps += len(script.steps)
        verdict.pages += pages
        verdict.listed.update(each.listed for each in found if each.listed)
        unlisted = [each for each in found if not each.listed]
        verdict.unlisted += unlisted
        if unlisted:
            verdict.failing.append((profile, script))
