# SPDX-License-Identifier: MIT
"""Linux with the device as its CXL memory (docs/cxl.md): the figures, and in `make verify` guests that run.

Where QEMU or the kernel cannot be had, these tests fail with the sentence that says so.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hw.parameters import DeviceParameters
from hw.sources import ROOT
from sim.cxl import Figures, Machine, find_problems, run_guest
from sim.cxl.command import cxl_command
from sim.cxl.guest import why_not
from sim.cxl.machine import FIGURE, UNIT_PAGES, CxlError, file_option
from sim.cxl.qemu import PLUGIN, Qemu
from sim.guest import GuestError, run_folder
from sim.run.window import Waves, Window
from tests.marks import VERIFY

TOLD = {
    "ready": 1, "ratio": 2400, "cold.bad": 0, "vmstat.pgdemote_direct": 8, "vmstat.pgdemote_kswapd": 1,
    "vmstat.pgpromote_success": 2, "event.general_media": 3, "event.dram": 0, "event.memory_module": 0,
    "event.generic_event": 0, "mce": 1, "provider.given_back": 6, "status": 0, "end": 1,
}  # fmt: skip
COUNTED = {
    "cycles": 77, "machine_checks": 1, "qemu_commands": 0, "pages_missed": 0, "messages": [0] * 16,
    "registers": list(range(70)),
}  # fmt: skip


def figures(told: dict[str, int], counted: dict[str, Any]) -> Figures:
    return Figures.of("6.12", "10.0.2", told, dict(counted), 1.25)


def test_the_figures_are_those_of_kernel_and_device() -> None:
    found = figures(TOLD, COUNTED)
    assert (found.demoted, found.promoted, found.bad, found.events_read) == (9, 2, 0, 3)
    assert (found.ratio, found.cycles, found.machine_checks, found.status) == (2.4, 77, 1, 0)
    assert found.trimmed == 6
    assert found.device["pages_trimmed"] == 0xA4 // 4  # free ones too
    assert find_problems(found) == []


@pytest.mark.parametrize(
    ("told", "counted", "problem"),
    [
        ({"cold.bad": 2}, {}, "2 bad pages"),
        ({"mce": 0}, {}, "the device refused 1 loads, the kernel saw 0"),
        ({}, {"qemu_commands": 3}, "QEMU was asked for 3 commands that are the device's"),
        ({}, {"pages_missed": 5}, "5 pages whose store was refused are not poison"),
    ],
)
def test_what_must_not_be_is_named(told: dict[str, int], counted: dict[str, Any], problem: str) -> None:
    assert find_problems(figures(TOLD | told, COUNTED | counted)) == [problem]


def test_another_device_needs_only_what_the_interface_has() -> None:
    """The plugin takes from a library no function that hw/verilated/abi.h does not have."""
    text = "".join(path.read_text() for path in PLUGIN.glob("*.c"))
    named = set(re.findall(r'"(cram_\w+)"', text))
    assert named == {"cram_create", "cram_advance", "cram_start_write", "cram_start_read", "cram_start_registers",
                     "cram_waves_start", "cram_waves_stop", "cram_set_fault", "cram_memory_at"}  # fmt: skip
    abi = (ROOT / "hw" / "verilated" / "abi.h").read_text()
    assert all(f"{name}(" in abi for name in named)


WRITES_FIGURES = """
#include "figures.h"
static uint8_t data[4096];
static uint32_t advance(cram_device *device, uint64_t limit) { return CRAM_REGISTERS_DONE + 0 * (limit + !device); }
static void start(cram_device *device, uint32_t write, uint32_t at, uint32_t words) { (void)device, (void)write, (void)at, (void)words; }
int main(int count, char **words)
{
    cram_device device = {.register_head_out = data, .register_head_in = data};
    Library library = {.device = &device, .advance = advance, .start_registers = start};
    static Figures figures;
    static Poison poison;
    static Second second;
    figures_write(&figures, &library, &poison, &second, words[count - 1]);
    return 0;
}
"""  # noqa: E501 - C


def test_figures_are_whole_or_not_there(tmp_path: Path) -> None:
    """What the plugin writes where the disk is full."""
    program = tmp_path / "program"
    (tmp_path / "program.c").write_text(WRITES_FIGURES)
    sources = [PLUGIN / f"{name}.c" for name in ("figures", "library", "waves", "faults")]
    folders = [f"-I{PLUGIN}", f"-I{ROOT / 'hw' / 'verilated'}"]
    subprocess.run(["cc", *folders, "-o", program, tmp_path / "program.c", *sources, "-ldl"], check=True)
    figures = tmp_path / "figures"
    subprocess.run([program, figures], check=True)
    assert json.loads(figures.read_text())["registers"][1:] == [0] * 69
    (tmp_path / "full.made").symlink_to("/dev/full")
    subprocess.run([program, tmp_path / "full"], check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"program", "program.c", "figures"}


OWN = ("sh", "cold")


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"#!/bin/sh\ntrue\n", None),
        (b"#! /bin/sh -e\ntrue\n", None),
        (b"true\n", None),
        (b"#!/bin/bash\n", "it has no /bin/bash; write the script for #!/bin/sh"),
        (b"#!/usr/bin/env python3\n", "it has no /usr/bin/env; write the script for #!/bin/sh"),
        (b"\x7fELF\x02\x01\0", "it is neither a script nor a program for x86-64"),
        (b"PK\x03\x04\0\0", "it is neither a script nor a program for x86-64"),
    ],
)
def test_a_command_that_cannot_run_in_the_guest_is_refused_before_it_boots(data: bytes, wrong: str | None) -> None:
    assert why_not(data, OWN) == wrong


@pytest.mark.parametrize(("flags", "wrong"), [([], "it needs libraries; link it with -static"), (["-static"], None)])
def test_a_program_for_the_guest_is_linked_with_its_libraries(
    flags: list[str], wrong: str | None, tmp_path: Path
) -> None:
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["cc", *flags, "-o", program, source], check=True)
    assert why_not(program.read_bytes(), OWN) == wrong


def test_an_option_that_does_not_exist_is_no_command() -> None:
    done = CliRunner().invoke(cxl_command, ["--meida", "4M"])
    assert done.exit_code == 2
    assert "Did you mean '--media'?" in done.output


def test_the_module_is_not_beside_a_program_that_uses_its_mailbox() -> None:
    done = CliRunner().invoke(cxl_command, ["--provider", "--", "media", "1"])
    assert done.exit_code == 2
    assert "would share a mailbox" in done.output


def test_a_module_for_the_kernel_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "module.o").touch()
    done = CliRunner().invoke(cxl_command, ["--module", str(tmp_path / "module.o")])
    assert done.exit_code == 2
    assert "is no FILE.ko" in done.output


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--no-provider", "--hot", "9"], "--no-provider"),  # pages are promoted by the module only
        (["--faults", "--hot", "9"], "--faults"),
        (["--hot", "9", "--", "media", "1"], "--faults"),
        (["--shell", "--", "true"], "CMD"),
        (["--shell", "--json", "cxl.json"], "--json"),
        (["--shell", "--live"], "--live"),
        (["--shell", "--reclaim"], "--reclaim"),
        (["--shell", "--record", "guest.txt"], "--record"),
        (["--library", __file__, "--media", "4M"], "--media"),
        (["--shell", "--time-limit", "5"], "--time-limit"),
        (["--waves-file", "a.vcd"], "--waves FROM:TO"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(given: list[str], named: str) -> None:
    done = CliRunner().invoke(cxl_command, given)
    assert done.exit_code == 2
    assert named in done.output.splitlines()[-1]


def test_a_shell_without_a_terminal_is_refused() -> None:
    """It would wait for ever for somebody to type."""
    done = CliRunner().invoke(cxl_command, ["--shell"])
    assert done.exit_code == 2
    assert "there is no terminal; a script can be run: -- ./mine.sh" in done.output


@pytest.mark.parametrize("given", ["f8:f9", "3us:4us", "5", "9:8", ":"])
def test_waves_are_of_cycles(given: str) -> None:
    done = CliRunner().invoke(cxl_command, ["--waves", given])
    assert done.exit_code == 2
    assert f"{given}: expected the first and the last cycle, 700000:720000" in done.output


def test_a_terminal_is_as_it_was_after_a_shell_that_was_killed() -> None:
    """QEMU has it raw, and reads it without waiting."""
    master, slave = os.openpty()
    program = """if True:
        import fcntl, sys, termios
        from sim.cxl.machine import foreground
        def now():
            return termios.tcgetattr(0), fcntl.fcntl(0, fcntl.F_GETFL)
        before = now()
        raw = "import os, tty; tty.setraw(0); os.set_blocking(0, False); os.kill(os.getpid(), 9)"
        list(foreground([sys.executable, "-c", raw]))
        sys.exit(now() != before)"""
    with os.fdopen(master), os.fdopen(slave) as terminal:
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdin=terminal, check=False)
    assert done.returncode == 0


def test_a_file_in_an_option_of_qemu_has_a_folder_and_its_commas_are_doubled() -> None:
    assert file_option(Path("mine.so")) == str(Path.cwd() / "mine.so")
    assert file_option(Path("/a,b/c")) == "/a,,b/c"


@pytest.mark.parametrize(
    ("line", "figure"),
    [
        ("@cold.bad 0", ("cold.bad", "0")), ("@node.MemFree 12", ("node.MemFree", "12")),
        ("@", None), ("@x", None), ("@x y", None), ("@x -1", None), ("@x 1 2", None), ("mail@x 1", None),
    ],
)  # fmt: skip
def test_a_figure_is_a_name_and_a_number_and_all_else_is_what_the_command_says(
    line: str, figure: tuple[str, str] | None
) -> None:
    found = FIGURE.fullmatch(line)
    assert (found and found.groups()) == figure


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_of_a_run_goes_with_it(temporary: Path) -> None:
    with run_folder() as folder:
        (folder / "figures").touch()
        assert list(temporary.iterdir()) == [folder]
    assert list(temporary.iterdir()) == []


def test_a_run_removes_the_folder_of_one_that_was_killed_and_no_other(temporary: Path) -> None:
    """Neither that of a run under way, nor what others have there."""
    holding = """if True:
        import time
        from sim.guest import run_folder
        with run_folder() as folder:
            print(folder, flush=True)
            time.sleep(99)"""
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(
        [sys.executable, "-c", holding], cwd=ROOT, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        killed = Path(process.stdout.readline().decode().strip())
        (killed / "initramfs").touch()
        other = temporary / "other"
        other.mkdir()
        with run_folder() as folder:
            assert set(temporary.iterdir()) == {killed, folder, other}
        process.kill()
    with run_folder() as folder:
        assert set(temporary.iterdir()) == {folder, other}


def machine(**settings: Any) -> Machine:
    media = settings.pop("media_bytes", 64 << 20)
    return Machine(DeviceParameters(perceived_pages=UNIT_PAGES, media_bytes=media), **settings)


def compile_for_long(_: Machine) -> Path:
    time.sleep(97)
    return Path()


def test_what_cannot_be_had_is_said_at_once_though_the_rtl_is_being_compiled(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does an interrupt: what compiles has ended when the run has."""

    def refuse(_: Path) -> Qemu:
        raise GuestError("no QEMU")

    monkeypatch.setattr("sim.cxl.machine.device_library", compile_for_long)
    monkeypatch.setattr("sim.cxl.machine.fetch_qemu", refuse)
    monkeypatch.setenv("VCRAM_BUILD", str(temporary / "build"))
    started = time.monotonic()
    with pytest.raises(GuestError, match="no QEMU"):
        run_guest(machine(), ["true"])
    assert time.monotonic() - started < 30
    assert multiprocessing.active_children() == []


@VERIFY
def test_linux_demotes_to_the_rtl_and_reads_every_byte_and_two_runs_are_equal() -> None:
    """Their time is that of the guest's instructions: what was said, every counter and every cycle are the same."""
    runs = [run_guest(machine(icount=True), ["cold", "1024", "1", "1", "0"]) for _ in range(2)]
    assert runs[0] == runs[1]
    found = figures(runs[0].told, runs[0].counted)
    assert find_problems(found) == []
    assert (found.bad, found.status, found.machine_checks) == (0, 0, 0)
    assert found.demoted >= 1024
    assert found.ratio > 2
    assert found.trimmed > 512  # after the program's end; some pages stay on lists of the processor
    assert found.device["resident_pages"] < 512


@VERIFY
def test_a_load_of_poison_is_a_sigbus_with_its_address_and_its_record_is_read(tmp_path: Path) -> None:
    """What Linux asks of the device registers is what tests/driver/test_linux_probe.py plays back on the RTL alone."""
    log = tmp_path / "log"
    run = run_guest(machine(log=log), ["poison", "1"])
    recorded = (ROOT / "tests" / "driver" / "linux_probe.txt").read_text().splitlines()
    assert [line.split()[:3] for line in log.read_text().splitlines()] == [line.split()[:3] for line in recorded]
    found = figures(run.told, run.counted)
    assert find_problems(found) == []
    assert {name: value for name, value in run.told.items() if name.startswith("poison")} == {
        "poison.signals": 1, "poison.silent": 0, "poison.bad": 0, "poison.right_address": 1,
        "poison.action_required": 1, "poison_listed": 1,
    }  # fmt: skip
    assert (found.machine_checks, found.events_read, found.status) == (1, 1, 0)
    assert run.counted["qemu_commands"] == 0
    assert run.counted["messages"][1] == 1


@VERIFY
def test_a_media_that_fails_costs_the_pages_whose_only_copy_it_held_and_each_of_them_is_told() -> None:
    """Sector by sector, while the kernel demotes and a program reads (sim/cxl/guest/media.c).

    A page is lost where two bits of it flip, or a sector of it cannot be read: its reader gets a SIGBUS, and the kernel
    has read its poison and its event, and no other. A flip is corrected, and a bad sector is not used any more.
    """
    run = run_guest(machine(faults=True, provider=False, icount=True), ["media", "1"])
    found = figures(run.told, run.counted)
    assert find_problems(found) == []
    drill = {name.removeprefix("media."): value for name, value in run.told.items() if name.startswith("media.")}
    assert drill.pop("corrected") >= drill["flipped"]
    assert drill == {
        "pages": 448, "checked": 896, "bad": 0, "unwritable": 6, "flipped": 8, "damaged": 8, "unreadable": 8, "late": 2,
        "lost": 18, "wrong_signals": 0, "unlisted": 0, "unlogged": 0, "wrong_records": 0, "retired": 22,
        "maintenance": 1, "timeouts": 2,
    }  # fmt: skip
    assert (found.status, found.machine_checks, found.device["pages_poisoned"]) == (0, 18, 16)
    assert found.device["event_overflow"] == 0


@VERIFY
def test_a_device_that_runs_full_loses_no_page_silently_and_the_guest_lives() -> None:
    """2 MiB of media for 12 MiB of pages: what was not stored is poison, and its reader gets a SIGBUS."""
    run = run_guest(machine(media_bytes=2 << 20, provider=False), ["cold", "3072", "1", "1", "0"])
    found = figures(run.told, run.counted)
    assert find_problems(found) == []
    lost = run.told["cold.lost"]
    assert (found.bad, found.status) == (0, 0)
    assert lost > 1000
    assert found.machine_checks == lost == found.device["pages_poisoned"]
    lost_records = found.device["event_overflow"]
    assert found.events_read + lost_records >= 2 * lost  # of each page: exhausted, and made poison
    assert run.told["poison_listed"] >= 1024  # where the kernel ends a list


@VERIFY
def test_demotion_ends_while_the_media_runs_low_so_that_no_page_is_lost() -> None:
    """The same with the module: it has heard of both watermarks, and has given back the pages that it took."""
    run = run_guest(machine(media_bytes=2 << 20, icount=True), ["cold", "3072", "1", "1", "0"])
    found = figures(run.told, run.counted)
    assert find_problems(found) == []
    assert (found.bad, found.status, found.machine_checks, found.events_read) == (0, 0, 0, 0)
    assert (run.told["cold.lost"], found.device["pages_poisoned"], found.device["lines_refused"]) == (0, 0, 0)
    assert 0 < run.told["cold.least_there"] < 3072
    assert run.told["provider.low_times"] == run.told["provider.recovered_times"] >= 1
    assert run.told["provider.held"] == run.told["provider.failed"] == 0
    assert found.trimmed > 0


@VERIFY
def test_pages_that_the_device_nominates_are_promoted() -> None:
    """By the module, which hears of each; the kernel's own balancing is off. A page that was read once has heat 64."""
    run = run_guest(machine(hot=80, icount=True), ["cold", "128", "1", "1", "64"])
    found = figures(run.told, run.counted)
    assert find_problems(found) == []
    assert (found.bad, found.status, run.told["cold.checked"], run.told["cold.hot"]) == (0, 0, 192, 64)
    assert run.told["vmstat.pgpromote_success"] == run.told["provider.stayed"] == 0
    assert found.promoted == run.told["provider.promoted"] >= 64
    assert run.counted["messages"][2] > 0


@VERIFY
def test_pages_that_find_no_room_go_on_to_zswap_and_to_the_disk(tmp_path: Path) -> None:
    """DRAM, node, zswap, disk; and the waves of a part of it are written."""
    waves = Waves(Window(700_000, 701_000), tmp_path / "cxl.vcd")
    tiers = machine(media_bytes=1 << 20, swap_bytes=64 << 20, waves=waves)
    run = run_guest(tiers, ["cold", "1536", "1", "1", "0"])
    found = figures(run.told, run.counted)
    assert find_problems(found) == []
    assert (found.bad, found.status, run.told["cold.checked"]) == (0, 0, 1536)
    assert found.demoted > 300
    assert run.told["vmstat.zswpout"] > 100
    assert run.told["vmstat.zswpwb"] > 0  # written back as zswap ran full
    assert run.told["vmstat.pswpout"] > 0  # pages that zswap does not take
    assert "$enddefinitions" in waves.file.read_text()


@VERIFY
def test_a_database_whose_program_is_reclaimed_to_the_node_again_and_again_answers_as_in_dram() -> None:
    """Debian's SQLite: the same answers, the same hash of all content, and whole after each round."""
    run = run_guest(machine(icount=True), ["sqlite", "500", "2"])
    found = figures(run.told, run.counted)
    assert find_problems(found) == []
    assert (found.bad, found.status, run.told["sqlite.whole"]) == (0, 0, 2)
    assert run.told["reclaim.rounds"] > 4
    assert found.demoted > 100
    assert found.promoted == run.told["provider.promoted"] > 50  # what is in use comes back
    assert found.ratio > 1


@VERIFY
def test_a_server_whose_program_is_reclaimed_to_the_node_again_and_again_answers_as_in_dram() -> None:
    """Debian's redis: the same answer to each command, and the same digest of all content after each round."""
    run = run_guest(machine(icount=True), ["redis", "60", "2"])
    found = figures(run.told, run.counted)
    assert find_problems(found) == []
    assert (found.bad, found.status, run.told["redis.digests"]) == (0, 0, 2)
    assert run.told["redis.commands"] > 200
    assert run.told["reclaim.rounds"] > 4
    assert found.demoted > 500
    assert found.promoted == run.told["provider.promoted"] > 100
    assert found.ratio > 1


@VERIFY
def test_tests_of_cpython_have_the_outcome_in_a_group_that_is_reclaimed_that_they_have_in_dram() -> None:
    run = run_guest(machine(icount=True), ["python", "test.test_list"])
    found = figures(run.told, run.counted)
    assert find_problems(found) == []
    assert (found.bad, found.status) == (0, 0)
    assert run.told["python.tests"] > 40
    assert run.told["reclaim.rounds"] > 1
    assert found.demoted > 1000
    assert found.promoted == run.told["provider.promoted"] > 1000


@VERIFY
def test_a_command_that_fails_is_told_and_its_last_line_and_strange_ones_spoil_no_figure(tmp_path: Path) -> None:
    """In folders with commas, which part QEMU's options."""
    place = tmp_path / "a,b"
    place.mkdir()
    script = place / "own.sh"
    script.write_text("printf 'first\\n@\\n@foo bar\\n@foo 1 2\\n@own.figure 3\\nlast'\nexit 7\n")
    environment = os.environ | {"TMPDIR": str(place)}
    command = [sys.executable, "-m", "sim.cli", "cxl", "--log", str(place / "log"), "--json", str(place / "json"),
               "--", str(script)]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert all(line in done.stdout.splitlines() for line in ("first", "@", "@foo bar", "@foo 1 2", "last"))
    found = Figures.model_validate_json((place / "json").read_text())
    assert (found.guest["own.figure"], found.status) == (3, 7)
    assert (place / "log").read_text()
    assert {path.name for path in place.iterdir()} == {"own.sh", "log", "json"}


@VERIFY
def test_a_command_that_takes_the_guest_apart_gives_no_figures_but_a_sentence() -> None:
    with pytest.raises(CxlError, match=r"^the guest has not told its vmstat\.pgpromote_success"):
        run_guest(machine(provider=False), ["umount", "-l", "/proc"])


@VERIFY
def test_a_guest_that_takes_too_long_is_ended() -> None:
    with pytest.raises(CxlError, match=r"^the guest took too long \(--time-limit\)"):
        run_guest(machine(provider=False, time_limit_s=5), ["sleep", "1000"])


@VERIFY
def test_a_device_of_ones_own_is_attached_by_the_lines_of_the_document(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "cxl.md").read_text().partition("## A device of one's own")[2]
    lines = re.findall(r"^    (.*)$", text.partition("\n## ")[0], re.MULTILINE)
    assert len(lines) == 3
    script = "\n".join(line.replace(".venv/bin/python", sys.executable) for line in lines)
    script = script.replace(".venv/bin/vcram", f"{sys.executable} -m sim.cli") + " -- cold 256 1 1 0"
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("hw", "sim", "examples", "driver", "vswap"):
        (checkout / name).symlink_to(ROOT / name)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-ec", script], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^device: mine: \d+ reads, \d+ writes$", done.stdout, re.MULTILINE)


@VERIFY
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    assert end_in_the_guest(number, tmp_path) == 130
    assert list(tmp_path.iterdir()) == []


@VERIFY
def test_the_guest_ends_with_a_run_that_is_killed_and_its_folder_goes_with_the_next_run(tmp_path: Path) -> None:
    assert end_in_the_guest(signal.SIGKILL, tmp_path) == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    assert end_in_the_guest(signal.SIGTERM, tmp_path) == 130
    assert list(tmp_path.iterdir()) == []


def end_in_the_guest(number: signal.Signals, place: Path) -> int:
    """Send a signal to `vcram cxl` while its guest is at work, and wait until no process names its folder. Returns the
    exit status."""
    command = [sys.executable, "-m", "sim.cli", "cxl", "--", "sleep", "1000"]
    environment = os.environ | {"TMPDIR": str(place)}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith(b"Linux"):
            assert process.poll() is None
        process.send_signal(number)
        status = process.wait(60)
    deadline = time.monotonic() + 10
    while running(place) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running(place) == []
    return status


def running(place: Path) -> list[bytes]:
    """Processes that name this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue  # it has ended
        if bytes(place) in line:
            found.append(line)
    return found
