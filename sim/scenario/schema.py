# SPDX-License-Identifier: MIT
"""Schema: what a scenario's file may say as JSON Schema, so that editors complete and check it.

Rules that concern two keys at once are no part of it; `vcram run` checks these.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from sim.scenario.scenario import Scenario, keys
from vswap import Costs

_OURS = ("sets", "path")
"""What a key's declaration says for this program alone."""


class _Untitled(GenerateJsonSchema):
    """Without a title for each key: it would be the key once more."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a scenario."""
    schema = Scenario.model_json_schema(schema_generator=_Untitled)
    meaning = {key: text for section, key, _, text in keys() if section == "costs"}
    schema["properties"]["costs"] |= {
        "properties": {
            cost.name: {"type": "integer", "minimum": 0, "default": cost.default, "description": meaning[cost.name]}
            for cost in fields(Costs)
        },
        "additionalProperties": False,
    }
    return {"$schema": GenerateJsonSchema.schema_dialect, **_without_ours(schema)}


def _without_ours(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_ours(below) for key, below in value.items()
            if key not in _OURS or isinstance(below, dict)  # a key of a scenario may be called so
        }  # fmt: skip
    return [_without_ours(below) for below in value] if isinstance(value, list) else value
