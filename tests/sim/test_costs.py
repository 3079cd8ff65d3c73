# SPDX-License-Identifier: MIT
"""Costs: every default has a source, and `vcram costs measure` makes a scenario of what this machine takes."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sim.cli import cli
from sim.costs import command, measure
from sim.costs.measure import Measured
from sim.scenario.scenario import Scenario, shipped
from tests.sim.scenes import write_scenario
from vswap.base.costs import Costs

HOST = {
    *("page_zero", "page_copy", "zero_test", "fault", "fork_pte", "tlb_shootdown"),
    *("zswap_compress", "zswap_decompress", "zstd_compress", "zstd_decompress", "lzo_compress", "lzo_decompress"),
    *("swapfile_read", "swapfile_write"),
}
"""What a host without privileges can measure."""


def vcram(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Measured]:
    """Two figures, and a cost that could not be measured, in the place of a measurement."""
    found = [Measured("fault", 77, "as the test says"), Measured("tlb_shootdown", None, "there is one processor only")]

    def fixed(disk: Path | None, progress: Callable[[str], None]) -> Iterator[Measured]:
        progress("nothing")
        yield from found

    monkeypatch.setattr(command, "measure", fixed)
    return found


@pytest.mark.parametrize("cost", fields(Costs), ids=lambda cost: cost.name)
def test_every_default_has_a_source_or_says_that_it_is_assumed(cost: object) -> None:
    source: str = cost.metadata["source"]  # type: ignore[attr-defined]
    assert source.startswith("assumed") or any(
        word in source for word in ("published", "README", "independent measurement")
    )
    assert cost.metadata["meaning"]  # type: ignore[attr-defined]


def test_a_soft_fault_is_a_minor_one_and_costs_less_than_a_swap_in() -> None:
    costs = Costs()
    assert costs.fault + costs.page_zero == 800, "a new anonymous page, as measured"
    assert costs.fault + costs.major_fault == 1_920, "a major fault's path, as published"


def test_what_was_measured_is_in_the_scenario_and_the_rest_is_as_before(
    tmp_path: Path, figures: list[Measured]
) -> None:
    (tmp_path / "from").mkdir()
    tiers = {"order": ["cram", "zswap", "swapfile"]}
    scenario = write_scenario(tmp_path / "from", tiers=tiers, costs={"fault": 5, "tlb_shootdown": 6, "retry": 7})
    result = vcram("costs", "measure", scenario, "-o", tmp_path / "here.toml")
    assert result.exit_code == 0 and f"vcram run {tmp_path / 'here.toml'}" in result.stdout
    before, after = Scenario.load(scenario), Scenario.load(tmp_path / "here.toml")
    assert after.costs == {"fault": 77, "tlb_shootdown": 6, "retry": 7}
    assert after.model_dump(exclude={"costs"}) == before.model_dump(exclude={"costs"}), "paths lead to the same files"
    assert "as the test says" in (tmp_path / "here.toml").read_text()


@pytest.mark.parametrize("name", list(shipped()))
def test_shipped_scenarios_can_be_written_elsewhere_and_run(name: str, tmp_path: Path, figures: list[Measured]) -> None:
    assert vcram("costs", "measure", name, "-o", tmp_path / "here.toml").exit_code == 0
    made = Scenario.load(tmp_path / "here.toml")
    assert made.vswap_config().costs.fault == 77
    assert Path(made.workload.trace).is_file()


def test_the_scenario_goes_to_standard_output_alone_when_asked(figures: list[Measured]) -> None:
    result = vcram("costs", "measure", "-o", "-")
    assert tomllib.loads(result.stdout)["costs"]["fault"] == 77 and "as the test says" in result.stderr


def test_this_machine_is_measured_and_vcram_run_takes_the_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "PAGES", 512)
    found = {each.name: each for each in measure.measure(tmp_path)}
    assert found.keys() == HOST
    assert all(each.ns is not None and each.ns > 0 for name, each in found.items()
               if name not in ("tlb_shootdown", "swapfile_read", "swapfile_write"))  # fmt: skip
    assert not list(tmp_path.iterdir()), "nothing is left on the disk"
    monkeypatch.setattr(command, "measure", lambda *_: iter(found.values()))
    scenario = write_scenario(tmp_path)
    assert vcram("costs", "measure", scenario, "-o", tmp_path / "here.toml").exit_code == 0
    result = vcram("run", tmp_path / "here.toml", "--sim", "model", "--report", tmp_path / "a.html")
    assert result.exit_code == 0 and "0 mismatches" in result.stdout


def test_what_cannot_be_measured_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "PAGES", 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    unmeasured = {each.name: each.how for each in measure.measure(None) if each.ns is None}
    assert unmeasured["tlb_shootdown"] == "there is one processor only"
    assert "--disk" in unmeasured["swapfile_read"] == unmeasured["swapfile_write"]


def test_the_help_teaches_and_errors_are_one_line(tmp_path: Path) -> None:
    text = vcram("costs", "measure", "--help").output
    for word in ("TLB shootdown", "--disk", "vcram run here.toml", "idle"):
        assert word in text
    for arguments in (("nowhere.toml",), ("no-such-scenario",), ("--disk", tmp_path / "nowhere")):
        result = vcram("costs", "measure", *arguments)
        assert result.exit_code == 2 and "Traceback" not in result.output
    assert len(vcram("costs", "measure", "no-such-scenario").stderr.strip().splitlines()) == 1
