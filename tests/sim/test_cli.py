# SPDX-License-Identifier: MIT
"""The command line: it teaches, and what goes wrong is one line and a status."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sim.cli import cli
from sim.scenario.scenario import shipped
from sim.trace.file import Trace
from tests.sim.scenes import write_scenario


def vcram(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def test_help_names_the_simulators_the_statuses_and_an_example() -> None:
    text = vcram("run", "--help").output
    for word in ("verilator", "icarus", "model", "Exit status", "130", "vcram run --sim model", "vcram scenarios"):
        assert word in text


def test_the_version_is_told() -> None:
    assert vcram("--version").output.startswith("vcram, version ")


def test_the_shipped_scenarios_are_listed_with_their_titles() -> None:
    output = vcram("scenarios").output
    assert all(name in output for name in shipped())
    assert "limit_pages" in vcram("scenarios", "--keys").output


def test_a_key_that_takes_one_of_a_few_words_is_listed_with_them() -> None:
    output = vcram("scenarios", "--keys").output
    lines = {line.split()[0]: line for line in output.splitlines() if line.startswith("  ")}
    assert lines["profile"].endswith('["6.1" | "6.12" | "current"]')
    assert lines["slot_layout"].endswith('["compact" | "descriptors" | "swap-table"]')
    assert "|" not in lines["limit_pages"]


def test_a_passing_run_prints_its_figures_and_writes_json_and_report(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    result = vcram("run", scenario, "--sim", "model", "--json", tmp_path / "a.json", "--report", tmp_path / "a.html")
    assert result.exit_code == 0
    assert "page stores" in result.stdout
    assert "0 mismatches" in result.stdout
    values = json.loads((tmp_path / "a.json").read_text())
    wanted = {"stores", "loads", "soft_faults", "promotions", "mismatches", "cycles", "writebacks", "scenario", "sim"}
    assert wanted <= values.keys()
    assert values["writebacks"].keys() > {"cram_to_zswap", "cram_to_swapfile", "zswap_to_swapfile"}
    assert "Bytes of the pages on the device" in (tmp_path / "a.html").read_text()


def test_json_goes_to_standard_output_alone_when_asked(tmp_path: Path) -> None:
    result = vcram("run", write_scenario(tmp_path), "--sim", "model", "--json", "-", "--report", tmp_path / "a.html")
    assert json.loads(result.stdout)["mismatches"] == 0


def test_a_run_that_could_not_be_finished_fails_but_still_reports(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, tiers={"order": ["swapfile"]}, swapfile={"pages": 8})
    result = vcram("run", scenario, "--sim", "model", "--json", tmp_path / "a.json", "--report", tmp_path / "a.html")
    assert result.exit_code == 1
    assert "not finished: stopped at event" in result.stdout
    assert not json.loads((tmp_path / "a.json").read_text())["finished"]
    assert "failed" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("spoil", "said", "status"),
    [
        (lambda folder: cut(folder / "small.trace"), "small.trace: truncated trace: ", 2),
        (lambda folder: (folder / "small.trace").unlink(), "small.trace: No such file or directory", 2),
        (lambda folder: (folder / "small.trace").write_text("hello"), "small.trace: not a vcram trace", 2),
        (lambda folder: write_scenario(folder, cram={"media": 1}), "small.toml: [cram] unknown key media", 2),
        (lambda folder: write_scenario(folder, cram={"media_bytes": 0}), "[cram] media_bytes is 0, expected", 2),
        (lambda folder: (folder / "small.toml").unlink(), "small.toml: No such file or directory", 2),
        (lambda folder: write_scenario(folder, swapfile={"path": "small.trace"}), "exists and is not a swapfile", 1),
        (lambda folder: write_scenario(folder, swapfile={"path": "."}), "Is a directory", 1),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_no_traceback(
    tmp_path: Path, spoil: Callable[[Path], object], said: str, status: int
) -> None:
    scenario = write_scenario(tmp_path)
    spoil(tmp_path)
    result = vcram("run", scenario, "--sim", "model")
    assert result.exit_code == status
    assert result.stderr.startswith("vcram: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_swapfile_that_is_something_else_is_not_touched(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, swapfile={"path": "small.trace"})
    before = (tmp_path / "small.trace").read_bytes()
    vcram("run", scenario, "--sim", "model")
    assert (tmp_path / "small.trace").read_bytes() == before


def test_a_swapfile_that_another_run_uses_is_not_touched(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, swapfile={"path": "swapfile"})
    with (tmp_path / "swapfile").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = vcram("run", scenario, "--sim", "model")
    assert result.exit_code == 1
    assert result.stderr == f"vcram: {tmp_path / 'swapfile'}: in use by another run; name another file\n"
    assert (tmp_path / "swapfile").stat().st_size == 0


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, cram={"media_bytes": 0})
    assert "Traceback" in vcram("--debug", "run", scenario).stderr


def test_a_scenario_that_does_not_exist_is_told_with_those_that_do() -> None:
    result = vcram("run", "nosuch")
    assert result.exit_code == 2
    assert "no such scenario" in result.stderr and "main" in result.stderr


def test_a_json_file_in_no_folder_is_told_before_anything_runs(tmp_path: Path) -> None:
    result = vcram("run", "--sim", "model", "--json", tmp_path / "no" / "a.json")
    assert result.exit_code == 2
    assert "no such folder" in result.stderr


@pytest.mark.parametrize("option", ["--json", "--report", "--timeline"])
def test_a_disk_that_is_full_is_one_line_with_the_file(tmp_path: Path, option: str) -> None:
    report = [] if option == "--report" else ["--report", str(tmp_path / "report.html")]
    scenario = write_scenario(tmp_path)
    result = CliRunner().invoke(cli, ["run", str(scenario), "--sim", "model", option, "/dev/full", *report])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "vcram: /dev/full: No space left on device"


def test_a_link_that_takes_longer_than_the_machine_needs_to_rest_contradicts_nothing(tmp_path: Path) -> None:
    arguments = ["--set", "costs.cxl_link=1000000000", "--report", str(tmp_path / "report.html")]
    result = CliRunner().invoke(cli, ["run", str(write_scenario(tmp_path)), "--sim", "model", *arguments])
    assert result.exit_code == 0, result.output


def test_what_was_recorded_can_be_run(tmp_path: Path) -> None:
    trace = tmp_path / "small.trace"
    scenario = write_scenario(tmp_path)
    result = vcram(
        "capture", "-o", trace, "--max-events", "20000", "--", "perl", "-e", "my @a = map { $_ x 9 } 1..9999"
    )
    assert result.exit_code == 0, result.output
    assert f"{trace}: " in result.stderr
    assert Trace.load(trace).header.program == "perl"
    again = vcram("run", scenario, "--sim", "model", "--report", tmp_path / "a.html")
    assert again.exit_code == 0, again.output


def test_a_recorded_programs_status_is_the_commands(tmp_path: Path) -> None:
    assert vcram("capture", "-o", tmp_path / "a.trace", "--", "sh", "-c", "exit 3").exit_code == 3


def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = vcram("capture", "-o", tmp_path / "a.trace", "--", "no-such-program")
    assert result.exit_code == 1
    assert result.stderr == "vcram: no-such-program: no such command\n"
