# SPDX-License-Identifier: MIT
"""The contract suite accepts our tiers, rejects every broken one, and can be run on a backend that is not ours."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from file_tier import FileTier

from hw.link import Link
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from sim.cli import cli
from tests.marks import VERIFY
from vswap.contract import CHECKS, Backend, Bench, run_check, run_contract
from vswap.contract.__main__ import caught_by
from vswap.contract.backends import OURS, zswap
from vswap.contract.broken import BROKEN, Broken
from vswap.contract.broken.raw import raw
from vswap.contract.limit import limited
from vswap.contract.registry import CHAPTERS
from vswap.contract.suite import LINKS
from vswap.tiers.base import Full, Tier
from vswap.tiers.zswap import ZswapTier

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("name", OURS)
def test_our_tiers_pass_on_the_model(name: str) -> None:
    report = run_contract(OURS[name], seed=1)
    assert report.failed == [] and len(report.passed) > 25


@VERIFY  # libraries that nobody else needs
@pytest.mark.parametrize("name", ["zswap", "cram"])
def test_our_tiers_pass_on_the_rtl(name: str) -> None:
    """All of them and all seeds: `make contract`."""
    checks = [identifier for identifier in CHECKS if not identifier.startswith("machine.")] + ["machine.crowd"]
    report = run_contract(OURS[name], link=LINKS["verilated"], seeds=1, only=checks)
    assert report.failed == [] and report.passed


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_backend_is_rejected(broken: Broken) -> None:
    assert caught_by(broken) in CHECKS


def test_the_raw_store_that_broken_ones_are_made_of_is_right() -> None:
    report = run_contract(raw)
    assert report.failed == [] and len(report.passed) > 35


def test_there_are_enough_of_them_and_each_says_what_is_wrong() -> None:
    assert len({broken.name for broken in BROKEN}) == len(BROKEN) >= 25
    assert all(len(broken.story) > 30 for broken in BROKEN)


def test_every_check_says_what_the_kernel_relies_on() -> None:
    for clause in CHECKS.values():
        assert clause.identifier.partition(".")[0] in CHAPTERS
        assert clause.relies.endswith(".") and len(clause.relies) > 20


@pytest.mark.parametrize("seed", [0, 7])
def test_a_failure_is_the_same_with_the_same_seed(seed: int) -> None:
    broken = next(broken for broken in BROKEN if broken.name == "SwapfileSlotTwice")
    first, again = (run_check(CHECKS["concurrency.random"], broken.factory, seed) for _ in range(2))
    assert first.verdict == "fail" and (first.reason, first.seed) == (again.reason, again.seed)


def test_a_check_that_does_not_apply_is_not_counted_as_passed() -> None:
    report = run_contract(OURS["zero"], only=["capacity.gate"])
    assert (report.passed, report.failed, report.outcomes[0].verdict) == ([], [], "not applicable")


# As a program, and in pytest


class Refusing(ZswapTier):
    """Takes nothing."""

    async def store(self, data: bytes, slot: int) -> int:
        raise Full("never")


def refusing(bench: Bench) -> Backend:
    """A factory of a third party."""
    return zswap(bench, Refusing)


def test_the_command_runs_a_backend_and_names_what_it_broke(tmp_path: Path) -> None:
    target = tmp_path / "outcomes.json"
    command = ["contract", "tests.vswap.test_contract:refusing", "--check", "data.takes-pages", "--json", str(target)]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    assert "data.takes-pages" in result.output and CHECKS["data.takes-pages"].relies in result.output
    assert json.loads(target.read_text())[0]["verdict"] == "fail"


def test_the_command_accepts_a_good_backend() -> None:
    result = CliRunner().invoke(cli, ["contract", "vswap.contract.backends:zram", "--check", "data.round-trip"])
    assert (result.exit_code, "1 passed, 0 failed" in result.output) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing: expected PACKAGE:FACTORY, FILE.py:FACTORY or FILE.so"),
        (["no.such.module:x"], "No module named"),
        (["vswap.contract.backends:nobody"], "has no function nobody: it has zero, zswap, zram, swapfile, cram"),
        (["nowhere.py:x"], "nowhere.py: no such file: expected PACKAGE:FACTORY"),
        (["examples/tier:x"], "examples/tier: is a folder: expected PACKAGE:FACTORY"),
        (["Makefile:x"], "its name must end in .py"),
        (["./Makefile:x"], "its name must end in .py"),
        (["vswap.contract.backends:zram", "--check", "data.x"], "no such check"),
    ],
)
def test_bad_input_is_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["contract", *arguments])
    assert result.exit_code == 2 and message in result.output


_TIER = """
from vswap.contract.broken.raw import RawStore
class Mine(RawStore):
    %s
def x(bench):
    return Mine(bench.clock, 8)
"""
FILES = {
    "def x(:": "mine.py:1: SyntaxError: invalid syntax",
    "\nimport nothing_of_the_kind": "mine.py:2: ModuleNotFoundError: No module named 'nothing_of_the_kind'",
    "raise SystemExit(3)": "mine.py:1: SystemExit: 3",
    "def y(bench): pass": "mine.py has no function x: it has y",
    "x = 5": "mine.py has no function x: it has none at all",
    "def x(bench):\n    raise ValueError('no\\nway')": "mine.py:2: ValueError: no way",
    "def x(bench): return 5": "the factory made int, which lacks type, store, load, free, reown, handles,",
    _TIER % "type = 5": "whose type is 5: a BackingType is expected",
    _TIER % "usage = lambda self: (0, 5)": "whose usage() returned (0, 5): a Usage is expected",
    _TIER % "handles = lambda self: []": "whose handles() returned []: a dict is expected",
    _TIER % "reserve = write = 0": "which has reserve and lacks stable_writes, read: a QueuedTier has them all",
    "def x(): pass": "TypeError: x() takes 0 positional arguments but 1 was given",
    "def x(bench):\n    while True: pass": "the factory did not end: it spins",
}


@pytest.mark.parametrize("text", FILES)
def test_a_file_of_no_use_is_one_line_and_no_failed_checks(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text + "\n")
    result = CliRunner().invoke(cli, ["contract", f"{file}:x", "--limit", "1"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"vcram: {file}") and FILES[text] in result.stderr
    assert result.stderr.count("\n") == 1


def test_debug_shows_the_traceback_of_a_factorys_and_of_a_tiers_own_bug(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def x(bench): return deeper()\ndef deeper(): raise ValueError('no')\n")
    result = CliRunner().invoke(cli, ["--debug", "contract", f"{file}:x"])
    assert result.exit_code == 2 and "return deeper()" in result.stderr
    arguments = ["contract", "tests.vswap.test_contract:buggy", "--check", "data.takes-pages"]
    assert "Traceback" not in CliRunner().invoke(cli, arguments).output
    output = CliRunner().invoke(cli, ["--debug", *arguments]).output
    assert "Traceback" in output and 'raise ZeroDivisionError("a bug")' in output


class Buggy(FileTier):
    async def store(self, data: bytes, slot: int) -> int:
        raise ZeroDivisionError("a bug")


def buggy(bench: Bench) -> Backend:
    return Backend(Buggy(bench.clock, bench.folder / "pages", 8))


class Lenient(FileTier):
    """Says another error than the protocol does where a handle is not in use."""

    def reown(self, handle: int, slot: int) -> None:
        self._owners[handle] = slot

    def free(self, handle: int) -> None:
        if handle not in self._owners:
            raise ValueError(f"no handle {handle}")
        super().free(handle)


class Hoarder(FileTier):
    """Takes a frame for itself, and tells nobody."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.clock, bench.folder / "hoard", bench.store_pages)
        self._memory = bench.memory

    async def store(self, data: bytes, slot: int) -> int:
        handle = await super().store(data, slot)
        self._memory.take(1)
        return handle

    def free(self, handle: int) -> None:
        super().free(handle)
        self._memory.give(1)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("lifetime.double-free", "KeyError is expected, as vswap/tiers/base.py says, and this was raised: ValueError:"),
        ("lifetime.reown", "a freed handle got a new owner: that is a KeyError"),
    ],
)
def test_a_failure_says_what_the_protocol_wants(check: str, said: str) -> None:
    def factory(bench: Bench) -> Backend:
        return Backend(Lenient(bench.clock, bench.folder / "pages", bench.store_pages))

    outcome = run_check(CHECKS[check], factory, 0)
    assert outcome.verdict == "fail" and said in outcome.reason


def test_frames_that_nobody_tells_of_are_said_to_be_those_of_a_pool() -> None:
    outcome = run_check(CHECKS["machine.pressure"], lambda bench: Backend(Hoarder(bench)), 0)
    assert outcome.verdict == "fail"
    assert (
        "a tier that takes frames says how many it has in pool_pages (Pooled of vswap/tiers/base.py)" in outcome.reason
    )


# What hangs or dies


class Spinning(FileTier):
    async def store(self, data: bytes, slot: int) -> int:
        while True:
            try:
                pass
            except BaseException:  # whatever ends it comes from outside
                pass


class Waiting(FileTier):
    async def store(self, data: bytes, slot: int) -> int:
        signal.pause()  # the program as a whole waits, and not the task
        return await super().store(data, slot)


class Sleeping(FileTier):
    async def store(self, data: bytes, slot: int) -> int:
        while True:
            try:
                await self._clock.sleep(5)
            except BaseException:
                pass


class NeverTold(FileTier):
    async def store(self, data: bytes, slot: int) -> int:
        await self._clock.event().wait()
        return 0


class Dying(FileTier):
    async def store(self, data: bytes, slot: int) -> int:
        os.abort()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Spinning, "it spins: "),
        (Waiting, "it waits for ever: "),
        (Sleeping, "it spins: "),
        (NeverTold, "Deadlock: "),
        (Dying, "the process of the check has ended before the check: SIGABRT"),
    ],
)
def test_a_backend_that_hangs_or_dies_fails_each_check_and_the_next_one_runs(kind: type[FileTier], said: str) -> None:
    def factory(bench: Bench) -> Backend:
        return Backend(kind(bench.clock, bench.folder / "pages", bench.store_pages))

    report = run_contract(factory, only=["data.round-trip", "data.takes-pages"], limit_s=0.7)
    assert [outcome.verdict for outcome in report.outcomes] == ["fail", "fail"]
    assert all(outcome.reason.startswith(said) for outcome in report.outcomes)


def test_compiling_the_rtl_takes_no_check_its_time() -> None:
    compiled = False

    def link(clock: VirtualClock, parameters: DeviceParameters) -> Link:
        nonlocal compiled
        if not compiled:
            time.sleep(3)
            compiled = True
        return LINKS["model"](clock, parameters)

    report = run_contract(OURS["zero"], only=["data.round-trip"], link=link, seeds=1, limit_s=1)
    assert [outcome.verdict for outcome in report.outcomes] == ["pass"]


def test_seconds_in_which_a_check_does_not_run_are_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that is busy with others, or was paused: the clock has gone on by a minute at each look."""
    minutes = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: 60.0 * next(minutes))
    assert limited(lambda: sum(range(1_000_000)), 5) == sum(range(1_000_000))


@pytest.mark.parametrize("kind", [Spinning, Waiting])
def test_what_hangs_is_told_with_its_place(kind: type[FileTier]) -> None:
    def factory(bench: Bench) -> Backend:
        return Backend(kind(bench.clock, bench.folder / "pages", bench.store_pages))

    outcome = run_check(CHECKS["data.takes-pages"], factory, 0, limit_s=0.7)
    assert Path(__file__).name in outcome.reason and outcome.reason.endswith(" in store")
    assert "in store" in outcome.details


def test_without_a_limit_a_check_runs_in_this_process() -> None:
    seen: list[int] = []

    def factory(bench: Bench) -> Backend | Tier:
        seen.append(os.getpid())
        return OURS["zero"](bench)

    assert run_check(CHECKS["data.takes-pages"], factory, 0, limit_s=None).verdict == "pass"
    assert seen == [os.getpid()]
    assert run_check(CHECKS["data.takes-pages"], factory, 0).verdict == "pass"
    assert seen == [os.getpid()]


# The environment


def test_a_missing_compiler_is_an_error_of_the_environment_and_not_the_backends(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "sim.cli", "contract", "vswap.contract.backends:zram", "--link", "verilated"]
    done = subprocess.run(argv, env=os.environ | {"CXX": "no-compiler"}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "vcram: no-compiler not found: run `make setup` as root, or install the package g++\n"


# The example


def test_the_example_of_the_documentation_keeps_the_contract(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["contract", "examples/tier/file_tier.py:file_tier", "--json", "-"])
    outcomes = json.loads(result.stdout)
    assert result.exit_code == 0, result.stderr
    assert {outcome["identifier"] for outcome in outcomes} == CHECKS.keys()
    assert sum(outcome["verdict"] == "pass" for outcome in outcomes) > 25
    documented = (Path(__file__).parents[2] / "docs/contract-suite.md").read_text()
    assert all(f"| `{key}` |" in documented for key in outcomes[0])
    assert not Path("-").exists()


def test_pytest_runs_the_checks_as_tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # this tree, wherever another one is installed
    plugin = ("-p", "vswap.contract.plugin", "-p", "no:cacheprovider", "-p", "no:randomly")
    result = pytester.runpytest_subprocess(*plugin, "--contract", "vswap.contract.backends:zero", "-k", "data or gate")
    result.assert_outcomes(passed=7, skipped=3, deselected=len(CHECKS) - 10)
