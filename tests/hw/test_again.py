# SPDX-License-Identifier: MIT
"""`python -m hw.simulate FOLDER` repeats a run with the limit that it had, and refuses what is no run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hw.simulate

RECORD: dict[str, Any] = {
    "test": "t", "module": "m", "case": None, "seed": 3, "environment": {}, "timeout_s": 20.0,
    "top": "fifo", "simulator": "icarus", "parameters": {}, "sources": [], "public": False,
}  # fmt: skip


@pytest.mark.parametrize(("options", "limit_s"), [([], 20.0), (["--waves"], 20.0 * hw.simulate.WAVES_TAKE)])
def test_a_repeated_run_ends_at_its_limit(
    options: list[str],
    limit_s: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def simulate(*_: object, **settings: Any) -> Path:
        assert settings["timeout_s"] == limit_s and settings["seed"] == 3
        raise TimeoutError("too long")

    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    monkeypatch.setenv("VCRAM_RUN", "this one")  # which the call changes
    monkeypatch.setattr(hw.simulate, "build", lambda *_, **__: None)
    monkeypatch.setattr(hw.simulate, "simulate", simulate)
    assert hw.simulate.main([str(tmp_path), *options]) == 1
    assert capsys.readouterr().err == "too long\n"


@pytest.mark.parametrize("text", ["[]", "{}", "nonsense", json.dumps({**RECORD, "seed": None} | {"extra": 1})[:-1]])
def test_what_is_no_run_is_refused_in_a_line(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(SystemExit) as ended:
        hw.simulate.main([str(tmp_path)])
    assert ended.value.code == 2
    assert "is no folder of a run" in capsys.readouterr().err
