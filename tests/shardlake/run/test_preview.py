"""What a plan says of types: whether every value of a source's column fits, or each is judged."""

from __future__ import annotations

from shardlake.run.preview import type_decisions
from shardlake.source.door import Described
from shardlake.view.view import View
from tests.world import orders_view


def test_a_type_that_holds_less_than_the_sources_is_judged_by_value() -> None:
    wanted = {"id": "bigint", "ubig": "bigint", "ubig_whole": "numeric", "bit64": "bigint", "bit8": "boolean", "bit1": "boolean", "truth": "boolean", "updated_at": "timestamp"}  # fmt: skip
    found = {
        "id": ("int", "bigint", "bigint"), "ubig": ("int", "bigint unsigned", "numeric"), "ubig_whole": ("int", "bigint unsigned", "numeric"),
        "bit64": ("bool", "bit", "numeric"), "bit8": ("bool", "bit", "bigint"), "bit1": ("bool", "bit", "boolean"), "truth": ("bool", "bool", "boolean"),
        "updated_at": ("datetime", "datetime", "timestamptz"),
    }  # fmt: skip
    lines = type_decisions(View.model_validate(orders_view(columns=wanted)), tuple(Described(n, *how) for n, how in found.items()))
    assert {line["column"]: line["fits"] for line in lines} == {
        "id": "every value", "ubig": "judged by value", "ubig_whole": "every value", "bit64": "judged by value", "bit8": "judged by value",
        "bit1": "every value", "truth": "every value", "updated_at": "every value",
    }  # fmt: skip
