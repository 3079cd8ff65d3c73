# SPDX-License-Identifier: MIT
"""Standard streams of the contract suite: a backend's own words never get among the outcomes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.native import BROKEN, CHATTY, compile_backend

PRINTS = """
print("imported")
from vswap.contract.backends import zero

def tier(bench):
    print("made")
    return zero(bench)
"""


def contract(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", "-m", "sim.cli", "contract", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_a_backend_in_c_prints_is_no_part_of_the_outcomes(tmp_path: Path) -> None:
    chatty = compile_backend(CHATTY, tmp_path / "chatty.so")
    done = contract(str(chatty), "--check", "data.takes-pages", "--json", "-")
    assert [outcome["verdict"] for outcome in json.loads(done.stdout)] == ["pass"]
    assert "1 requests" in done.stderr.splitlines()


def test_what_a_backend_in_python_prints_is_no_part_of_the_outcomes(tmp_path: Path) -> None:
    (tmp_path / "prints.py").write_text(PRINTS)
    done = contract(f"{tmp_path}/prints.py:tier", "--check", "data.takes-pages", "--junit", "-")
    assert ElementTree.fromstring(done.stdout.encode()).get("failures") == "0"
    assert {"imported", "made"} <= set(done.stderr.splitlines())


def test_a_crash_is_named_by_its_signal_and_dumps_no_stack(tmp_path: Path) -> None:
    crashes = compile_backend(BROKEN / "crashes.c", tmp_path / "crashes.so")
    done = contract(str(crashes), "--check", "lifetime.double-free")
    assert (
        done.returncode == 1 and done.stdout.count("the process of the check has ended before the check: SIGSEGV") == 1
    )
    assert done.stderr == ""


def test_where_it_hangs_is_told_although_crashes_dump_no_stack(tmp_path: Path) -> None:
    spins = compile_backend(BROKEN / "spins.c", tmp_path / "spins.so")
    done = contract(str(spins), "--check", "data.takes-pages", "--limit", "2", "--json", "-")
    (outcome,) = json.loads(done.stdout)
    assert outcome["reason"].endswith(" in _submit") and "in _submit" in outcome["details"]
