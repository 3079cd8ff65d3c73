# SPDX-License-Identifier: MIT
"""What this machine's software steps cost: `vcram costs`."""
