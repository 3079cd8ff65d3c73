# SPDX-License-Identifier: MIT
"""A sweep on a Dask cluster: a real scheduler and two workers on loopback, one of which is killed at work."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from hw.sources import ROOT
from sim.cli import cli
from sim.sweep.folder import read_table
from tests.sim.scenes import write_scenario

distributed: Any = importlib.import_module("distributed")  # it has no types
POINTS = 6


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def program(name: str, *arguments: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One of Dask's programs, ended at the end."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DASK_LOGGING__DISTRIBUTED": "warning"}
    argv = [sys.executable, "-m", f"distributed.cli.{name}", *arguments]
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(argv, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]], Any]]:
    """A scheduler's address, its two workers with one thread each, and a client that watches."""
    address = f"tcp://127.0.0.1:{free_port()}"
    host = ["--host", "127.0.0.1"]
    alone = [address, "--nthreads", "1", "--no-nanny", "--no-dashboard", *host]
    with (
        program("dask_scheduler", *host, "--port", address.rpartition(":")[2], "--no-dashboard", folder=folder),
        program("dask_worker", *alone, "--name", "first", folder=folder) as first,
        program("dask_worker", *alone, "--name", "second", folder=folder) as second,
        distributed.Client(address, timeout=60, set_as_default=False) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield address, [first, second], client


def test_a_worker_that_is_killed_loses_no_point(tmp_path: Path) -> None:
    scenario, out = write_scenario(tmp_path, workload={"trace": "small.trace", "rounds": 3}), tmp_path / "out"
    with cluster(tmp_path) as (address, (victim, _), client):
        arguments = ["sweep", str(scenario), "--sim", "model", "--scheduler", address]
        arguments += ["--seeds", str(POINTS), "-o", str(out)]
        sweep = subprocess.Popen([sys.executable, "-m", "sim.cli", *arguments], cwd=ROOT)
        names = {info["name"]: worker for worker, info in client.scheduler_info()["workers"].items()}
        while not (out / "runs.parquet").exists() or not client.processing().get(names["first"]):
            assert sweep.poll() is None, "it was over before the worker was killed"
            time.sleep(0.02)
        victim.kill()  # with a point of its own under way
        assert len(read_table(out)) < POINTS
        assert sweep.wait(120) == 0
        assert len(client.scheduler_info()["workers"]) == 1
    table = read_table(out)
    assert table["status"].to_list() == ["passed"] * POINTS
    assert table["workload.seed"].to_list() == [*range(POINTS)]


def test_a_cluster_gives_the_rows_that_processes_give(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    with cluster(tmp_path) as (address, _, _):
        arguments = ["sweep", str(scenario), "--sim", "model", "--seeds", "3", "-o"]
        there = subprocess.run(
            [sys.executable, "-m", "sim.cli", *arguments, str(tmp_path / "there"), "--scheduler", address], cwd=ROOT
        )
    assert there.returncode == 0
    assert CliRunner().invoke(cli, [*arguments, str(tmp_path / "here"), "--jobs", "1"]).exit_code == 0
    here, cluster_rows = (read_table(tmp_path / name).drop("seconds") for name in ("here", "there"))
    assert here.equals(cluster_rows)


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    arguments = ["sweep", "--sim", "model", "--seeds", "1", "-o", str(tmp_path / "out")]
    run = [sys.executable, "-m", "sim.cli", *arguments, "--scheduler", f"tcp://127.0.0.1:{free_port()}"]
    result = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert "no Dask scheduler answers" in result.stderr and "Traceback" not in result.stderr
