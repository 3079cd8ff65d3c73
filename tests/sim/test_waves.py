# SPDX-License-Identifier: MIT
"""Waves of a part of a run: named by time or by faults, on the run's clock, and led to by what goes wrong."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hw.link import PAGE_BYTES
from hw.links.verilated import VerilatedLink
from sim.cli import cli
from sim.run.metrics import Result as Figures
from sim.run.window import Window
from tests.marks import VERIFY
from tests.sim.scenes import write_scenario


def run(folder: Path, *arguments: object) -> Result:
    """`vcram run` on the small scenario, in this process."""
    name = folder / "small.toml"
    return CliRunner().invoke(cli, ["run", str(name), "--report", str(folder / "r.html"), *map(str, arguments)])


def times(vcd: Path) -> list[int]:
    """The moments in a VCD file, ns."""
    return [int(line[1:]) // 1000 for line in vcd.read_text().splitlines() if line.startswith("#")]


def as_vcd(waves: Path, folder: Path) -> Path:
    """The same waves as VCD."""
    if waves.suffix == ".vcd":
        return waves
    made = folder / "decoded.vcd"
    subprocess.run(["fst2vcd", "-f", str(waves), "-o", str(made)], check=True)
    return made


# Windows


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("120us:140us", Window(120_000, 140_000)),
        ("1.5ms:2ms", Window(1_500_000, 2_000_000)),
        ("120_000:140000", Window(120_000, 140_000)),
        ("f812:f815", Window(812, 815, faults=True)),
        ("f1:f1", Window(1, 1, faults=True)),
    ],
)
def test_a_window_is_two_times_or_two_faults(text: str, window: Window) -> None:
    assert Window.parse(text) == window
    assert Window.parse(str(window)) == window


@pytest.mark.parametrize("text", ["", "5", "5:", "f1:2", "2:1", "f0:f1", "f1us:f2us", "1:2:3", "-1:2", "a:b"])
def test_what_is_no_window_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Window.parse(text)


def test_faults_count_from_1_and_that_is_said() -> None:
    with pytest.raises(ValueError, match="count from 1"):
        Window.parse("f0:f1")


def test_waves_are_those_of_the_rtl_in_this_process(tmp_path: Path) -> None:
    write_scenario(tmp_path)
    done = run(tmp_path, "--sim", "model", "--waves", "f1:f2")
    assert done.exit_code == 2
    assert "--sim verilated only" in done.output


# Waves


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("waves")
    write_scenario(folder, costs={"swapfile_read": 100, "swapfile_transfer": 10})  # the slow faults are the device's
    return folder


@VERIFY
def test_the_waves_of_a_fault_cover_it_and_the_figures_stay_as_they_are(folder: Path) -> None:
    assert run(folder, "--json", folder / "plain.json").exit_code == 0
    figures = Figures.model_validate_json((folder / "plain.json").read_text())
    fault = next(fault for fault in figures.slowest if fault.kind in ("promotion", "soft_fault", "first_touch"))
    waves = folder / "fault.vcd"
    done = run(
        folder, "--json", folder / "waves.json", "--waves", f"f{fault.number}:f{fault.number}", "--waves-file", waves
    )
    assert done.exit_code == 0, done.output
    assert (folder / "plain.json").read_bytes() == (folder / "waves.json").read_bytes()
    end = fault.from_ns + fault.duration_ns
    moments = times(waves)
    assert moments == sorted(moments)
    assert fault.from_ns - 100_000 < moments[0] and moments[-1] <= end + 1
    assert any(fault.from_ns <= moment <= end for moment in moments)


@VERIFY
def test_waves_by_time_lie_between_the_two_and_the_views_name_signals_of_the_file(folder: Path) -> None:
    middle = 2_000_000
    waves = folder / "time.vcd"
    done = run(folder, "--waves", f"{middle}:{middle + 300_000}", "--waves-file", waves)
    assert done.exit_code == 0, done.output
    moments = times(waves)
    assert middle <= moments[0] <= moments[-1] <= middle + 300_001
    head = waves.read_text().partition("$enddefinitions")[0]
    names = set(re.findall(r"\$var \w+ +\d+ \S+ (\S+)", head))
    commands = (folder / "time.sucl").read_text().splitlines()
    assert commands[0] == f"load_file {waves}"
    shown = [command.split()[1] for command in commands if command.startswith("variable_add ")]
    assert len(shown) > 20
    assert {name.rpartition(".")[2] for name in shown} <= names
    assert {"host_awvalid", "media_rvalid", "interrupt_o"} <= {name.rpartition(".")[2] for name in shown}
    assert len(shown) == len({name.rpartition(".")[2] for name in shown}), "no signal twice"
    view = (folder / "time.gtkw").read_text()
    assert re.search(rf"^\[timestart\] {moments[0]}\d\d\d$", view, re.MULTILINE)
    assert f'[dumpfile] "{waves}"' in view
    assert all(name in view for name in shown)


@VERIFY
def test_waves_become_fst_where_gtkwave_is_installed(folder: Path) -> None:
    done = run(folder, "--waves", "f100:f101", "--waves-file", folder / "w.fst")
    assert done.exit_code == 0, done.output
    assert (folder / "w.fst").exists() and not (folder / "w.vcd").exists()
    assert str(folder / "w.fst") in (folder / "w.gtkw").read_text()


@VERIFY
def test_a_mismatch_says_where_the_page_was_and_the_line_it_prints_writes_waves_around_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, count = VerilatedLink.read, 0

    async def flipping(link: VerilatedLink, address: int, length: int) -> bytes:
        nonlocal count
        data = await read(link, address, length)
        count += length == PAGE_BYTES
        return bytes([data[0] ^ 1]) + data[1:] if length == PAGE_BYTES and count >= 20 else data

    monkeypatch.setattr(VerilatedLink, "read", flipping)
    monkeypatch.chdir(folder)
    failed = run(folder)
    assert failed.exit_code == 1
    said = re.search(r"differs at event \d+, ([\d,]+) ns: .*; it was (?:mapped )?on page \d+ of cram", failed.output)
    assert said, failed.output
    left = re.search(r"the run's folder: (.+)", failed.output)
    assert left and Path(left[1]).is_dir()
    line = re.search(r"again: vcram (run .+)", failed.output)
    assert line
    count = 0
    again = CliRunner().invoke(cli, shlex.split(line[1]))
    assert again.exit_code == 1
    assert said[0] in again.output
    written = re.search(r"^waves: (\S+?),", again.output, re.MULTILINE)
    assert written, again.output
    moments = times(as_vcd(Path(written[1]), folder))
    at = int(said[1].replace(",", ""))
    assert moments[0] - 2_000 <= at <= moments[-1]
    for output in (failed.output, again.output):
        shutil.rmtree(output.partition("the run's folder: ")[2].splitlines()[0])
