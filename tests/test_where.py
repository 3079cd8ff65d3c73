# SPDX-License-Identifier: MIT
"""docs/verification.md says which tests are in `make test` and which in `make verify`; no test is in neither."""

from __future__ import annotations

import re
import subprocess
import sys

from hw.sources import ROOT


def test_the_document_lists_what_is_in_make_verify() -> None:
    answer = subprocess.run([sys.executable, "-m", "tests.where", "--check"], cwd=ROOT)
    assert answer.returncode == 0, "make it again: python -m tests.where"


def test_the_two_targets_divide_all_tests() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.findall(r"pytest -n .* -m (.*)", makefile) == ['"not verify"', "verify"]
    assert re.findall(r"^(?:exec )?make (\w+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE) == ["test", "verify"]
