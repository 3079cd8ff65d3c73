# SPDX-License-Identifier: MIT
"""NBD: the device as a network block device, served by nbdkit (docs/nbd.md)."""

from sim.nbd.disk import Disk, RequestError, Usage
from sim.nbd.server import NbdError, serve

__all__ = ["Disk", "NbdError", "RequestError", "Usage", "serve"]
