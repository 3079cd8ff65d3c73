# SPDX-License-Identifier: MIT
"""Comparison: what kernel and model say of the same step, and which differences are listed (exceptions.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hw.sources import ROOT
from tests.campaigns.kerneldiff.script import SETTINGS, Script, Step
from tests.campaigns.kerneldiff.seen import Seen

EXCEPTIONS = Path(__file__).with_name("exceptions.toml")
DOCUMENT = ROOT / "docs" / "kerneldiff.md"
BEGIN = "<!-- made by `python -m tests.campaigns.kerneldiff --exceptions` -->\n"


@dataclass(frozen=True)
class Difference:
    """A field that is not equal after a step.

    Attributes:
        field: `page`, `result.NAME`, or a counter as `vmstat.NAME`.
        where: the page of a task, of a difference of pages.
        listed: name of the exception that it falls under; empty where there is none.
        layer: of the model: with direct slots or with virtual ones.
    """

    profile: str
    script: str
    number: int
    step: str
    field: str
    kernel: str
    model: str
    where: str = ""
    listed: str = ""
    layer: str = "direct"

    def __str__(self) -> str:
        where = f" {self.where}" if self.where else ""
        return (f"{self.profile}: {self.script}, step {self.number}, {self.step}: "
                f"{self.field}{where} is {self.kernel}, in the model ({self.layer}) {self.model}")  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """A listed difference: which, and why. Without `kernel`, `model` and `within` any values may differ.

    Attributes:
        fields: patterns of fields.
        kernel, model: patterns of the values.
        within: numbers may differ by so much.
        profiles, scripts, ops, layers: where it holds; everywhere when empty.
        settings: the machines that it holds for.
        consequences: patterns of fields that may differ in the same script from there on.
    """

    name: str
    reason: str
    fields: tuple[str, ...]
    kernel: str = "*"
    model: str = "*"
    within: int | None = None
    profiles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    ops: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    consequences: tuple[str, ...] = ()

    def holds(self, found: Difference, script: Script, step: Step) -> bool:
        """It lists this difference."""
        return (
            any(fnmatchcase(found.field, pattern) for pattern in self.fields)
            and (not self.profiles or found.profile in self.profiles)
            and (not self.scripts or any(fnmatchcase(script.name, pattern) for pattern in self.scripts))
            and (not self.ops or step.op in self.ops)
            and (not self.layers or found.layer in self.layers)
            and all(script.setting(name) == value for name, value in self.settings.items())
            and fnmatchcase(found.kernel, self.kernel)
            and fnmatchcase(found.model, self.model)
            and (self.within is None or abs(int(found.kernel) - int(found.model)) <= self.within)
        )


def exceptions(path: Path = EXCEPTIONS) -> list[Listed]:
    """The list. Raises ValueError for an entry that is not understood."""
    found = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("exception", []):
        try:
            values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                                      for key, value in entry.items()}  # fmt: skip
            found.append(Listed(**values))
        except TypeError as error:
            raise ValueError(f"{path}: {entry.get('name', 'an exception')}: {error}") from error
        unknown = found[-1].settings.keys() - SETTINGS.keys()
        if unknown:
            raise ValueError(f"{path}: {found[-1].name}: no setting {', '.join(unknown)}")
    return found


def table(listed: Iterable[Listed]) -> str:
    """The list as the document has it."""
    rows = ["| difference | where | why |", "| --- | --- | --- |"]
    for each in listed:
        where = [*(f"profile {name}" for name in each.profiles), *(f"{key} {value}" for key, value in
                 each.settings.items()), *(f"script `{name}`" for name in each.scripts),
                 *(f"after `{op}`" for op in each.ops),
                 *(f"{layer} slots" for layer in each.layers)]  # fmt: skip
        bound = [f"within {each.within:,}"] if each.within is not None else []
        what = ", ".join([f"`{name}`" for name in each.fields] + bound)
        rows.append(f"| {each.name}: {what} | {', '.join(where) or 'everywhere'} | {each.reason} |")
    return "\n".join(rows) + "\n"


class Comparison:
    """Differences of one script on one kernel and one layer of the model, step by step."""

    def __init__(self, profile: str, script: Script, listed: Iterable[Listed], layer: str = "direct") -> None:
        self._profile = profile
        self._script = script
        self._layer = layer
        self._exceptions = list(listed)
        self._consequences: dict[str, str] = {}
        self.pages = 0

    def step(self, number: int, kernel: Seen, model: Seen) -> list[Difference]:
        """The differences after a step, each with the exception that it falls under, if any."""
        step = self._script.steps[number]
        self.pages += len({*kernel.pages, *model.pages})
        found = [
            Difference(
                self._profile, self._script.name, number + 1, str(step), name, left, right, where, layer=self._layer
            )
            for name, where, left, right in _unequal(kernel, model)
        ]
        return [self._consequence(each) for each in [self._listed(each, step) for each in found]]

    def _listed(self, found: Difference, step: Step) -> Difference:
        for each in self._exceptions:
            if each.holds(found, self._script, step):
                for pattern in each.consequences:
                    self._consequences.setdefault(pattern, each.name)
                return replace(found, listed=each.name)
        return found

    def _consequence(self, found: Difference) -> Difference:
        for pattern, name in self._consequences.items():
            if not found.listed and fnmatchcase(found.field, pattern):
                return replace(found, listed=name)
        return found


def _unequal(kernel: Seen, model: Seen) -> Iterator[tuple[str, str, str, str]]:
    """(field, page, kernel's value, model's value) of all that differs. A counter that a kernel does not have counts as
    0, one that the model does not have is not compared."""
    for name in sorted({*kernel.result, *model.result}):
        left, right = kernel.result.get(name, "ok"), model.result.get(name, "ok")
        if left != right:
            yield f"result.{name}", "", str(left), str(right)
    for page in sorted({*kernel.pages, *model.pages}):
        before, after = kernel.pages.get(page, "none"), model.pages.get(page, "none")
        if before != after:
            yield "page", f"{page[1]} of task {page[0]}", before, after
    for name, value in sorted(model.counters.items()):
        if kernel.counters.get(name, 0) != value:
            yield name, "", str(kernel.counters.get(name, 0)), str(value)
