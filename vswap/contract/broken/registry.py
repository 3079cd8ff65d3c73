# SPDX-License-Identifier: MIT
"""What a broken backend is, and how a part of the code is replaced for as long as one is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vswap.contract.bench import Backend, Factory


class Patcher:
    """Replaces attributes of classes and modules, and puts the old ones back at the end."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Put `value` in the place of `owner.name` until the end."""
        self._undo.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, value)

    def undo(self) -> None:
        """The end."""
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)
        self._undo.clear()


@dataclass(frozen=True)
class Broken:
    """One broken backend; `story` says what is wrong with it."""

    name: str
    story: str
    factory: Factory
    patch: Callable[[Patcher], None] | None = None

    @contextmanager
    def patched(self) -> Iterator[None]:
        """The layer as this breakage has it."""
        patcher = Patcher()
        try:
            if self.patch is not None:
                self.patch(patcher)
            yield
        finally:
            patcher.undo()


BROKEN: list[Broken] = []


def tier(base: Callable[..., Backend]) -> Callable[[type], type]:
    """Register a subclass of one of our tiers; its docstring is the story."""

    def register(kind: type) -> type:
        BROKEN.append(Broken(kind.__name__, kind.__doc__ or "", lambda bench: base(bench, kind)))
        return kind

    return register


def layer(base: Factory) -> Callable[[Callable[[Patcher], None]], Callable[[Patcher], None]]:
    """Register a patch of the layer on top of one of our tiers; its docstring is the story."""

    def register(patch: Callable[[Patcher], None]) -> Callable[[Patcher], None]:
        BROKEN.append(Broken(patch.__name__, patch.__doc__ or "", base, patch))
        return patch

    return register
