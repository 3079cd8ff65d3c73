# SPDX-License-Identifier: MIT
"""Scenarios: what is shipped is valid, and what is wrong is one line with the file, the key and what was expected."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from hw.links import verilated
from hw.links.model import ModelLink
from hw.links.verilated import VerilatedLink
from hw.parameters import DeviceParameters
from hw.virtual_time import VirtualClock
from sim.scenario.links import make_link
from sim.scenario.scenario import Scenario, ScenarioError, find, keys, shipped
from sim.scenario.sections import MemcgSection
from sim.trace.file import Trace
from vswap import MemcgLimits, VswapConfig

MINIMAL = '[workload]\ntrace = "x.trace"\n[memory]\nlimit_pages = 64\n'
CRAM = MINIMAL + "[cram]\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "bad.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_loads_and_so_does_its_trace(name: str) -> None:
    scenario = Scenario.load(find(name))
    assert scenario.title
    assert Trace.load(Path(scenario.workload.trace)).header.events > 0


def test_the_smallest_scenario_takes_the_defaults_of_the_layers_below(tmp_path: Path) -> None:
    scenario = Scenario.load(write(tmp_path, MINIMAL))
    assert scenario.cram.parameters().media_bytes == 4 << 20
    assert scenario.vswap_config().order == ("cram", "zswap", "swapfile")
    assert scenario.vswap_config().memory_pages == 64


def test_every_parameter_of_the_device_and_every_dial_of_the_swap_system_has_a_key(tmp_path: Path) -> None:
    scenario = Scenario.load(write(tmp_path, MINIMAL))
    sections = (scenario.memory, scenario.cram, scenario.zswap, scenario.swapfile, scenario.zram, scenario.tiers)
    for owner, others in ((DeviceParameters, set()), (VswapConfig, {"costs", "slot_limit", "profile"})):
        set_by_keys = [name for section in sections for name, _ in section.values(owner)]
        assert sorted(set_by_keys) == sorted({field.name for field in fields(owner)} - others)


def test_the_profile_of_a_scenario_is_that_of_its_swap_system(tmp_path: Path) -> None:
    assert Scenario.load(write(tmp_path, 'profile = "6.1"\n' + MINIMAL)).vswap_config().profile == "6.1"
    with pytest.raises(ScenarioError, match=r"profile is .*, expected .6\.1., .6\.12. or .current."):
        Scenario.load(write(tmp_path, 'profile = "5.10"\n' + MINIMAL))


def test_a_scenario_that_says_nothing_leaves_every_default_of_the_layers_below(tmp_path: Path) -> None:
    scenario = Scenario.load(write(tmp_path, MINIMAL))
    assert scenario.cram.parameters() == DeviceParameters()
    assert scenario.vswap_config() == VswapConfig(memory_pages=64)
    assert MemcgSection().limits() == MemcgLimits()


def test_the_seed_and_the_media_of_a_scenario_reach_its_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, object] = {}
    monkeypatch.setattr(verilated, "VerilatedLink", lambda clock, parameters, **settings: told.update(settings))
    scenario = Scenario.load(write(tmp_path, CRAM + "media_latency = 17\n")).with_workload(seed=9)
    make_link("verilated", VirtualClock(), scenario)
    assert told == {"seed": 9, "media_latency": 17, "engines": False}
    model = make_link("model", VirtualClock(), scenario)
    assert isinstance(model, ModelLink) and model.timing.media_access == 17


def test_paths_in_a_scenario_start_at_its_own_folder(tmp_path: Path) -> None:
    scenario = Scenario.load(write(tmp_path, MINIMAL + '[swapfile]\npath = "swap/file"\n'))
    assert scenario.workload.trace == str(tmp_path / "x.trace")
    assert scenario.swapfile.path == str(tmp_path / "swap" / "file")


def test_a_cost_reaches_the_swap_system(tmp_path: Path) -> None:
    scenario = Scenario.load(write(tmp_path, MINIMAL + "[costs]\nfault = 77\n"))
    assert scenario.vswap_config().costs.fault == 77


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CRAM + "media_bytes = 0", "[cram] media_bytes is 0, expected a multiple of sector_bytes (256), at least 3276"),
        (CRAM + f"media_bytes = {1 << 31}", "[cram] media_bytes is 2147483648, expected a multiple of sector_"),
        (CRAM + f"hot_period = {1 << 32}", "[cram] hot_period is 4294967296, expected at most 4294967295"),
        (CRAM + f"reap_interval_ns = {10**16}", "[cram] reap_interval_ns is 10000000000000000, expected at most 10000"),
        (MINIMAL + "[zram]\nbacking_pages = 16777217", "[zram] backing_pages is 16777217, expected at most 16777216"),
        (MINIMAL + "[tiers.distance]\ncram = 256", "[tiers] distance is 256, expected at most 255"),
        (MINIMAL + f"[memcg.a]\nmemory_max = {1 << 40}", "[memcg.a] memory_max is 1099511627776, expected at most 429"),
        (MINIMAL + f"[costs]\nfault = {10**16}", "[costs] fault is 10000000000000000, expected at most 1000000000000"),
        (CRAM + "media_bytes = 40000", "[cram] media_bytes is 40000, expected a multiple of sector_bytes"),
        (CRAM + "perceived_pages = 1000", "[cram] perceived_pages is 1000, expected a power of two"),
        (CRAM + "sector_bytes = 100", "[cram] sector_bytes is 100, expected one of (64, 128, 256, 512, 1024)"),
        (CRAM + "cache_pages = 1", "[cram] cache_pages is 1, expected from 2 to 64"),
        (CRAM + "bytes_per_cycle = 3", "[cram] bytes_per_cycle is 3, expected one of (8,)"),
        (CRAM + "media_latency = 0", "[cram] media_latency is 0, expected at least 1"),
        (CRAM + "writable_budget = -1", "[cram] writable_budget is -1, expected at least 0"),
        (CRAM + "low_percent = 30", "[cram] low_percent is 30, expected at most recovered_percent (20)"),
        (CRAM + "low_percent = 101", "[cram] low_percent is 101, expected at most 100"),
        (CRAM + "media_byte = 1", "[cram] unknown key media_byte; did you mean media_bytes?"),
        (CRAM + "xyzzy = 1", "[cram] unknown key xyzzy; expected one of perceived_pages, media_bytes"),
        (CRAM + 'cache_pages = "8"', '[cram] cache_pages is "8", expected an integer'),
        (CRAM + "cache_pages = 8.5", "[cram] cache_pages is 8.5, expected an integer"),
        (CRAM + "cache_pages = true", "[cram] cache_pages is true, expected an integer"),
        (MINIMAL + "[zswap]\nmax_pool_percent = 101", "[zswap] max_pool_percent is 101, expected at most 100"),
        (MINIMAL + "[swapfile]\npages = 0", "[swapfile] pages is 0, expected at least 1"),
        (MINIMAL + "[swapfile]\nfsync = 1", "[swapfile] fsync is 1, expected true or false"),
        (MINIMAL + '[tiers]\norder = ["cram", "disk"]', "[tiers] order names disk, expected cram, zswap, swapf"),
        (MINIMAL + '[tiers]\norder = ["cram", "cram"]', "[tiers] order is ['cram', 'cram'], expected every tier once"),
        (MINIMAL + '[tiers]\norder = ["zswap1"]', "[tiers] order names zswap1, expected cram, zswap, swapfile or zram"),
        (MINIMAL + "[tiers.distance]\nswapfile = 1", "[tiers] distance names swapfile, expected one of order"),
        (MINIMAL + "[tiers.priority]\nzram = 1", "[tiers] priority names zram, expected one of order"),
        (MINIMAL + "[tiers]\norder = []", "[tiers] order is [], expected not empty"),
        (MINIMAL + "[costs]\nfualt = 1", "[costs] unknown key fualt; did you mean fault?"),
        (MINIMAL + "[costs]\nfault = -1", "[costs] fault is -1, expected at least 0"),
        (MINIMAL + "[crams]\n", "unknown section or key crams; did you mean cram?"),
        ("cram = 3\n" + MINIMAL, "[cram] cram is 3, expected a section"),
        ("[memory]\nlimit_pages = 64", "section [workload] is missing"),
        ("[workload]\n[memory]\nlimit_pages = 64", "[workload] the key trace is missing"),
        ('[workload]\ntrace = ""\n[memory]\nlimit_pages = 64', '[workload] trace is "", expected not empty'),
        ('[workload]\ntrace = "x"\nseed = -1\n[memory]\nlimit_pages = 64', "[workload] seed is -1, expected at least"),
        ('[workload]\ntrace = "x"\n[memory]\nlimit_pages = 4', "[memory] limit_pages is 4, expected at least 16"),
        ("[workload", "not TOML: "),
        (MINIMAL + "mthp_orders = [1]", "[memory] mthp_orders is 1, expected at least 2"),
        (MINIMAL + "[memcg.a]\nmemory_max = -1", "[memcg.a] memory_max is -1, expected at least 0"),
        (MINIMAL + "[memcg.a]\nmemory_mx = 1", "[memcg.a] unknown key memory_mx; did you mean memory_max?"),
        (MINIMAL + "[memcg.a]\nspaces = [1]\n[memcg.b]\nspaces = [1]", "[memcg] space 1 is in a and in b, expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_the_file_the_key_and_what_was_expected(
    tmp_path: Path, text: str, said: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ScenarioError) as error:
        Scenario.load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: {said}")
    assert "\n" not in message


def test_a_scenario_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nosuch: no such scenario; name a \.toml file or one of .*main"):
        find("nosuch")
    with pytest.raises(ScenarioError, match="No such file or directory"):
        Scenario.load(find(str(tmp_path / "nosuch.toml")))


def test_every_key_has_a_meaning() -> None:
    assert all(meaning for _, _, _, meaning in keys())
    assert ("memory", "limit_pages", "required") in [row[:3] for row in keys()]


def test_a_scenario_may_name_any_order_of_tiers_with_several_of_a_kind(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    tiers = """
[tiers]
order = ["zram", "cram", "cram1", "zswap", "swapfile", "swapfile1"]
distance = { cram = 20, cram1 = 10 }
priority = { swapfile = 5, swapfile1 = 5 }
cram_to_cram = true
"""
    path.write_text(MINIMAL + tiers)
    config = Scenario.load(path).vswap_config()
    assert config.order == ("zram", "cram", "cram1", "zswap", "swapfile", "swapfile1")
    assert (config.distances["cram1"], config.priorities["swapfile1"], config.cram_to_cram) == (10, 5, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[cram]\nmode = "node"\n[tiers]\norder = ["zswap", "swapfile"]',
            '[cram] mode is "node", expected "swap" as [tiers] order names no cram: ["zswap", "swapfile"]',
        ),
        (
            '[tiers]\ncram_to_cram = true\norder = ["cram", "zswap"]',
            "[tiers] cram_to_cram is true, expected false as [tiers] order does not name two cram nodes: "
            '["cram", "zswap"]',
        ),
    ],
)
def test_a_way_to_use_nodes_that_are_not_there_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(MINIMAL + text)
    with pytest.raises(ScenarioError) as error:
        Scenario.load(path)
    assert str(error.value) == f"{path}: {said}"


def test_the_seed_fills_what_the_library_leaves_undefined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers and memories without a reset; that they change no result is another test's rule."""
    seeds: list[int] = []

    def create(self: VerilatedLink, clock: VirtualClock, parameters: DeviceParameters, seed: int, **_: int) -> None:
        seeds.append(seed)

    monkeypatch.setattr(VerilatedLink, "__init__", create)
    make_link("verilated", VirtualClock(), Scenario.load(find("main")).with_workload(seed=7))
    assert seeds == [7]
