# SPDX-License-Identifier: MIT
"""The wheel is whole: built, installed beside what it declares and nothing else, and run by an ordinary user from
another folder, all of it below a path with a space."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hw.sources import ROOT
from hw.verilated.library import compiled
from sim.scenario.scenario import DEFAULT, Scenario, find
from tests.marks import VERIFY
from tests.sim.scenes import write_scenario
from tests.user import as_user, give

pytestmark = VERIFY  # it compiles afresh whatever it runs

FLOORS = ("hw", "driver", "vswap", "sim")


@dataclass(frozen=True)
class Installed:
    """An installed wheel.

    Attributes:
        wheel: the file.
        environment: the virtual environment that it is in.
        home: the user's home, and the current folder of what the user runs.
    """

    wheel: Path
    environment: Path
    home: Path

    def run(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `vcram` as the user: in the home folder, and with no variable of ours."""
        argv = [str(self.environment / "bin" / "vcram"), *map(str, arguments)]
        told = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8"} | variables
        return subprocess.run([*as_user(), *argv], cwd=self.home, env=told, capture_output=True, text=True, timeout=600)

    def files(self) -> dict[Path, int]:
        """All that is installed, with the time of its last change."""
        return {path: path.lstat().st_mtime_ns for path in self.environment.rglob("*")}

    def folder(self, name: str) -> Path:
        """A new folder in the user's home, the user's own."""
        made = self.home / name
        made.mkdir()
        give(made)
        return made


def declared(distribution: metadata.Distribution, seen: set[str]) -> Iterator[metadata.Distribution]:
    """What a distribution requires, directly or not, as it is installed here."""
    for line in distribution.requires or ():
        requirement = Requirement(line)
        if requirement.name not in seen and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            seen.add(requirement.name)
            required = metadata.distribution(requirement.name)
            yield required
            yield from declared(required, seen)


def provide(distribution: metadata.Distribution, packages: Path) -> None:
    """Install another environment's distribution, by hard links where that is possible."""
    for file in distribution.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:  # programs, and what Python may not write here either
            continue
        target = packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(str(distribution.locate_file(file)), target)
        except OSError:
            shutil.copy(str(distribution.locate_file(file)), target)


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    with tempfile.TemporaryDirectory(prefix="vcram wheel ") as name:
        folder = Path(name)
        folder.chmod(0o755)
        tree = folder / "tree"
        for floor in FLOORS:
            shutil.copytree(ROOT / floor, tree / floor, ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / file, tree)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        offline = ["--no-deps", "--no-index"]
        subprocess.run([*pip, "wheel", *offline, "--no-build-isolation", "-w", folder, tree], check=True)
        (wheel,) = folder.glob("*.whl")
        environment = folder / "environment"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
        inside = ["--python", str(environment / "bin" / "python")]
        subprocess.run([*pip, *inside, "install", *offline, wheel], check=True, env=os.environ | {"PYTHONPATH": ""})
        (packages,) = environment.glob("lib/python*/site-packages")
        (ours,) = metadata.distributions(path=[str(packages)])
        for distribution in declared(ours, set()):
            provide(distribution, packages)
        home = folder / "home"
        home.mkdir()
        give(home)
        yield Installed(wheel, environment, home)


def test_the_wheel_has_every_file_of_the_four_floors(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        packed = {name for name in archive.namelist() if name.split("/")[0] in FLOORS}
    here = [path for floor in FLOORS for path in (ROOT / floor).rglob("*") if path.is_file()]
    assert packed == {str(path.relative_to(ROOT)) for path in here if "__pycache__" not in path.parts}


def test_an_ordinary_user_runs_the_main_job(installed: Installed) -> None:
    """On the model. The report goes into the current folder, what is kept into the user's cache, and nothing is written
    where the package is."""
    before = installed.files()
    done = installed.run("run", "--sim", "model")
    assert done.returncode == 0, done.stderr
    assert " 0 mismatches" in done.stdout
    assert (installed.home / "main-model.html").is_file()
    assert (installed.home / ".cache" / "vcram" / "run").is_dir()
    assert installed.files() == before


def test_the_rtl_runs_as_a_library_that_lies_where_the_user_says(installed: Installed) -> None:
    """Its name covers all it is made of: the library that this tree makes fits, so the wheel has the same sources."""
    scenario = Scenario.load(find(DEFAULT))
    library = compiled(scenario.cram.parameters(), scenario.cram.media_latency).parent
    place = installed.folder("builds")
    shutil.copytree(library, place / "hw" / library.name, symlinks=True)
    give(place)
    before = installed.files()
    done = installed.run("run", "--sim", "verilated", "--rounds", 1, VCRAM_BUILD=str(place))
    assert done.returncode == 0, done.stderr
    assert " 0 mismatches" in done.stdout
    assert [path.name for path in (place / "hw").iterdir() if path.is_dir()] == [library.name]
    assert installed.files() == before


@pytest.mark.parametrize("sim", ["verilated", "icarus"])
def test_what_is_installed_compiles_its_rtl_itself(installed: Installed, sim: str) -> None:
    scenes = installed.folder(sim)
    scenario = write_scenario(scenes, pages=4, workload={"rounds": 1})
    before = installed.files()
    done = installed.run("run", "--sim", sim, scenario)
    assert done.returncode == 0, done.stderr
    assert " 0 mismatches" in done.stdout
    assert list((installed.home / ".cache" / "vcram" / "hw").glob("cram_*/complete"))
    assert installed.files() == before


def test_a_report_that_cannot_be_written_is_told_before_the_run(installed: Installed) -> None:
    done = installed.run("run", "--sim", "model", "--report", installed.environment / "report.html")
    assert done.returncode == 2
    assert "cannot be written: name another file" in done.stderr
