# SPDX-License-Identifier: MIT
"""What each rule that the kernels taught does to the figures of the main job: docs/kerneldiff.md.

    python -m tests.campaigns.kerneldiff.effects             those that are not recorded yet
    python -m tests.campaigns.kerneldiff.effects --afresh    all of them, recorded or not

Each state of effects.toml is checked out beside the build and runs the main job, on the model of the device. The
figures of all go to build/effects.json, from where `python -m sim.bench.figures --record` makes the document's tables.
A commit has the same figures at any time: one that docs/figures/effects.json has, or that was run before, is not run
again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.places import build_folder
from hw.sources import ROOT

STATES = Path(__file__).parent / "effects.toml"
RECORD = ROOT / "docs" / "figures" / "effects.json"
KERNEL = (
    "stores", "loads", "pgmajfault", "pgactivate", "pgsteal_kswapd", "pgsteal_direct", "zswpout", "pswpout", "pswpin",
)  # fmt: skip
"""The counters of the layer that a row keeps; one that a state does not have yet is absent."""


@dataclass(frozen=True)
class State:
    """A state of the swap model: the rule it brought, its commit, and what changed, in a few words."""

    rule: str
    commit: str
    what: str


class EffectsError(Exception):
    """A state that cannot be run; one line."""


def states(path: Path = STATES) -> list[State]:
    """Those of the file, in its order. Raises EffectsError."""
    try:
        return [State(**entry) for entry in tomllib.loads(path.read_text())["state"]]
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise EffectsError(f"{path}: {error}: give each [[state]] rule, commit and what") from None


def row(state: State, figures: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of the figures of a state's main job."""
    if figures["mismatches"] or figures["problems"]:
        raise EffectsError(f"{state.commit}: the main job fails there: {figures['problems']}")
    kept = {name: figures["kernel"][name] for name in KERNEL if name in figures["kernel"]}
    return {
        "rule": state.rule, "commit": state.commit, "what": state.what, "kernel": kept, "faults": figures["faults"],
        "writebacks": figures["writebacks"], "simulated_ns": figures["simulated_ns"],
    }  # fmt: skip


def recorded(path: Path = RECORD) -> dict[str, dict[str, Any]]:
    """The rows of the record, by commit; none where there is no record."""
    return {each["commit"]: each for each in json.loads(path.read_text())} if path.exists() else {}


def run(state: State) -> dict[str, Any]:
    """Run the main job as that state has it. Raises EffectsError."""
    folder = build_folder() / "effects" / state.commit
    figures = folder.with_suffix(".json")
    if not figures.exists():
        if not folder.exists():
            _call(["git", "worktree", "prune"])
            _call(["git", "worktree", "add", "--force", "--detach", str(folder), state.commit])
        try:
            place = os.environ | {"PYTHONPATH": str(folder), "VCRAM_BUILD": str(build_folder())}
            report = str(folder.with_suffix(".html"))
            options = ["--json", str(figures), "--report", report]
            _call([sys.executable, "-m", "sim.cli", "run", "--sim", "model", *options], cwd=folder, env=place)
        except BaseException:
            figures.unlink(missing_ok=True)
            raise
        finally:
            _call(["git", "worktree", "remove", "--force", str(folder)])
    return row(state, json.loads(figures.read_text()))


def _call(command: list[str], cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EffectsError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


def main() -> int:
    """Run the states that were not run yet, a line each."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.kerneldiff.effects",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--afresh", action="store_true", help="run those that are recorded, too")
    parser.add_argument("--list", action="store_true", help="list the states and run nothing")
    arguments = parser.parse_args()
    try:
        chosen = states()
        kept = {} if arguments.afresh else recorded()
        rows = []
        for number, state in enumerate(chosen, 1):
            row_kept = kept.get(state.commit)
            note = " (recorded)" if row_kept is not None else ""
            print(f"[{number}/{len(chosen)}] {state.commit} {state.rule}: {state.what}{note}", flush=True)
            if arguments.list:
                continue
            rows.append(run(state) if row_kept is None else row_kept | {"rule": state.rule, "what": state.what})
    except EffectsError as error:
        print(f"effects: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\neffects: interrupted; what was run is kept", file=sys.stderr)
        return 130
    if rows:
        file = build_folder() / "effects.json"
        file.write_text(json.dumps(rows, indent=1) + "\n")
        print(f"{len(rows)} states: {file}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
