# SPDX-License-Identifier: MIT
"""What a guest has of Debian's packages: programs with the libraries that they need, and nothing that runs a system."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sim.guest import GuestError, cpio, fetch_tree, tree

KNOWN = """\
Package: tool
Version: 1
Section: database
Pre-Depends: adduser
Depends: libtool1 (>= 1.0), virtual | libother:any, missing

Package: libtool1
Version: 2
Section: libs
Depends: tool

Package: libother
Version: 3
Section: libs

Package: adduser
Version: 4
Section: admin
Depends: perl

Package: perl
Version: 5
Section: perl
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with these packages, unpacked."""
    monkeypatch.setattr(tree, "run_tool", lambda argv: KNOWN)
    made = {
        "tool_1/usr/bin/tool": "program", "tool_1/usr/share/doc/tool/copyright": "",
        "libtool1_2/lib/x/libtool.so.1.0": "1", "libother_3/usr/lib/x/libother.so": "3",
        "adduser_4/usr/sbin/adduser": "",
    }  # fmt: skip
    for name, text in made.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (tmp_path / "libtool1_2/lib/x/libtool.so.1").symlink_to("libtool.so.1.0")
    return tmp_path


def test_a_program_comes_with_what_it_needs_but_manuals_and_the_administration_of_a_system(packages: Path) -> None:
    found = {name: data for name, (data, _) in fetch_tree(packages, ["tool"]).items()}
    assert found == {
        "lib": b"usr/lib", "lib64": b"usr/lib64", "usr/bin/tool": b"program", "usr/lib/x/libtool.so.1.0": b"1",
        "usr/lib/x/libtool.so.1": b"libtool.so.1.0", "usr/lib/x/libother.so": b"3",
    }  # fmt: skip


def test_a_package_for_administration_comes_if_it_is_named(packages: Path) -> None:
    (packages / "perl_5").mkdir()
    assert "usr/sbin/adduser" in fetch_tree(packages, ["adduser"])


def test_of_several_packages_the_first_that_is_known_is_taken(packages: Path) -> None:
    assert "usr/bin/tool" in fetch_tree(packages, ["tool2 | tool | adduser"])
    with pytest.raises(GuestError, match=r"no package tool2 \| tool3 is known here"):
        fetch_tree(packages, ["tool2 | tool3"])


def test_a_package_that_is_not_known_is_named(packages: Path) -> None:
    with pytest.raises(GuestError, match="no package sqllite is known here"):
        fetch_tree(packages, ["sqllite"])


def test_links_and_modes_are_in_the_archive() -> None:
    archive = cpio({"lib": (b"usr/lib", stat.S_IFLNK | 0o777), "usr/bin/tool": (b"text", 0o755)})
    modes = {}
    at = 0
    while (name := archive[at + 110 : archive.index(b"\0", at + 110)].decode()) != "TRAILER!!!":
        mode, size, name_bytes = (int(archive[at + start : at + start + 8], 16) for start in (14, 54, 94))
        modes[name] = mode
        at += -(-(110 + name_bytes) // 4) * 4 + -(-size // 4) * 4
    assert (modes["lib"], modes["usr/bin/tool"], modes["usr/bin"]) == (0o120777, 0o100755, 0o040755)
