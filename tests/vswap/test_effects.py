# SPDX-License-Identifier: MIT
"""What each rule of the kernels did to the main job is recorded for all the states that are named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hw.sources import ROOT
from tests.campaigns.kerneldiff import effects
from tests.campaigns.kerneldiff.effects import EffectsError, State, row, states

FIGURES = {"mismatches": 0, "problems": [], "faults": {}, "writebacks": {}, "simulated_ns": 5, "kernel": {"loads": 2}}


def test_the_record_has_every_state_in_order() -> None:
    """`python -m tests.campaigns.kerneldiff.effects`, then `python -m sim.bench.figures --record`."""
    kept = json.loads((ROOT / "docs" / "figures" / "effects.json").read_text())
    assert [State(each["rule"], each["commit"], each["what"]) for each in kept] == states()


def test_a_state_whose_main_job_fails_has_no_row() -> None:
    state = State("1", "abc", "writeback")
    assert row(state, FIGURES)["kernel"] == {"loads": 2}
    with pytest.raises(EffectsError, match="abc: the main job fails"):
        row(state, FIGURES | {"mismatches": 1})


def test_a_file_of_states_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "effects.toml"
    file.write_text('[[state]]\nrule = "1"\n')
    with pytest.raises(EffectsError, match=r"effects\.toml: .*give each"):
        states(file)


def test_a_state_that_is_recorded_is_not_run_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["effects"])
    monkeypatch.setattr(effects, "build_folder", lambda: tmp_path)
    monkeypatch.setattr(effects, "run", lambda state: pytest.fail(f"{state.commit} is run"))
    assert effects.main() == 0
    assert json.loads((tmp_path / "effects.json").read_text()) == json.loads(effects.RECORD.read_text())
