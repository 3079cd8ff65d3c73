# SPDX-License-Identifier: MIT
"""Sweeps of the device alone: what its parameters and its media do to what the host sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sim.cli import cli
from sim.scenario.scenario import ScenarioError, find
from sim.sweep.device import device_points
from sim.sweep.folder import read_table
from sim.sweep.grid import parse_axis


def measured(folder: Path, sim: str, *over: str) -> list[dict[str, Any]]:
    """The rows of a sweep of the main scenario's device."""
    axes = [part for axis in over for part in ("--over", axis)]
    arguments = ["sweep", "--device", "--sim", sim, "--jobs", "1", *axes, "-o", str(folder)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return read_table(folder).to_dicts()


@pytest.mark.parametrize("sim", ["model", "verilated"])
def test_a_slower_media_and_a_load_make_misses_slower(tmp_path: Path, sim: str) -> None:
    rows = measured(tmp_path / "out", sim, "cram.media_latency=40,400", "load=0,100")
    quick, quick_loaded, slow, slow_loaded = rows
    assert [(row["cram.media_latency"], row["load"]) for row in rows] == [(40, 0), (40, 100), (400, 0), (400, 100)]
    assert slow["miss_p50_cycles"] - quick["miss_p50_cycles"] >= 360
    assert quick_loaded["miss_p50_cycles"] > quick["miss_p50_cycles"]
    assert slow_loaded["miss_p99_cycles"] >= slow_loaded["miss_p50_cycles"] > slow["miss_p50_cycles"]
    assert slow["writeback_bytes_per_cycle"] < quick["writeback_bytes_per_cycle"]
    assert quick["hot_set_pages"] > quick_loaded["hot_set_pages"]


def test_without_a_load_the_hot_set_is_the_cache(tmp_path: Path) -> None:
    rows = measured(tmp_path / "out", "model", "cram.cache_pages=4,8,16", "load=0")
    for row, cached in zip(rows, (4, 8, 16), strict=True):
        assert cached <= row["hot_set_pages"] <= -(-10 * cached // 9), "nine of ten reads hit the cache"


def test_a_sample_keeps_its_points(tmp_path: Path) -> None:
    axes = [parse_axis("load=0,50,100"), parse_axis("cram.cache_pages=4,8")]
    whole, sample = (device_points(find("main"), [], axes, count) for count in (None, 2))
    assert [point.number for point in whole] == list(range(6)) and len(sample) == 2
    assert all(point in whole for point in sample)


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ("memory.limit_pages=20,30", "memory.limit_pages says nothing of the device alone, expected cram.perceived"),
        ("load=101", "load is 101, expected percent from 0 to 100"),
        ("load=much", "load is much, expected percent"),
    ],
)
def test_what_is_no_key_of_the_device_is_one_line(axis: str, said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        device_points(find("main"), [], [parse_axis(axis)], None)
    assert str(error.value).startswith(said)


def test_a_device_too_small_for_its_cache_is_a_row_with_its_reason(tmp_path: Path) -> None:
    arguments = ["sweep", "--device", "--sim", "model", "--jobs", "1", "--set", "cram.media_bytes=64K"]
    result = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "make media_bytes or perceived_pages larger" in read_table(tmp_path / "out")["reason"][0]
