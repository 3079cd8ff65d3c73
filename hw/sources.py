# SPDX-License-Identifier: MIT
"""The RTL's source files: where they lie, and which of them a module needs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RTL = ROOT / "hw" / "rtl"


def closure(top: str, sources: Sequence[Path] = ()) -> list[Path]:
    """The source files that `top` needs: its own and, through them, every file of `hw/rtl` whose module is named.

    Args:
        top: a module of `hw/rtl` or of one of `sources`.
        sources: files outside `hw/rtl` (testbenches); all of them are kept.

    Raises:
        FileNotFoundError: no file holds `top`.
    """
    library = {path.stem: path for path in sorted(RTL.glob("*.v"))}
    needed = {path.stem: path.resolve() for path in sources}
    if top not in needed:
        if top not in library:
            raise FileNotFoundError(f"{RTL / top}.v: no such module")
        needed[top] = library[top]
    pending = list(needed.values())
    while pending:
        text = _code(pending.pop())
        for word in set(re.findall(r"[A-Za-z_]\w*", text)) & library.keys() - needed.keys():
            needed[word] = library[word]
            pending.append(library[word])
    return sorted(needed.values())


def digest(rtl: Path = RTL) -> str:
    """Of what the files of `rtl` say, comments and white space apart: equal digests, equal devices. 12 hex digits."""
    total = hashlib.sha256()
    for path in sorted([*rtl.glob("*.v"), *rtl.glob("*.vh")]):
        total.update(f"{path.name} {' '.join(_code(path).split())}\0".encode())
    return total.hexdigest()[:12]


def _code(path: Path) -> str:
    """Verilog without its comments."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def tops() -> list[str]:
    """The modules of `hw/rtl` that no other module of `hw/rtl` names: those that `lint` has to be called for."""
    modules = sorted(path.stem for path in RTL.glob("*.v"))
    below = {path.stem for module in modules for path in closure(module) if path.stem != module}
    return [module for module in modules if module not in below]


def waivers() -> list[Path]:
    """The files of lint waivers beside the RTL, each with its reasons."""
    return sorted(RTL.glob("*waivers.vlt"))
