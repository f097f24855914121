"""Columns for what a sample shows, however odd the names, shapes and keys in it are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shardlake.errors import SpecError
from shardlake.schema.columns import Columns, drafted
from shardlake.schema.infer import Inferred, infer
from shardlake.source.door import Described, Sample
from shardlake.view.jsonpath import Path
from shardlake.view.view import View
from tests.dynamodb_world import view

KEY = {"connection": "dynamodb/platform", "primary_key": ["pk", "sk"]}


def of_documents(*documents: Any) -> Sample:
    """A sample of a source of documents, whose keys are text."""
    keys = [Described(name, "text", "S", "text") for name in ("pk", "sk")]
    whole = Described("document", "json", "document", "jsonb")
    return Sample(KEY, "merge", (*keys, whole), {"document": [json.dumps(one) for one in documents]}, document="document")


class Shows:
    """A source that shows one sample."""

    def __init__(self, sample: Sample) -> None:
        self.shown = sample

    def sample_of(self, _: View) -> Sample:
        """See SamplesView."""
        return self.shown


def inferred(sample: Sample) -> Inferred:
    """What is inferred of a sample for the tests' view."""
    source: Any = Shows(sample)
    return infer(View.model_validate(view(columns="inferred")), source)


def types(found: Columns) -> dict[str, str]:
    """The types of a draft's columns, but for the keys'."""
    types = {name: said if isinstance(said, str) else said["type"] for name, said in found.outs.items()}
    return {name: type_ for name, type_ in types.items() if name not in ("pk", "sk")}


@pytest.mark.parametrize("odd", ["", "x" * 65, "_shardlake_x", "_SHARDLAKE_x", "$x", "document", " ", "a.b", 'a"b', "Ü", "a\nb"])
def test_a_field_of_any_name_is_a_column_that_is_reached(odd: str) -> None:
    found = inferred(of_documents({odd: 1, "plain": {odd: 2}}))
    assert [column.path for name, column in found.columns.items() if name not in ("pk", "sk")] == [
        Path("document", (odd,)),
        Path("document", ("plain", odd)),
    ]


def test_a_column_that_no_view_can_have_is_an_error_with_a_next_step() -> None:
    odd = Described("a", "text", "text", "no type")
    with pytest.raises(SpecError, match=r"finances: the column a that was inferred cannot be one of a view: .*shardlake discover"):
        inferred(Sample(KEY, "merge", (odd,), {}))


def test_a_remark_holds_nothing_that_a_schema_cannot() -> None:
    odd = Described("a\0b", "text", "text", "text")
    found = inferred(Sample(KEY, "merge", (odd, Described("c", "text", "text", "text")), {}))
    assert found.remarks[0].startswith(r"a\x00b is left out: ")


def test_what_is_an_object_in_some_documents_and_none_in_others_is_jsonb_beside_its_keys() -> None:
    found = drafted(of_documents({"a": 1, "b": "x"}, {"a": {"b": 2, "c": {"d": 1}}}, {"a": {"c": "x"}}))
    assert types(found) == {"a": "jsonb", "b": "text", "a_b": "bigint", "a_c_d": "bigint", "a_c": "jsonb"}
