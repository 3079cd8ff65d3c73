# SPDX-License-Identifier: MIT
"""Where builds, caches, runs and reports go: a checkout's build folder, else the user's cache, or where it is said."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw import places
from hw.places import PlaceError, build_folder, results_folder
from hw.sources import ROOT
from tests.sim.scenes import write_scenario
from tests.user import as_user, give


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's cache lies in a folder of the test, and VCRAM_BUILD is not set."""
    monkeypatch.delenv("VCRAM_BUILD", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree that is no checkout."""
    tree = tmp_path / "site-packages"
    tree.mkdir()
    monkeypatch.setattr(places, "ROOT", tree)
    return tree


@pytest.fixture
def read_only_tree() -> Iterator[Path]:
    """A copy of the tree that only root may write, in a path with a space."""
    with tempfile.TemporaryDirectory(prefix="vcram tree ") as name:
        tree = Path(name)
        for floor in ("hw", "driver", "vswap", "sim"):
            shutil.copytree(ROOT / floor, tree / floor, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        folders = [tree, *(path for path in tree.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        yield tree
        for folder in folders:
            folder.chmod(0o755)


def test_a_checkout_builds_in_its_own_folder() -> None:
    assert build_folder() == ROOT / "build"


def test_an_installed_package_builds_in_the_users_cache(package: Path, tmp_path: Path) -> None:
    assert build_folder() == tmp_path / "cache" / "vcram"
    assert list(package.iterdir()) == []


@pytest.mark.usefixtures("package")
def test_the_place_that_is_named_is_taken_by_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCRAM_BUILD", str(tmp_path / "elsewhere"))
    assert build_folder() == tmp_path / "elsewhere"


def test_the_place_that_is_named_is_taken_by_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCRAM_BUILD", str(tmp_path / "elsewhere"))
    assert build_folder() == tmp_path / "elsewhere"


def test_the_place_must_be_absolute_since_children_run_in_other_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCRAM_BUILD", "elsewhere")
    with pytest.raises(PlaceError, match="VCRAM_BUILD is 'elsewhere': name an absolute path"):
        build_folder()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VCRAM_BUILD", str(tmp_path / "file" / "below"))
    with pytest.raises(PlaceError, match="file/below cannot be written: name another folder in VCRAM_BUILD"):
        build_folder()


def test_results_go_to_build_inside_a_checkout_and_to_the_current_folder_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "docs")
    assert results_folder("report") == ROOT / "build" / "report"
    monkeypatch.chdir(tmp_path)
    assert results_folder("report") == tmp_path


def test_results_of_a_package_go_to_the_current_folder(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(package)
    assert results_folder("report") == package


def test_a_checkout_that_cannot_be_written_builds_in_the_users_cache_and_says_so_once(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (package / "pyproject.toml").touch()
    (package / "build").touch()  # a file: nothing can be made in it, whoever asks
    with caplog.at_level(logging.WARNING):
        assert build_folder() == build_folder() == tmp_path / "cache" / "vcram"
    assert caplog.messages == [f"{package} cannot be written: builds and runs go to {tmp_path / 'cache' / 'vcram'}"]


def test_a_run_in_a_checkout_that_the_user_cannot_write(read_only_tree: Path) -> None:
    before = set(read_only_tree.rglob("*"))
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        scenario = write_scenario(home, pages=4)
        give(home)
        argv = [*as_user(), sys.executable, "-m", "sim.cli", "run", "--sim", "model", str(scenario)]
        environment = {"HOME": name, "PYTHONPATH": str(read_only_tree)}
        done = subprocess.run(argv, env=environment, cwd=read_only_tree, capture_output=True, text=True)
        reports = list(home.glob(".cache/vcram/report/*.html"))
    assert done.returncode == 0, done.stderr
    assert " 0 mismatches" in done.stdout
    said = f"{read_only_tree} cannot be written: builds and runs go to {home}/.cache/vcram"
    assert done.stderr.splitlines().count(said) == 1
    assert len(reports) == 1
    assert set(read_only_tree.rglob("*")) == before
