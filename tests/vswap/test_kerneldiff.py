# SPDX-License-Identifier: MIT
"""The swap model against running kernels: the judge itself, and its reduced form (docs/kerneldiff.md)."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from tests.campaigns.kerneldiff import model
from tests.campaigns.kerneldiff.__main__ import KEPT, RULES, options_of, written
from tests.campaigns.kerneldiff.compare import BEGIN, DOCUMENT, Comparison, Listed, exceptions, table
from tests.campaigns.kerneldiff.contents import KINDS, content, touched
from tests.campaigns.kerneldiff.flavours import FLAVOURS
from tests.campaigns.kerneldiff.generate import possible, random_script, shrink
from tests.campaigns.kerneldiff.guest import KERNELS, boot
from tests.campaigns.kerneldiff.judge import Verdict, against, judge
from tests.campaigns.kerneldiff.script import ARGUMENTS, MACHINE, SETTINGS, ScriptError, load, parse
from tests.campaigns.kerneldiff.seen import Seen, number_slots
from tests.marks import VERIFY

RANDOM = 12
"""Random scripts of the reduced form; a `make kerneldiff` has 300."""

SCRIPT = """\
# Two tasks.
set swap disk
0 map 0 4
0 write 0 4 text 1
0 fork 1
1 touch 0 2
0 read 0 4
"""


@VERIFY
@pytest.mark.parametrize("profile", KERNELS)
def test_model_and_kernel_do_the_same_but_for_what_is_listed(profile: str) -> None:
    scripts = load(RULES) + load(KEPT) + [random_script(seed) for seed in range(1, RANDOM + 1)]
    scripts.sort(key=lambda script: script.setting("zswap") == "on")
    verdict = Verdict()
    with boot(profile) as guest:
        judge(profile, guest, scripts, exceptions(), verdict)
    assert verdict.scripts >= RANDOM + 15
    assert verdict.pages > 1_000
    assert [str(each) for each in verdict.unlisted] == []


@VERIFY
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_guest_outlives_the_run_that_has_started_it(number: signal.Signals) -> None:
    run = "import time; from tests.campaigns.kerneldiff.guest import boot\n"
    run += "with boot('6.12'): print('up', flush=True); time.sleep(100)"
    with subprocess.Popen([sys.executable, "-c", run], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        assert len(children.split()) == 1
        process.send_signal(number)
    deadline = time.monotonic() + 60  # only a guest that outlives its run takes that long
    while runs(int(children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not runs(int(children))


def runs(process: int) -> bool:
    """Whether a process is there and not just waiting for its parent to hear of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Scripts


def test_a_script_is_read_as_it_is_written() -> None:
    script = parse("two", SCRIPT)
    assert parse("two", script.text()) == script
    assert (script.about, script.setting("swap"), script.setting("zswap")) == ("Two tasks.", "disk", "off")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 jump 1 2", "no such operation of a task; expected one of map, "),
        ("jump 1 2", "no such operation of the machine; expected one of settle, "),
        ("0", "no such operation of a task"),
        ("0 read 120 16", "expected pages below 128"),
        ("0 write 0 1 blue 1", "expected one of zero, same, text, random"),
        ("9 read 0 1", "expected a task below 6"),
        ("0 read 0", "expected read first count"),
        ("set swap tape", "swap is one of zram, disk"),
        ("set tape", "expected set NAME VALUE, with one of swap, "),
        ("set tape on", "expected set NAME VALUE, with one of swap, "),
        ("zswap maybe", "expected on or off"),
    ],
)
def test_what_is_no_script_is_named_with_its_line(line: str, why: str) -> None:
    with pytest.raises(ScriptError, match=f"bad, line 2: {line}") as raised:
        parse("bad", f"# bad\n{line}\n")
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("1 read 0 8", 3), ("0 read 4 8", 3), ("0 map 7 1", 3), ("0 fork 1\n0 fork 1", 4), ("0 exit\n0 read 0 8", 4),
        ("swapon", 3),
    ],
)  # fmt: skip
def test_a_script_that_cannot_be_done_is_refused_with_the_first_such_step(
    step: str, number: int, tmp_path: Path
) -> None:
    file = tmp_path / "mine.script"
    file.write_text(f"0 map 0 8\n0 read 0 8\n{step}\n")
    with pytest.raises(ScriptError, match=f"mine.script, step {number}: {step.rpartition(chr(10))[2]}: "):
        written(file)
    file.write_text("# Nothing.\n")
    with pytest.raises(ScriptError, match=r"mine\.script: no operation"):
        written(file)


def test_kernels_are_named_before_or_after_the_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--kernels", "6.12", "a.script"], ["a.script", "--kernels", "6.12"]):
        options = options_of(arguments)
        assert (options.kernels, options.scripts) == (["6.12"], [Path("a.script")])
    assert options_of([]).kernels == options_of(["--kernels", "6.1,6.12"]).kernels == ["6.1", "6.12"]
    with pytest.raises(SystemExit):
        options_of(["--kernels", "5.10"])
    assert "no kernel '5.10'; expected 6.1 or 6.12" in capsys.readouterr().err


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_random_script_follows_from_its_flavour_and_seed_and_can_be_done(flavour: str) -> None:
    scripts = [random_script(seed, flavour) for seed in range(50)]
    assert scripts == [random_script(seed, flavour) for seed in range(50)]
    assert all(possible(script) for script in scripts)
    assert all(parse(script.name, script.text()) == script for script in scripts)


def test_the_random_scripts_of_a_run_use_nearly_all_of_the_language() -> None:
    scripts = [random_script(seed) for seed in range(1, 301)]
    assert {script.name.partition("-")[0] for script in scripts} == set(FLAVOURS)
    ops = {step.op for script in scripts for step in script.steps}
    assert {*ARGUMENTS, *MACHINE} - ops <= {"tune"}
    assert {script.setting("mthp") for script in scripts} == set(SETTINGS["mthp"])
    assert {task for script in scripts for step in script.steps if (task := step.task) is not None} == set(range(6))


def test_a_script_is_shrunk_to_what_its_difference_needs() -> None:
    script = random_script(3, "plain")
    small = shrink(script, lambda each: any(step.op == "pageout" for step in each.steps), most=500)
    assert {step.op for step in small.steps} - {"settle"} == {"map", "pageout"}
    assert possible(small)


def test_every_script_by_hand_says_what_it_is_about_and_can_be_done() -> None:
    scripts = load(RULES) + load(KEPT)
    assert len(scripts) >= 20
    assert [script.name for script in scripts if not script.about or not possible(script)] == []


# What is compared


def test_contents_are_told_apart_and_shrink_as_they_say() -> None:
    pages = {content(kind, seed) for kind in KINDS for seed in range(8)}
    assert len(pages) == 3 * 8 + 1  # there is one page of zeros
    assert len(zlib.compress(content("text", 1))) < 2048 < len(zlib.compress(content("random", 1)))
    assert touched(content("zero", 1), 0x105)[:10] == bytes(8) + b"\5\0"


def test_slots_are_numbered_as_they_appear() -> None:
    pages = [((1, 0), "S", 77), ((0, 1), "Sc", 99), ((0, 0), "Px", None), ((1, 1), "S", 99)]
    assert number_slots(pages) == {(0, 0): "Px", (0, 1): "S0c", (1, 0): "S1", (1, 1): "S0"}


@pytest.mark.parametrize("layer", model.LAYERS)
def test_the_model_is_seen_step_by_step(layer: Literal["direct", "virtual"]) -> None:
    seen: list[Seen] = []
    model.run("6.12", parse("two", SCRIPT), seen.append, layer)
    assert [each.result["error"] for each in seen] == ["ok"] * 5
    assert seen[1].pages == {(0, page): "Px" for page in range(4)}
    assert seen[2].pages == {(task, page): "P" for task in range(2) for page in range(4)}
    assert seen[3].result["minor"] == 2
    assert seen[4].result["crc"] == zlib.crc32(b"".join(content("text", seed) for seed in range(1, 5)))


BEFORE = Seen({"error": "ok", "minor": 0}, {(0, 0): "Px", (0, 1): "S0"}, {"vmstat.pswpin": 3})


@pytest.mark.parametrize(
    ("after", "field"),
    [
        (replace(BEFORE, result={"error": "EIO", "minor": 0}), "result.error"),
        (replace(BEFORE, pages={(0, 0): "Pxc", (0, 1): "S0"}), "page"),
        (replace(BEFORE, pages={(0, 0): "Px"}), "page"),
        (replace(BEFORE, counters={"vmstat.pswpin": 4}), "vmstat.pswpin"),
        (replace(BEFORE, counters={"vmstat.pswpin": 3, "vmstat.pswpout": 1}), "vmstat.pswpout"),
    ],
)
def test_whatever_differs_is_found(after: Seen, field: str) -> None:
    (found,) = Comparison("6.1", parse("two", SCRIPT), []).step(0, BEFORE, after)
    assert (found.field, found.listed) == (field, "")


def test_what_is_equal_is_no_difference() -> None:
    assert Comparison("6.1", parse("two", SCRIPT), []).step(0, BEFORE, BEFORE) == []


@pytest.mark.parametrize(
    ("entry", "listed"),
    [
        ({}, True),
        ({"within": 1}, True),
        ({"within": 0}, False),
        ({"profiles": ("6.12",)}, False),
        ({"ops": ("map",)}, True),
        ({"ops": ("read",)}, False),
        ({"layers": ("direct",)}, True),
        ({"layers": ("virtual",)}, False),
        ({"settings": {"swap": "zram"}}, False),
        ({"scripts": ("t*",)}, True),
        ({"kernel": "4"}, False),
        ({"fields": ("zswap.*",)}, False),
    ],
)
def test_an_exception_lists_what_it_says_and_no_more(entry: dict[str, object], listed: bool) -> None:
    each = Listed(**{"name": "known", "reason": "why", "fields": ("vmstat.*",), **entry})  # type: ignore[arg-type]
    after = replace(BEFORE, counters={"vmstat.pswpin": 4})
    (found,) = Comparison("6.1", parse("two", SCRIPT), [each]).step(0, BEFORE, after)
    assert bool(found.listed) is listed


def test_consequences_are_listed_from_their_cause_on() -> None:
    cause = Listed("known", "why", ("page",), consequences=("vmstat.pswpin",))
    comparison = Comparison("6.1", parse("two", SCRIPT), [cause])
    later = replace(BEFORE, counters={"vmstat.pswpin": 4})
    assert [each.listed for each in comparison.step(0, BEFORE, later)] == [""]
    assert [each.listed for each in comparison.step(1, BEFORE, replace(BEFORE, pages={}))] == ["known", "known"]
    assert [each.listed for each in comparison.step(2, BEFORE, later)] == ["known"]


def test_a_reclaim_may_begin_with_other_counts_of_changes_where_an_exception_says_so() -> None:
    script, left = random_script(220, "pressure"), list[Seen]()
    model.run("6.1", script, left.append, "direct", {10: 64})
    found, _ = against("6.1", script, left, exceptions(), "direct")
    assert [(each.number, each.field, each.listed) for each in found] == [(10, "statistics", "statistics of 6.1")]
    others = [each for each in exceptions() if each.name != "statistics of 6.1"]
    found, _ = against("6.1", script, left, others, "direct")
    assert {(each.number, each.listed) for each in found} >= {(10, "")}


@pytest.mark.parametrize(("seed", "reclaim"), [(208, 20), (136, 24)])
def test_a_timer_may_fall_into_a_reclaim_where_an_exception_says_so(seed: int, reclaim: int) -> None:
    """As two scripts showed it, now and then. What it has changed shows in that step."""
    script, left = random_script(seed, "pressure"), list[Seen]()
    model.run("6.12", script, left.append, "direct", {reclaim: 100_000})
    found, _ = against("6.12", script, left, exceptions(), "direct")
    assert [(each.number, each.field, each.listed) for each in found] == [(reclaim, "statistics", "statistics of 6.12")]
    others = [each for each in exceptions() if each.name != "statistics of 6.12"]
    found, _ = against("6.12", script, left, others, "direct")
    assert min(each.number for each in found if not each.listed) == reclaim


def test_the_document_has_every_setting_with_its_values() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, values in SETTINGS.items():
        assert f"| `{name}` | {', '.join(f'`{value}`' for value in values)}" in text
    assert all(f"`{op}" in text or f" {op} " in text for op in (*ARGUMENTS, *MACHINE))


def test_the_document_has_the_exceptions() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.endswith(BEGIN + table(exceptions())), (
        "make it again: python -m tests.campaigns.kerneldiff --exceptions"
    )
