# SPDX-License-Identifier: MIT
"""The ways to reach a device, one file each; all implement hw.link.Link."""
