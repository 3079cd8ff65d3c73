# SPDX-License-Identifier: MIT
"""Value: a record with checked fields that becomes JSON and comes back from it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A record that does not change; it knows its fields and refuses others."""

    model_config = ConfigDict(extra="forbid", frozen=True)
