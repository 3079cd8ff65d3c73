# SPDX-License-Identifier: MIT
"""What the contract suite tells programs: JUnit's XML as CI servers read it, and what is the environment's fault."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
from collections import Counter, namedtuple
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from file_tier import FileTier

from hw.link import Link
from hw.parameters import DeviceParameters
from hw.tools import ToolError
from hw.virtual_time import VirtualClock
from sim.cli import cli
from vswap.contract import CHECKS, Backend, Bench, Outcome, junit, run_check, run_contract, suite
from vswap.contract.backends import zero

pytest_plugins = ["pytester"]
BEGAN = datetime(2026, 1, 2, 3, 4, 5)
OUTCOMES = [
    Outcome("data.round-trip", "pass", 1, seconds=1.25),
    Outcome("data.rewrite", "fail", 2, 'Failure: a "page" <changed> & went \x00\x1b', "Traceback\n  ]]> line\n", 0.5),
    Outcome("data.blocks", "not applicable", 0, "no store_block"),
    Outcome("errors.fence", "error", 0, "Killed: SIGKILL from outside, as where memory has run out", "", 0.25),
]


def parsed(outcomes: list[Outcome]) -> ElementTree.Element:
    text = junit(outcomes, "mine.py:tier", BEGAN, {"link": "model"})
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    return ElementTree.fromstring(text.encode())


def test_totals_are_those_of_the_cases_in_the_suite_and_above_it() -> None:
    root = parsed(OUTCOMES)
    (one,) = root
    assert (root.tag, one.tag) == ("testsuites", "testsuite")
    for element in (root, one):
        totals = {name: element.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}
        assert totals == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1", "time": "2.000"}
        assert element.get("name") == "vcram contract mine.py:tier"
    assert one.get("timestamp") == "2026-01-02T03:04:05"
    assert Counter(child.tag for case in one.iter("testcase") for child in case) == {
        "failure": 1, "error": 1, "skipped": 1,
    }  # fmt: skip


def test_properties_come_first_and_each_case_has_class_name_and_time() -> None:
    (one,) = parsed(OUTCOMES)
    assert [child.tag for child in one] == ["properties", *["testcase"] * 4]
    assert [found.attrib for found in one.iter("property")] == [{"name": "link", "value": "model"}]
    assert one[1].attrib == {"classname": "contract.data", "name": "data.round-trip", "time": "1.250"}


def test_a_failure_has_message_type_and_text_and_no_character_that_xml_has_not() -> None:
    (one,) = parsed(OUTCOMES)
    (failure,) = one.iter("failure")
    assert failure.attrib == {"message": 'Failure: a "page" <changed> & went \ufffd\ufffd', "type": "Failure"}
    assert failure.text is not None
    assert CHECKS["data.rewrite"].relies in failure.text and "seed 2: " in failure.text and "]]> line" in failure.text
    (error,) = one.iter("error")
    assert error.get("type") == "Killed"
    (skipped,) = one.iter("skipped")
    assert skipped.attrib == {"message": "no store_block"}


@pytest.mark.parametrize(("check", "status"), [("data.round-trip", 0), ("data.takes-pages", 1)])
def test_the_command_writes_it(tmp_path: Path, check: str, status: int) -> None:
    target = tmp_path / "junit.xml"
    arguments = ["contract", "tests.vswap.test_contract:refusing", "--check", check, "--junit", str(target)]
    assert CliRunner().invoke(cli, arguments).exit_code == status
    root = ElementTree.parse(target).getroot()
    assert (root.get("tests"), root.get("failures")) == ("1", str(status))
    to_output = CliRunner().invoke(cli, [*arguments[:-1], "-"])
    assert ElementTree.fromstring(to_output.stdout.encode()).tag == "testsuites"


def test_standard_output_holds_one_of_them() -> None:
    result = CliRunner().invoke(cli, ["contract", "vswap.contract.backends:zero", "--json", "-", "--junit", "-"])
    assert result.exit_code == 2 and "--json is standard output already" in result.stderr


# The environment's fault


class Tired(FileTier):
    """Its first check has no room on the disk."""

    async def store(self, data: bytes, slot: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def tired(bench: Bench) -> Backend:
    return Backend(Tired(bench.clock, bench.folder / "pages", 8))


Disk = namedtuple("Disk", "total used free")


@pytest.mark.parametrize(("free", "verdict", "status"), [(1000, "error", 3), (1 << 40, "fail", 1)])
def test_a_full_disk_is_the_environments_fault_and_one_with_room_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, verdict: str, status: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(1 << 41, (1 << 41) - free, free))
    target = tmp_path / "junit.xml"
    arguments = ["contract", f"{__name__}:tired", "--junit", str(target)]
    checks = ["--check", "data.takes-pages", "--check", "data.load-keeps"]
    result = CliRunner().invoke(cli, [*arguments, *checks])
    assert result.exit_code == status
    assert result.stdout.count(f"{verdict:<15} data.") == 2, "the next one is run"
    tag = "error" if verdict == "error" else "failure"
    assert len(list(ElementTree.parse(target).getroot().iter(tag))) == 2
    assert ("2 errors" in result.stdout) == (verdict == "error")


def test_a_killed_process_is_the_environments_fault() -> None:
    def factory(bench: Bench) -> Backend:
        os.kill(os.getpid(), signal.SIGKILL)
        return zero(bench)

    outcome = run_check(CHECKS["data.takes-pages"], factory, 0)
    assert (outcome.verdict, outcome.reason) == ("error", "Killed: SIGKILL from outside, as where memory has run out")


KILLS = "import os\ndef tier(bench): os.kill(os.getpid(), 9)\n"
"""A module whose factory dies as where memory has run out."""


def test_a_factory_that_is_killed_is_one_line_and_an_error_of_every_check(tmp_path: Path) -> None:
    (tmp_path / "kills.py").write_text(KILLS)
    target, name = tmp_path / "junit.xml", f"{tmp_path}/kills.py:tier"
    result = CliRunner().invoke(cli, ["contract", name, "--junit", str(target)])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        f"vcram: {name}: the process of the factory was killed: SIGKILL from outside, as where memory has run out; "
        "free some memory and try again\n"
    )
    root = ElementTree.parse(target).getroot()
    assert (root.get("tests"), root.get("errors"), root.get("failures")) == (str(len(CHECKS)), str(len(CHECKS)), "0")


def test_no_process_to_try_a_factory_in_is_the_environments_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", fork)
    result = CliRunner().invoke(cli, ["contract", "vswap.contract.backends:zero"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        "vcram: vswap.contract.backends:zero: the factory cannot be tried: "
        "[Errno 11] Resource temporarily unavailable; mend that and try again\n"
    )


def test_in_pytest_a_factory_that_is_killed_is_one_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(kills=KILLS)
    plugin = ("-p", "vswap.contract.plugin", "-p", "no:cacheprovider", "-p", "no:randomly")
    result = pytester.runpytest_subprocess(*plugin, "--contract", "kills.py:tier")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: kills.py:tier: the process of the factory was killed: SIGKILL *"])


def test_a_folder_that_cannot_be_made_is_the_environments_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    report = run_contract(zero, only=["data.takes-pages", "data.load-keeps"])
    assert report.errors == ["data.takes-pages", "data.load-keeps"] and report.failed == report.passed == []
    assert report.outcomes[0].reason.startswith("FileNotFoundError: ")


def test_a_device_that_is_not_there_for_one_check_does_not_end_the_others() -> None:
    made = 0

    def link(clock: VirtualClock, parameters: DeviceParameters) -> Link:
        nonlocal made
        made += 1
        if made == 2:  # the first one is made before the checks
            raise ToolError("verilator not found")
        return suite.LINKS["model"](clock, parameters)

    report = run_contract(zero, only=["data.takes-pages", "data.load-keeps"], link=link, limit_s=None)
    assert [outcome.verdict for outcome in report.outcomes] == ["error", "pass"]
    assert report.outcomes[0].reason == "ToolError: verilator not found"


def test_a_missing_compiler_is_an_error_of_every_check_for_a_ci_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def link(clock: VirtualClock, parameters: DeviceParameters) -> Link:
        raise ToolError("no-compiler not found")

    monkeypatch.setitem(suite.LINKS, "model", link)
    target = tmp_path / "junit.xml"
    result = CliRunner().invoke(cli, ["contract", "vswap.contract.backends:zero", "--junit", str(target)])
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", "vcram: no-compiler not found\n")
    root = ElementTree.parse(target).getroot()
    assert root.get("errors") == root.get("tests") == str(len(CHECKS))


def test_in_pytest_it_is_an_error_and_no_failure(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(
        mine="""
        import os
        from vswap.contract.backends import zero

        tried = 0

        def tier(bench):
            if bench.store_pages == 48 and os.path.exists("tried"):
                os.kill(os.getpid(), 9)
            open("tried", "w").close()
            return zero(bench)
    """
    )
    pytester.makepyfile(test_mine="def test_that_is_not_asked_for(): assert False")
    plugin = ("-p", "vswap.contract.plugin", "-p", "no:cacheprovider", "-p", "no:randomly")
    result = pytester.runpytest_subprocess(*plugin, "--contract", "mine.py:tier", "-k", "takes-pages or load-keeps")
    result.assert_outcomes(errors=2, deselected=len(CHECKS) - 2)
