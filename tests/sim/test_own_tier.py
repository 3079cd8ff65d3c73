# SPDX-License-Identifier: MIT
"""A tier of one's own in a scenario: its factory is its name, in the order and in every figure."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw.sources import ROOT
from sim.cli import cli
from sim.run.execute import execute
from sim.run.metrics import Result
from sim.run.report import figures
from sim.run.run import RunError
from sim.scenario.scenario import ScenarioError, find
from sim.scenario.settings import load, parse
from sim.sweep.row import Task, execute_task
from tests.native import BROKEN, CHATTY, EXAMPLE, compile_backend
from tests.sim.scenes import write_scenario
from vswap.contract import SuiteError

MINE = "file_tier.py:file_tier"
FOLDER = ROOT / "examples" / "tier"


def run(*settings: str) -> Result:
    """The main job once, on the model, with these settings."""
    texts = ["workload.rounds=1", f"tiers.folder={FOLDER}", *settings]
    return execute(load(find("main"), [parse(text) for text in texts]), "main", "model", lambda _: None)


def test_a_tier_of_ones_own_serves_the_main_job_and_is_named_in_its_figures() -> None:
    result = run(f"tiers.order=cram,zswap,{MINE}", "zswap.max_pool_percent=2")
    assert result.ok
    assert result.faults[MINE].count > 0 and "swapfile" not in result.faults
    assert result.loaded[MINE] >= result.faults[MINE].count
    assert result.moves[f"cram_to_{MINE}"] > 0 or result.moves[f"zswap_to_{MINE}"] > 0
    assert f"{MINE}_pages" in result.tiers
    shown = {figure.name: figure.value for figure in figures(result)}
    assert shown[f"{MINE} reads"] == f"{result.kernel['pswpin']:,}", "no other swap device is there"
    assert shown[f"{MINE} stores"] == f"{result.kernel['pswpout']:,}"
    assert not [name for name in shown if "swapfile" in name], "no figure is the swapfile's that is not there"


def test_what_goes_to_a_tier_of_ones_own_and_comes_back_is_swap_out_and_swap_in() -> None:
    result = run(f"tiers.order=zswap,{MINE}", "memory.limit_pages=2000", "zswap.max_pool_percent=2")
    assert result.ok
    assert 0 < result.kernel["pswpout"] == result.stored[MINE]
    assert 0 < result.kernel["pswpin"] == result.loaded[MINE]


def test_every_tier_of_a_kind_is_named_apart() -> None:
    result = run(
        "tiers.order=cram,swapfile,swapfile1", "tiers.priority={ swapfile = 5, swapfile1 = 5 }", "cram.media_bytes=512K"
    )
    assert result.ok
    assert result.faults["swapfile"].count > 0 and result.faults["swapfile1"].count > 0
    assert result.moves["cram_to_swapfile"] > 0 and result.moves["cram_to_swapfile1"] > 0
    assert result.writebacks.cram_to_swapfile == result.moves["cram_to_swapfile"] + result.moves["cram_to_swapfile1"]


def test_the_pages_of_zram_are_no_faults_of_the_swapfile() -> None:
    result = run("tiers.order=zram", "memory.limit_pages=2000")
    assert result.ok and result.faults["zram"].count > 0 and "swapfile" not in result.faults


def test_a_tier_without_a_cram_node_beside_it_has_the_device() -> None:
    result = run("tiers.order=vswap.contract.backends:zswap,swapfile")
    assert result.ok and result.faults["vswap.contract.backends:zswap"].count > 0


def test_a_shared_object_is_a_tier_and_may_have_a_priority(tmp_path: Path) -> None:
    compile_backend(EXAMPLE / "pool.c", tmp_path / "pool.so")
    result = run(f"tiers.folder={tmp_path}", "tiers.order=cram,pool.so,swapfile", "tiers.priority={ 'pool.so' = 5 }")
    assert result.ok and result.faults["pool.so"].count > 0 and result.loaded["pool.so"] > 0


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("nowhere.py:mine", "nowhere.py: no such file: expected PACKAGE:FACTORY, FILE.py:FACTORY or FILE.so"),
        ("file_tier.py:mine", "file_tier.py has no function mine: it has"),
        ("cram,vswap.contract.backends:cram", 'it uses the device, which is "cram" here: leave "cram" out of order'),
        ("cram,hw.link:check_lines", "hw.link:check_lines: the factory raised TypeError"),
    ],
)
def test_a_factory_of_no_use_is_one_line(order: str, said: str) -> None:
    with pytest.raises(SuiteError) as error:
        run(f"tiers.order={order}")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_folder_of_tiers_starts_at_the_scenarios_own(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('[workload]\ntrace = "x"\n[memory]\nlimit_pages = 64\n[tiers]\nfolder = "mine"\n')
    assert load(path).tiers.folder == str(tmp_path / "mine")


def test_what_is_no_name_of_a_factory_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"order names a:b:c, expected cram, .*or PACKAGE:FACTORY"):
        load(find("main"), [parse("tiers.order=a:b:c")])


# A shared object that breaks a rule


@pytest.fixture(scope="module")
def writes_beyond(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_backend(BROKEN / "writes_beyond.c", tmp_path_factory.mktemp("native") / "writes_beyond.so")


ALONE = "tiers.order=zswap,{}", "zswap.max_pool_percent=2", "memory.limit_pages=2000"
SAID = r"stopped at event \d+ of \d+, after \d+ faults: {}: at \d+ ns: a LOAD wrote beyond the 4096 bytes of its page"


def test_a_broken_rule_ends_the_run_in_one_line_that_names_file_time_and_rule(
    writes_beyond: Path, tmp_path: Path
) -> None:
    settings = [f"--set={text.format(writes_beyond)}" for text in ALONE]
    result = CliRunner().invoke(cli, ["run", "--sim", "model", *settings, "--report", str(tmp_path / "report.html")])
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("vcram: ")]
    assert re.fullmatch(f"vcram: {SAID.format(re.escape(str(writes_beyond)))}", line)
    assert isinstance(result.exception, SystemExit), "no traceback"


def test_a_broken_rule_is_a_failed_row_of_a_sweep(writes_beyond: Path) -> None:
    scenario = load(find("main"), [parse(text.format(writes_beyond)) for text in ALONE])
    row = execute_task(Task("main", "model", scenario))
    assert row["status"] == "failed"
    assert re.fullmatch(f"RunError: {SAID.format(re.escape(str(writes_beyond)))}", row["reason"])


def test_a_broken_rule_of_background_work_ends_the_run_too(tmp_path: Path) -> None:
    text = (BROKEN / "writes_beyond.c").read_text().replace("== VCRAM_LOAD &&", "== VCRAM_WRITE &&")
    file = compile_backend(text, tmp_path / "writes.so")
    with pytest.raises(RunError, match=r"after \d+ faults: .+/writes\.so: at \d+ ns: a WRITE wrote beyond"):
        run(*(text.format(file) for text in ALONE))


def test_an_object_that_cannot_make_a_backend_is_one_line_that_names_it_once(tmp_path: Path) -> None:
    compile_backend(EXAMPLE / "pool.c", tmp_path / "pool.so")
    with pytest.raises(SuiteError) as error:
        run(f"tiers.folder={tmp_path}", "tiers.order=zswap,pool.so", f"tiers.own_pages={1 << 32}")
    assert str(error.value) == "pool.so: create returned -12 (Cannot allocate memory)"


def test_what_a_tier_prints_is_no_part_of_the_figures(tmp_path: Path) -> None:
    """In Python when it is imported and when it works, and in C, whose buffer may be written at the end."""
    compile_backend(CHATTY, tmp_path / "chatty.so")
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        f"sys.path.append({str(FOLDER)!r})\n"
        "from file_tier import file_tier\n"
        "print('imported')\n"
        "def tier(bench):\n"
        "    print('made')\n"
        "    return file_tier(bench)\n"
    )
    order = ["chatty.so", "mine.py:tier"]
    scenario = write_scenario(tmp_path, tiers={"order": order, "folder": str(tmp_path), "own_pages": 64})
    command = [sys.executable, "-m", "sim.cli", "run", str(scenario), "--sim", "model", "--json", "-"]
    command += ["--report", str(tmp_path / "report.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["scenario"] == "small"
    assert all(f"\n{said}" in done.stderr for said in ("imported", "made", "1 requests"))
