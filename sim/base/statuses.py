# SPDX-License-Identifier: MIT
"""Exit statuses of `vcram`, beside 0."""

FAILED = 1
"""What was to be shown is not so, or there is no result."""
BAD_INPUT = 2
NO_DEVICE = 3
"""The environment does not let the device run, for example since a compiler is missing."""
INTERRUPTED = 130
