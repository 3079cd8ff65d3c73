# SPDX-License-Identifier: MIT
"""What comes with the project: a recorded trace, the program it was recorded from, and pages (docs/trace.md)."""

from pathlib import Path

ORDERS_TRACE = Path(__file__).with_name("orders.trace")
"""A recorded run of orders.py; orders.toml says how it was made and what is in it."""
CORPUS = Path(__file__).with_name("corpus")
"""Some pages of each kind of program, made by `vcram corpus build --sample`, with their manifest."""
