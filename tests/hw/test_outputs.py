# SPDX-License-Identifier: MIT
"""`build/` says what is what, and keeps what is in use and what was used last."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from hw.outputs import LOCK, PASSED, README, describe, is_at, prune_builds, prune_runs
from hw.processes import locked
from hw.sources import ROOT

HOUR = 3600


def made(folder: Path, hours_ago: float, size: int = 1000, files: tuple[str, ...] = ()) -> Path:
    """A folder last used so long ago, with `size` bytes in it."""
    folder.mkdir(parents=True)
    (folder / "program").write_bytes(bytes(size))
    for name in files:
        (folder / name).touch()
    then = time.time() - hours_ago * HOUR
    os.utime(folder, (then, then))
    return folder


def built(folder: Path, hours_ago: float) -> Path:
    folder.parent.mkdir(exist_ok=True, parents=True)
    folder.with_suffix(".lock").touch()
    return made(folder, hours_ago)


def test_the_builds_used_last_stay_within_the_limit(tmp_path: Path) -> None:
    old, older, new = (built(tmp_path / name, hours) for name, hours in (("a", 5), ("b", 9), ("c", 2)))
    assert prune_builds(tmp_path, most=2500) == [older]
    assert old.exists() and new.exists() and not older.exists()
    assert prune_builds(tmp_path, most=2500) == []


def test_a_build_that_may_be_in_use_stays_whatever_its_size(tmp_path: Path) -> None:
    used, locked_one = built(tmp_path / "a", 0.5), built(tmp_path / "b", 9)
    with locked(locked_one.with_suffix(".lock")):  # somebody compiles it or has just asked for it
        os.utime(locked_one, (0, 0))
        assert prune_builds(tmp_path, most=0) == []
    assert used.exists() and locked_one.exists()


def test_what_builds_share_is_no_build(tmp_path: Path) -> None:
    shared = made(tmp_path / "runtime-0123", 99)
    assert prune_builds(tmp_path, most=0) == []
    assert shared.exists()


def test_of_runs_that_passed_the_last_few_stay_and_all_that_failed(tmp_path: Path) -> None:
    passed = [made(tmp_path / f"p{hours}", hours, files=(PASSED,)) for hours in (1, 2, 3)]
    failed = made(tmp_path / "f", 50)
    assert prune_runs(tmp_path, passed=2) == [passed[2]]
    assert failed.exists()


def test_runs_take_no_more_than_the_limit(tmp_path: Path) -> None:
    failed = [made(tmp_path / f"f{hours}", hours) for hours in (1, 2, 3)]
    assert prune_runs(tmp_path, most=2500) == [failed[2]]


def test_a_run_under_way_or_just_ended_stays(tmp_path: Path) -> None:
    made(tmp_path / "just", 0.01, files=(PASSED,))
    with locked(made(tmp_path / "under-way", 5, files=(PASSED,)) / LOCK):
        assert prune_runs(tmp_path, most=0, passed=0) == []


def test_a_run_that_goes_leaves_its_name_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a run of the same name meanwhile has a folder of its own."""
    old = made(tmp_path / "run", 5, files=(PASSED, LOCK))
    seen = []

    def slowly(folder: Path, ignore_errors: bool) -> None:
        old.mkdir()  # the run that starts
        seen.append(folder)

    with (old / LOCK).open() as lock:
        monkeypatch.setattr("shutil.rmtree", slowly)
        assert prune_runs(tmp_path, passed=0) == [old]
        assert not is_at(lock, old / LOCK), "it sees that what it has locked has gone"
    assert old.exists() and seen != [old]


def test_the_folder_says_what_is_what(tmp_path: Path) -> None:
    describe(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text == README
    places = set()
    for path in (path for folder in ("hw", "sim", "tests", "examples") for path in (ROOT / folder).rglob("*.py")):
        places |= set(re.findall(r'(?:build_folder\(\) / |results_folder\()"([\w-]+)"', path.read_text()))
    assert len(places) > 5
    assert [place for place in sorted(places) if f"\n{place}/" not in text] == []
