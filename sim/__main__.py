# SPDX-License-Identifier: MIT
"""Where the program `vcram` begins: Ctrl-C while its modules are still being imported ends it without a traceback."""

from __future__ import annotations

import sys


def main() -> None:
    """The program `vcram`."""
    try:
        from sim import cli
    except KeyboardInterrupt:
        print("vcram: interrupted; nothing is left running", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
