# SPDX-License-Identifier: MIT
"""Settings: any key of a scenario from the command line; what is wrong with one is a line that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sim.cli import cli
from sim.scenario.scenario import ScenarioError, find, keys
from sim.scenario.settings import kind_of, load, parse


def test_every_key_of_a_scenario_can_be_set() -> None:
    for section, name, _, _ in keys():
        kind_of(f"{section}.{name}" if section and name != "memcg" else f"{name}.x.spaces" if name == "memcg" else name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cram.cache_pages=16", 16),
        ("cram.media_bytes=2M", 2 << 20),
        ("memory.limit_pages=2M", 512),
        ("memcg.a.memory_max=1M", 256),
        ("memcg.a.memory_max=none", None),
        ("zram.limit_pages=none", None),
        ("profile=6.12", "6.12"),
        ("title=a line", "a line"),
        ('title="a line"', "a line"),
        ("workload.verify_exits=false", False),
        ("tiers.order=zswap,swapfile", ["zswap", "swapfile"]),
        ('tiers.order=["zswap"]', ["zswap"]),
        ("memory.mthp_orders=2,3", [2, 3]),
        ("memory.mthp_orders=", []),
        ("tiers.distance.cram=10", 10),
        ("tiers.distance={ cram = 10 }", {"cram": 10}),
        ("costs.fault=7", 7),
        ("swapfile.path=here", str(Path.cwd() / "here")),
    ],
)
def test_a_value_is_written_as_in_toml_or_shorter(text: str, value: Any) -> None:
    assert parse(text).value == value


def test_a_setting_takes_the_place_of_what_the_file_says() -> None:
    path = find("main")
    before, after = load(path), load(path, [parse("cram.cache_pages=16"), parse("memory.limit_pages=500")])
    assert (before.cram.cache_pages, after.cram.cache_pages, after.memory.limit_pages) == (8, 16, 500)
    assert after.workload == before.workload and after.cram.media_bytes == before.cram.media_bytes


def test_a_setting_makes_a_memory_control_group() -> None:
    scenario = load(find("main"), [parse("memcg.batch.memory_max=128"), parse("memcg.batch.spaces=0,1")])
    assert (scenario.memcg["batch"].memory_max, scenario.memcg["batch"].spaces) == (128, [0, 1])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["cram.media_byte=1"], "unknown key cram.media_byte; did you mean cram.media_bytes"),
        (["media_bytes=1"], "unknown key media_bytes; did you mean cram.media_bytes?"),
        (["limit_pages=1"], "unknown key limit_pages; did you mean memory.limit_pages or zram.limit_pages?"),
        (["costs.fualt=1"], "unknown key costs.fualt; did you mean costs.fault?"),
        (["memcg.a.memry_max=1"], "unknown key memcg.a.memry_max; did you mean memcg.NAME.memory_max"),
        (["xyzzy=1"], "unknown key xyzzy; `vcram scenarios --keys` lists every key"),
        (["cram=1"], "cram is a section, expected a key of it: perceived_pages"),
        (["cram.cache_pages"], "cram.cache_pages: expected SECTION.KEY=VALUE, for example cram.cache_pages=16"),
        (["=1"], "=1: expected SECTION.KEY=VALUE"),
        (["cram.cache_pages=many"], 'cram.cache_pages=many: [cram] cache_pages is "many", expected an integer'),
        (["cram.cache_pages=1"], "cram.cache_pages=1: [cram] cache_pages is 1, expected from 2 to 64"),
        (["cram.low_percent=4K"], 'cram.low_percent=4K: [cram] low_percent is "4K", expected an integer'),
        (["memory.limit_pages=1"], "memory.limit_pages=1: [memory] limit_pages is 1, expected at least 16"),
        (["memory.limit_pages=65K"], 'memory.limit_pages=65K: [memory] limit_pages is "65K", expected an integer'),
        (["profile=5.10"], "profile=5.10: profile is \"5.10\", expected '6.1'"),
        (["title=x", "cram.low_percent=30"], "cram.low_percent=30: [cram] low_percent is 30, expected at most recov"),
        (["tiers.order=cram,cram"], "tiers.order=cram,cram: [tiers] order is ['cram', 'cram'], expected every tier"),
        (["cram.media_bytes=2M", "cram.media_bytes=1"], "cram.media_bytes=1: [cram] media_bytes is 1, expected a mult"),
        (["workload.trace="], 'workload.trace=: [workload] trace is ""'),
        (["memcg.a.spaces=1", "memcg.b.spaces=1"], "memcg.a.spaces=1 memcg.b.spaces=1: [memcg] space 1 is in a and"),
    ],
)
def test_what_is_wrong_with_a_setting_is_one_line_that_names_it_and_the_remedy(texts: list[str], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        load(find("main"), [parse(text) for text in texts])
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_a_fault_of_the_file_is_not_blamed_on_a_setting(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[workload]\ntrace = "x"\n[memory]\nlimit_pages = 64\n[cram]\nmedia_bytes = 0\n')
    with pytest.raises(ScenarioError, match=r"^.*bad\.toml: \[cram\] media_bytes is 0"):
        load(path, [parse("cram.cache_pages=16")])


def test_the_command_takes_settings_and_refuses_a_wrong_one_with_status_2() -> None:
    result = CliRunner().invoke(cli, ["run", "--sim", "model", "--set", "cram.media_byte=1"])
    assert (result.exit_code, result.output) == (
        2, "vcram: unknown key cram.media_byte; did you mean cram.media_bytes or cram.media_latency?\n",
    )  # fmt: skip
