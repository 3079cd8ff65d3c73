"""The trace that comes with the project, the program it was recorded from, and how (docs/trace.md)."""

from pathlib import Path

ORDERS_TRACE = Path(__file__).with_name("orders.trace")
"""A recorded run of orders.py; orders.toml says how it was made and what is in it."""
