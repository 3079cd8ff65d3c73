"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# A simulator's speed is not what a property states, so no deadline; a failure prints how to replay it.
settings.register_profile("vcram", deadline=None, print_blob=True)
settings.load_profile("vcram")
