# SPDX-License-Identifier: MIT
"""The reverse map: a dict of places in 8 bytes a place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vswap.slots.reverse import ReverseMap


@given(st.lists(st.tuples(st.sampled_from(["set", "del", "reown"]), st.integers(0, 9), st.integers(0, 2**62))))
def test_it_does_what_a_dict_does(steps: list[tuple[str, int, int]]) -> None:
    owners, model = ReverseMap(10), dict[int, int]()
    for step, place, slot in steps:
        if step == "set":
            owners[place] = model[place] = slot
        elif place not in model:
            with pytest.raises(KeyError):
                owners.reown(place, slot) if step == "reown" else owners.__delitem__(place)
        elif step == "del":
            del owners[place], model[place]
        else:
            owners.reown(place, slot)
            model[place] = slot
        assert owners.copy() == model and list(owners) == sorted(model) and len(owners) == len(model)
        assert all(owners[place] == slot for place, slot in model.items())


@pytest.mark.parametrize("place", [-1, 10, 3])
def test_a_place_that_nobody_owns_is_a_key_error(place: int) -> None:
    owners = ReverseMap(10)
    assert place not in owners
    with pytest.raises(KeyError):
        owners[place]
    with pytest.raises(KeyError):
        del owners[place]
