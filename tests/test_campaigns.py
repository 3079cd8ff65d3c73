# SPDX-License-Identifier: MIT
"""Every campaign says with --help what it does and what may be asked of it, and runs nothing."""

from __future__ import annotations

import runpy
import sys

import pytest

from hw.sources import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in (ROOT / "tests" / "campaigns").rglob("*.py")
    if '__name__ == "__main__"' in path.read_text()
)


def test_they_are_all_found() -> None:
    assert "tests.campaigns.breakages" in MODULES and "tests.campaigns.kerneldiff" in MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_campaign_explains_itself(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    for loaded in (module, f"{module}.__main__"):  # by a test before this one: it is to run afresh
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__")
    assert ended.value.code == 0
    usage, _, told = capsys.readouterr().out.partition("\n\n")
    assert usage.startswith(f"usage: python -m {module} ")
    assert told.strip() and "-h, --help" in told
