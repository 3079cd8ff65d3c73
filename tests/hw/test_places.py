"""Where builds, caches, runs and reports go: a checkout's build folder, else the user's cache, or where it is said."""

from __future__ import annotations

import logging
import os
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

NOBODY = 65534


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
    """A copy of what a run on the model needs, which nobody but root may write, in a path with a space."""
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
    with tempfile.TemporaryDirectory() as home:
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
        user = user if os.getuid() == 0 else []
        if user:
            os.chown(home, NOBODY, NOBODY)
        # The Python of this environment may lie where nobody may look, and is found in its own packages all the same.
        argv = [*user, sys.executable, "-c", "from hw.places import build_folder; print(build_folder())"]
        environment = {"HOME": home, "PYTHONPATH": os.pathsep.join([str(read_only_tree), *sys.path])}
        done = subprocess.run(argv, env=environment, cwd=read_only_tree, capture_output=True, text=True)
    assert done.stdout == f"{home}/.cache/vcram\n", done.stderr
    assert done.stderr == f"{read_only_tree} cannot be written: builds and runs go to {home}/.cache/vcram\n"
