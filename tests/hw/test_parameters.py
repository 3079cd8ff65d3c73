# SPDX-License-Identifier: MIT
"""The parameters of a device stand in hw/parameters.py; the RTL and its benches have the same defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw.parameters import DEFAULTS, MEDIA_LATENCY
from hw.sources import ROOT

BENCHES = ROOT / "hw" / "bench"
RTL = ROOT / "hw" / "rtl"
WIDE = [RTL / "cram_device.v", BENCHES / "cram_bench.v", BENCHES / "cram_tb.v"]
"""The modules that take every parameter of a device."""

EXPECTED = DEFAULTS.verilog() | {
    "PAGES": DEFAULTS.perceived_pages,
    "PAGE_BITS": DEFAULTS.perceived_pages.bit_length() - 1,
    "SECTORS": DEFAULTS.media_sectors,
    "MEDIA_SECTORS": DEFAULTS.media_sectors,
    "SECTOR_BITS": DEFAULTS.media_sectors.bit_length() - 1,
    "ENTRY_BITS": DEFAULTS.cache_pages.bit_length() - 1,
    "LATENCY": MEDIA_LATENCY,
    "MEDIA_LATENCY": MEDIA_LATENCY,
}
"""What a module of the default device has where it takes a parameter of this name."""


def defaults(path: Path) -> dict[str, int]:
    """The parameters of a module's header and their defaults."""
    text = re.sub(r"//[^\n]*", "", path.read_text())
    header = re.search(r"\bmodule\s+\w+\s*#\s*\((.*?)\)\s*[(;]", text, re.DOTALL)
    found = (
        re.findall(r"\bparameter\b[^=]*?(\w+)\s*=\s*(\d+|\d+'h[0-9A-F]+)\s*(?=,|$)", header[1].strip())
        if header
        else []
    )
    assert header is None or len(found) == header[1].count("parameter"), f"{path.name}: a parameter was not understood"
    return {name: int(value.rpartition("h")[2], 16 if "h" in value else 10) for name, value in found}


@pytest.mark.parametrize("path", WIDE, ids=lambda path: path.stem)
def test_the_device_and_its_benches_take_every_parameter(path: Path) -> None:
    assert defaults(path).keys() >= DEFAULTS.verilog().keys()


@pytest.mark.parametrize("path", sorted([*RTL.glob("*.v"), *BENCHES.glob("*.v")]), ids=lambda path: path.stem)
def test_a_module_has_the_defaults_of_the_default_device(path: Path) -> None:
    found = {name: value for name, value in defaults(path).items() if name in EXPECTED}
    assert found == {name: EXPECTED[name] for name in found}


def test_the_document_has_every_parameter_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+)( MiB)? \|", (ROOT / "docs" / "device" / "ports.md").read_text(), re.M)
    assert {name: int(value) << (20 if unit else 0) for name, value, unit in rows} == DEFAULTS.verilog()


def test_a_default_that_differs_would_be_seen(tmp_path: Path) -> None:
    module = tmp_path / "m.v"
    module.write_text(
        "module m #(\n    parameter PAGES = 4096, // many\n    parameter integer SECTORS = 8\n) (input a);"
    )
    assert defaults(module) == {"PAGES": 4096, "SECTORS": 8}
