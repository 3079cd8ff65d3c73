# SPDX-License-Identifier: MIT
"""The package's papers agree: one version, one licence, and a lock that holds all that pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hw.sources import ROOT

REQUIREMENTS = ROOT / "requirements"
LOCKS = sorted(REQUIREMENTS.glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]


def pins(lock: Path) -> dict[str, str]:
    """The text about each package of a lock, its hashes included."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", lock.read_text()))
    return {canonicalize_name(block.partition("==")[0]): block for block in blocks if block.strip()}


def wanted(lines: list[str]) -> set[str]:
    """The names of packages in requirements."""
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_the_lock_pins_every_requirement() -> None:
    asked = [*PROJECT["project"]["dependencies"], *EXTRAS["dev"], *EXTRAS["dask"]]
    assert wanted(asked) <= pins(REQUIREMENTS / "python.txt").keys(), "run `make lock`"
    assert wanted(PROJECT["build-system"]["requires"]) <= pins(REQUIREMENTS / "build.txt").keys(), "run `make lock`"


def test_the_lock_keeps_to_the_versions_that_are_asked_for() -> None:
    locked = pins(REQUIREMENTS / "python.txt")
    for line in [*PROJECT["project"]["dependencies"], *EXTRAS["dev"], *EXTRAS["dask"]]:
        requirement = Requirement(line)
        version = locked[canonicalize_name(requirement.name)].partition("==")[2].split()[0]
        assert requirement.specifier.contains(version), f"{line}: run `make lock`"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_pin_has_hashes_fits_every_python_and_names_no_index(lock: Path) -> None:
    assert pins(lock)
    for name, block in pins(lock).items():
        assert "--hash=sha256:" in block, name
        assert "python_version" not in block and "python_full_version" not in block, f"{name}: not for every Python"
    assert not re.search(r"://|--index|--extra-index|--find-links|--trusted-host", lock.read_text())


def test_there_is_one_version() -> None:
    version = PROJECT["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert yaml.safe_load((ROOT / "hw" / "vcram.core").read_text())["name"] == f"::vcram:{version}"
    assert re.findall(r"(?m)^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text())[0] == version


def test_there_is_one_licence() -> None:
    assert PROJECT["project"]["license"] == yaml.safe_load((ROOT / "CITATION.cff").read_text())["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")


def test_the_hooks_fetch_nothing_and_run_what_make_lint_runs() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert all(hook["language"] == "system" for hook in repository["hooks"])
    recipe = re.search(r"(?m)^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text())
    assert recipe is not None
    assert [hook["entry"] for hook in repository["hooks"]] == [
        line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()
    ]
