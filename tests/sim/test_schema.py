# SPDX-License-Identifier: MIT
"""The JSON Schema of a scenario takes what the program takes, and refuses what it refuses."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from sim.cli import cli
from sim.scenario.scenario import Scenario, keys, shipped
from sim.scenario.schema import scenario_schema

MINIMAL = '[workload]\ntrace = "x.trace"\n[memory]\nlimit_pages = 64\n'
CRAM = MINIMAL + "[cram]\n"
VALIDATOR = Draft202012Validator(scenario_schema())


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(scenario_schema())


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_is_valid_by_the_schema(name: str) -> None:
    VALIDATOR.validate(tomllib.loads(shipped()[name].read_text()))


def test_a_scenario_that_spells_out_every_default_is_valid_by_the_schema() -> None:
    values = Scenario.model_validate(tomllib.loads(MINIMAL)).model_dump()
    VALIDATOR.validate(values)


def test_every_key_has_its_meaning_in_the_schema() -> None:
    schema = scenario_schema()

    def described(section: str, key: str) -> str:
        where: Any = schema if not section else schema["properties"].get(section, {})
        if "$ref" in where or section == "memcg.NAME":
            where = schema["$defs"][where["$ref"].rpartition("/")[2] if "$ref" in where else "MemcgSection"]
        return str(where["properties"][key].get("description"))

    assert all(described(section, key) == meaning for section, key, _, meaning in keys())


def _integers(schema: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of a schema where an integer may stand, with what is said of it."""
    if schema.get("type") == "integer":
        yield where, schema
    for key, below in schema.items():
        for name, each in enumerate(below) if isinstance(below, list) else [(key, below)]:
            if isinstance(each, dict):
                yield from _integers(each, f"{where}/{key}" if name == key else f"{where}/{key}/{name}")


def test_every_integer_has_an_upper_bound() -> None:
    """Or the values that it may have: no number of a scenario is larger than what the layers below are made for."""
    found = dict(_integers(scenario_schema()))
    assert len(found) > 40
    assert not [where for where, said in found.items() if not said.keys() & {"maximum", "enum", "const"}]


@pytest.mark.parametrize(
    "text",
    [
        CRAM + "media_bytes = 0", CRAM + "perceived_pages = 1000", CRAM + "sector_bytes = 100",
        CRAM + "cache_pages = 1", CRAM + "bytes_per_cycle = 3", CRAM + "media_latency = 0",
        CRAM + "low_percent = 101", CRAM + "media_byte = 1",
        CRAM + 'cache_pages = "8"', CRAM + "cache_pages = 8.5", CRAM + "cache_pages = true",
        MINIMAL + "[zswap]\nmax_pool_percent = 101", MINIMAL + "[swapfile]\nfsync = 1",
        MINIMAL + '[tiers]\norder = ["cram", "disk"]', MINIMAL + "[tiers]\norder = []",
        MINIMAL + "[costs]\nfualt = 1", MINIMAL + "[costs]\nfault = -1", MINIMAL + "[crams]\n", "cram = 3\n" + MINIMAL,
        "[memory]\nlimit_pages = 64", "[workload]\n[memory]\nlimit_pages = 64", MINIMAL + "mthp_orders = [1]",
        '[workload]\ntrace = ""\n[memory]\nlimit_pages = 64', MINIMAL + "[memcg.a]\nmemory_mx = 1",
        CRAM + 'mode = "node"\n[tiers]\norder = ["zswap", "swapfile"]', MINIMAL + "[tiers]\ncram_to_cram = true",
        MINIMAL + '[tiers]\ncram_to_cram = true\norder = ["cram", "zswap"]',
        MINIMAL + "[memcg.a]\nmemory_max = -1", 'profile = "5.10"\n' + MINIMAL,
    ],
)  # fmt: skip
def test_what_the_program_refuses_the_schema_refuses(text: str) -> None:
    values = tomllib.loads(text)
    assert not VALIDATOR.is_valid(values)
    with pytest.raises(ValueError):
        Scenario.model_validate(values)


@pytest.mark.parametrize(
    "text",
    [
        CRAM + 'mode = "node"', CRAM + 'mode = "node"\n[tiers]\norder = ["zswap", "cram1"]',
        CRAM + 'mode = "node"\n[tiers]\norder = ["zswap", "mine.py:node"]',
        CRAM + 'mode = "swap"\n[tiers]\norder = ["zswap"]',
        MINIMAL + '[tiers]\ncram_to_cram = true\norder = ["cram", "cram1"]',
        MINIMAL + '[tiers]\ncram_to_cram = true\norder = ["cram", "mine.py:node"]',
    ],
)  # fmt: skip
def test_what_the_program_takes_of_nodes_the_schema_takes(text: str) -> None:
    values = tomllib.loads(text)
    VALIDATOR.validate(values)
    Scenario.model_validate(values)


def test_the_command_writes_the_schema() -> None:
    result = CliRunner().invoke(cli, ["scenarios", "--schema"])
    assert json.loads(result.output) == scenario_schema()
