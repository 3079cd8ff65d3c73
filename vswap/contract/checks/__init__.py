"""The checks, chapter by chapter; importing this registers them."""

from vswap.contract.checks import accounting, capacity, concurrency, data, errors, lifetime, machine

__all__ = ["accounting", "capacity", "concurrency", "data", "errors", "lifetime", "machine"]
