# SPDX-License-Identifier: MIT
"""`python -m hw.prune`: remove builds that nobody has used for an hour, and runs that passed before.

Runs that failed stay while all runs together are within their limit. It says how much is left."""

from __future__ import annotations

import sys

from hw.build import builds
from hw.outputs import UNUSED_S, prune_builds, prune_runs, size
from hw.places import PlaceError
from hw.simulate import runs


def main() -> int:
    """All of them but those that may be in use."""
    for folder, gone in (
        (builds(), prune_builds(builds(), 0)),
        (runs(), prune_runs(runs(), passed=0, ended_s=UNUSED_S)),
    ):
        print(f"{folder}: {len(gone)} removed, {size(folder) / 1e6:.0f} MB left")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PlaceError as error:
        sys.exit(str(error))
