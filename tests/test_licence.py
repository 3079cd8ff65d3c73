# SPDX-License-Identifier: MIT
"""Every source file says its licence, on its first line or after `#!`: MIT, or what is listed here with its reason."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw.sources import ROOT

SUFFIXES = {".py", ".sh", ".v", ".vh", ".vlt", ".c", ".cpp", ".h", ".rdl"}
"""Code. Documents, data and settings are under the licence of the whole, LICENSE."""
PROGRAMS = {"Makefile", ".ci/run", "examples/linux-swap/init", "sim/cxl/guest/init"}
"""Code without a suffix."""
OTHERS: dict[str, str] = {
    # made of QEMU's headers, and part of QEMU where they run
    "sim/cxl/plugin/build_check.c": "GPL-2.0-or-later",
    "sim/cxl/plugin/build_check.h": "GPL-2.0-or-later",
    "sim/cxl/plugin/cxl_cram.c": "GPL-2.0-or-later",
    "sim/cxl/modules/cram_provider.c": "GPL-2.0-or-later",  # made of Linux' headers, and part of Linux where it runs
}
"""Files under another licence, and which: one that is part of a GPL program would have to be GPL."""
PASSED_OVER = {"build", ".venv", ".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def files(folder: Path = ROOT) -> Iterator[Path]:
    """The files of the project, without what is built or installed."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in PASSED_OVER and not name.endswith(".egg-info")]
        yield from (Path(place) / name for name in names)


def is_source(path: Path, root: Path = ROOT) -> bool:
    """Whether it is code: a template is what it makes."""
    name = path.name.removesuffix(".jinja")
    return Path(name).suffix in SUFFIXES or path.relative_to(root).as_posix() in PROGRAMS


def licence(text: str) -> str | None:
    """What a file says of its licence, where it has to say it."""
    lines = text.splitlines()
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    mark, colon, said = lines[0].partition("SPDX-License-Identifier: ") if lines else ("", "", "")
    return said if colon and mark in ("# ", "// ") else None


def test_every_source_file_says_its_licence() -> None:
    sources = [path for path in files() if is_source(path)]
    assert len(sources) > 300
    names = {path: path.relative_to(ROOT).as_posix() for path in sources}
    wrong = {name: said for path, name in names.items()
             if (said := licence(path.read_text())) != OTHERS.get(name, "MIT")}  # fmt: skip
    assert wrong == {}
    assert OTHERS.keys() <= set(names.values()), "a file under another licence is gone"


def test_every_program_without_a_suffix_is_known() -> None:
    """What begins with #! is code, whatever its name."""
    programs = set()
    for path in files():
        with path.open("rb") as file:
            if file.read(2) == b"#!":
                programs.add(path)
    assert programs
    assert [path for path in programs if not is_source(path)] == []


def test_package_and_licence_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "MIT"
    assert [(ROOT / name).read_text().split("\n")[0] for name in project["license-files"]] == ["MIT License"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# SPDX-License-Identifier: MIT\n", "MIT"),
        ("#!/bin/sh\n# SPDX-License-Identifier: MIT\n", "MIT"),
        ("// SPDX-License-Identifier: GPL-2.0-only\nmodule a;", "GPL-2.0-only"),
        ('"""A module."""\n# SPDX-License-Identifier: MIT\n', None),
        ("# Licence: MIT\n", None),
        ("", None),
    ],
)
def test_a_line_is_found_only_where_it_has_to_be(text: str, said: str | None) -> None:
    assert licence(text) == said
