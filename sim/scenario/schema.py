# SPDX-License-Identifier: MIT
"""Schema: what a scenario's file may say as JSON Schema, so that editors complete and check it.

Of the rules that concern two keys at once it has those about the nodes; `vcram run` checks the others.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from sim.scenario.scenario import Scenario, keys
from sim.scenario.sections import NODE
from vswap import Costs
from vswap.base.costs import MOST_NS

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
    bounds = {"type": "integer", "minimum": 0, "maximum": MOST_NS}
    schema["properties"]["costs"] |= {
        "properties": {
            cost.name: {**bounds, "default": cost.default, "description": meaning[cost.name]} for cost in fields(Costs)
        },
        "additionalProperties": False,
    }
    schema["allOf"] = [_needs_nodes("cram", "mode", "node", 1), _needs_nodes("tiers", "cram_to_cram", True, 2)]
    return {"$schema": GenerateJsonSchema.schema_dialect, **_without_ours(schema)}


def _needs_nodes(section: str, key: str, value: object, count: int) -> dict[str, Any]:
    """With this value of a key so many tiers of the order are nodes; the default order has one."""
    inside = {"properties": {key: {"const": value}}, "required": [key]}
    order = {"contains": {"pattern": f"^({NODE})$"}, "minContains": count}
    tiers: dict[str, Any] = {"properties": {"order": order}}
    needs: dict[str, Any] = {"properties": {"tiers": tiers}}
    if count > 1:
        needs["required"], tiers["required"] = ["tiers"], ["order"]
    return {"if": {"properties": {section: inside}, "required": [section]}, "then": needs}


def _without_ours(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_ours(below) for key, below in value.items()
            if key not in _OURS or isinstance(below, dict)  # a key of a scenario may be called so
        }  # fmt: skip
    return [_without_ours(below) for below in value] if isinstance(value, list) else value
