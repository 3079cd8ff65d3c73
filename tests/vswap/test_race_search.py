# SPDX-License-Identifier: MIT
"""The search over interleavings: our code is clean, races put in on purpose are found, a finding can be run again."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.marks import first_in_test
from vswap.races.__main__ import find_seeded, main, shares
from vswap.races.program import NODE_PROGRAMS, ZRAM_PROGRAMS
from vswap.races.schedule import RaceClock, Schedule
from vswap.races.search import attempt, decode, encode, minimize, search
from vswap.races.seeded import SEEDED, seeded
from vswap.tiers.cram_pages import DevicePages

SLOW = {
    "large_swap_in_takes_pages_that_others_bring_in",
    "device_given_again_before_its_pages_are_given_up",
}
QUICK = sorted(SEEDED.keys() - SLOW)
"""Found within 1,000 interleavings; the others by `make races`."""
PROMOTED_MEANWHILE = (1890, "1022093185:12+150000,53+10000,83+150000,115+150000,125+150000,126+40000")
"""The background promotes a hot page while the device's books are read."""


@pytest.mark.parametrize("first", first_in_test([0, NODE_PROGRAMS, ZRAM_PROGRAMS, 1_000_000, 2_000_000, 3_000_000], 2))
def test_five_hundred_interleavings_of_our_code_are_clean(first: int) -> None:
    finding = search(first, 500)
    assert finding is None, finding


@pytest.mark.parametrize(
    ("program", "schedule"),
    [
        # the books were compared while another task's trim was under way
        (2110, "1196688367:17+150000,24+40000,25+40000,32+150000,70+40000,75+150000,106+40000,112+150000"),
        # the books were compared while a hot page was promoted
        PROMOTED_MEANWHILE,
        # an access told of a device's reset before the node's own task had seen it
        (3517, "1509796962:13+150000,41+40000,42+3000,52+10000"),
        (3782, "2771985767:19+150000,21+200,27+10000,30+10000,48+150000"),
        # a large folio was mapped across two mappings, and not found from its anon_vma
        (149, "4063251419:8+150000,23+1000,31+150000,35+10000,43+40000,60+10000,69+10000,80+150000"),
        # a large folio was split although a device wrote to a page of it
        (1693, ":13+150000"),
        # a clean folio that waited for the stores before it was written again, and was evicted meanwhile
        (281, ":16+150000,25+40000,41+40000"),
        # a page was demoted to a node that was being taken back
        (1_000_000_000, ":"),
        # a merged page was dropped by the MADV_FREE of one of its users
        (1_000_005_019, ":19+1000,26+10000,49+200,51+10000"),
        # fork copied a migration entry, and both of its users could write to the page then
        (1_000_000_044, ":11+10000,22+1000"),
        # a fence was lifted for a page that userfaultfd protected meanwhile, and nobody closed it again
        (1_000_000_139, "4066540311:114+150000,116+150000,138+150000"),
        # MADV_FREE dropped a page and its protection, and another task read it before the write that went through ended
        (
            2_000_000_059,
            "2548958470:4+200,13+150000,22+1000,52+3000,59+200,76+10000,79+3000,91+10000",
        ),
    ],
)
def test_an_interleaving_that_once_failed_is_clean(program: int, schedule: str) -> None:
    assert attempt(program, decode(schedule))[0] is None


def test_books_that_differ_although_no_page_moved_are_a_finding_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    async def differs_once(self: DevicePages) -> list[str]:
        compared.append(self)
        return ["the books differ"] if len(compared) == 1 else []

    monkeypatch.setattr(DevicePages, "audit", differs_once)
    assert attempt(1890, Schedule(None))[0] == "InvariantViolation: the books differ"
    assert len(compared) == 1


def test_books_are_compared_again_when_a_page_moved_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    audit = DevicePages.audit

    async def watched(self: DevicePages) -> list[str]:
        found.append(await audit(self))
        return found[-1]

    monkeypatch.setattr(DevicePages, "audit", watched)
    program, schedule = PROMOTED_MEANWHILE
    assert attempt(program, decode(schedule))[0] is None
    assert found == [["the device holds 3 pages, we know of 2"], []]


@pytest.mark.parametrize("name", first_in_test(QUICK, 4))
def test_a_race_put_in_on_purpose_is_found(name: str) -> None:
    finding = find_seeded(name, 1000)
    assert finding is not None
    assert len(finding.minimal.delays) <= len(finding.found.delays)
    with seeded(name):
        assert attempt(finding.program, finding.minimal)[0] == finding.error, "the minimal schedule fails again"


def test_there_are_enough_of_them() -> None:
    assert len(SEEDED) >= 10 and len(QUICK) >= 9


def test_a_minimal_schedule_has_no_delay_too_many() -> None:
    name = "pages_freed_during_a_trim_are_forgotten"
    finding = find_seeded(name, 1000)  # searched, as the schedule that finds it depends on the model's times
    assert finding is not None and finding.minimal.delays
    program, minimal = finding.program, finding.minimal
    with seeded(name):
        never_reached = ((1_000_000, 150_000), (1_000_010, 10_000))
        smallest = minimize(program, Schedule(minimal.seed, minimal.delays + never_reached))
        assert len(smallest.delays) <= len(minimal.delays)
        assert attempt(program, smallest)[0] is not None
        for number in range(len(smallest.delays)):
            fewer = Schedule(smallest.seed, smallest.delays[:number] + smallest.delays[number + 1 :])
            assert attempt(program, fewer)[0] is None


@pytest.mark.parametrize("schedule", [Schedule(None), Schedule(7, ((3, 200), (9, 1000)))])
def test_a_schedule_is_written_and_read_again(schedule: Schedule) -> None:
    assert decode(encode(schedule)) == schedule


def test_a_delay_makes_one_sleep_longer() -> None:
    clock = RaceClock(Schedule(None, ((2, 500),)))

    async def sleeps() -> list[int]:
        times = []
        for _ in range(3):
            await clock.sleep(10)
            times.append(clock.now)
        return times

    assert clock.run(sleeps()) == [10, 520, 530]


def test_one_interleaving_can_be_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--program", "6", "--schedule", ":36+150000"]) == 0
    assert "nothing went wrong" in capsys.readouterr().out


def test_the_command_of_a_finding_runs_the_seeded_race_again() -> None:
    finding = find_seeded("writeback_without_a_pin", 1000)
    assert finding is not None
    command = str(finding).split("python -m vswap.races ")[1]
    with pytest.raises(Exception, match=re.escape(finding.error.split(": ", 1)[1])):
        main(shlex.split(command))
    assert main(["--program", str(finding.program), "--schedule", encode(finding.minimal)]) == 0, "our code is clean"


def test_one_seeded_race_is_searched_for_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeded", "writeback_without_a_pin", "--count", "1000", "--jobs", "1"]) == 0
    assert "--seeded writeback_without_a_pin --program" in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 999, 1_000, 1_200, 120_000])
def test_as_many_interleavings_are_searched_as_were_asked_for(count: int) -> None:
    parts = shares(7, count)
    assert sum(interleavings for _, interleavings in parts) == count
    assert [first for first, _ in parts] == list(range(7, 7 + 50 * len(parts), 50))


def test_the_count_that_is_said_is_the_one_that_was_searched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "30", "--jobs", "1"]) == 0
    assert capsys.readouterr().out == "30 interleavings, 0 findings\n"


@pytest.mark.parametrize("option", ["--count", "--jobs"])
def test_a_search_of_nothing_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main([option, "0"])
    assert exit.value.code == 2 and f"{option}: 0: expected at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--program", "6", "--schedule", "abc"], "'abc' is no schedule, expected SEED:SLEEP+NS"),
        (["--schedule", ":"], "name it with --program"),
        (["--seeded", "--program", "6"], "name it, --seeded NAME"),
        (["--seeded", "nothing"], "invalid choice: 'nothing'"),
    ],
)
def test_a_schedule_that_is_none_is_refused_in_a_line(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert why in capsys.readouterr().err.splitlines()[-1]
