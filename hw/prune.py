# SPDX-License-Identifier: MIT
"""`python -m hw.prune`: remove builds and runs that nobody has used for a while, and say how much is left."""

from __future__ import annotations

import sys

from hw.build import builds
from hw.outputs import prune_builds, prune_runs, size
from hw.simulate import runs


def main() -> int:
    """All of them but those that may be in use."""
    for folder, gone in ((builds(), prune_builds(builds(), 0)), (runs(), prune_runs(runs(), 0, 0))):
        print(f"{folder}: {len(gone)} removed, {size(folder) / 1e6:.0f} MB left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
