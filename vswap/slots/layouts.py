# SPDX-License-Identifier: MIT
"""The layouts of slots that a scenario can choose, by name (docs/vswap/slots.md, "Layouts")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from vswap.slots.cluster import Cluster
from vswap.slots.compact import CompactCluster
from vswap.slots.descriptors import DescriptorCluster
from vswap.slots.swaptable import SwapTableCluster
from vswap.slots.table import Layout

LayoutName = Literal["compact", "descriptors", "swap-table"]


LAYOUTS: Mapping[LayoutName, type[Cluster]] = {
    "compact": CompactCluster,
    "descriptors": DescriptorCluster,
    "swap-table": SwapTableCluster,
}


def layout(name: LayoutName, may_extend: Callable[[], bool] = lambda: True) -> Layout:
    """A layout. `may_extend`: there is memory for an extend table without waiting for it."""
    if name == "swap-table":
        return partial(SwapTableCluster, may_extend=may_extend)
    return LAYOUTS[name]
