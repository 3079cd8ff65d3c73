# SPDX-License-Identifier: MIT
"""A signal unwinds a command; a hangup that is ignored, as under nohup(1), stays ignored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sim.base.interrupts import Interrupted, interruptible

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def none_is_ignored() -> Iterator[None]:
    """Whoever runs the tests may ignore some, as nohup(1) does."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_unwinds_and_a_second_one_does_not_interrupt_that(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=number.name), interruptible():
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


IMPORTING = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class CtrlC(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, CtrlC())
from sim.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["sim.cli", "vswap.system", "numpy"])
def test_ctrl_c_while_the_program_is_still_being_imported_is_one_line(module: str) -> None:
    ended = subprocess.run([sys.executable, "-c", IMPORTING, module], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (130, "vcram: interrupted; nothing is left running\n")


BEFORE_ITS_FIRST_STEP = """
import os, signal
from sim.base.interrupts import Interrupted, interruptible

async def access():
    pass

try:
    with interruptible():
        begun = access()
        os.kill(os.getpid(), signal.SIGINT)
except Interrupted:
    pass
"""


def test_a_coroutine_that_is_interrupted_before_its_first_step_is_no_warning() -> None:
    ended = subprocess.run([sys.executable, "-c", BEFORE_ITS_FIRST_STEP], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
