"""Columns for what a sample shows, however odd the names, shapes and keys in it are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from shardlake.errors import SpecError
from shardlake.schema.columns import Columns, drafted
from shardlake.schema.infer import Inferred, infer
from shardlake.schema.widen import widen
from shardlake.source.door import Described, Sample
from shardlake.view.jsonpath import Path
from shardlake.view.types import Type
from shardlake.view.view import Column, View
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


def shows(sample: Sample) -> Any:
    """A source that shows one sample, for whoever looks."""
    return Shows(sample)


def inferring() -> View:
    """The tests' view."""
    return View.model_validate(view(columns="inferred"))


def inferred(sample: Sample) -> Inferred:
    """What is inferred of a sample for the tests' view."""
    return infer(inferring(), shows(sample))


def infer_again(documents: list[Any], kept: Mapping[str, Column]) -> dict[str, Column]:
    """The columns of the next schema after one with those that are kept."""
    return widen(kept, infer(inferring(), shows(of_documents(*documents)), kept).columns, {}).columns


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


def test_an_object_whose_keys_are_data_is_one_column() -> None:
    documents = [{"by_user": {f"u{n}": {"seen": n, "odd\0": {"x": 1}}}, "n": n, "user": {"name": "x", "age": n}} for n in range(60)]
    found = drafted(of_documents(*documents))
    assert types(found) == {"n": "bigint", "user_name": "text", "user_age": "bigint", "by_user": "jsonb"}
    assert "document: the keys of 1 objects look like data, so that each is one jsonb column: document.by_user" in found.remarks
    wide = drafted(of_documents({"one": {f"k{n}": n for n in range(200)}}))
    assert types(wide) == {"one": "jsonb"}


def test_a_schema_has_room_for_so_many_paths_and_a_remark_counts_the_others() -> None:
    documents = [{f"{at}_{n}": n for n in range(100)} for at in "abcd"]
    kept = infer_again(documents[:1], {})
    kept = infer_again(documents[1:2], kept)
    assert len(kept) == 202
    kept = infer_again(
        documents[2:3], {**kept, **{f"x{n}": Column(type=Type("text"), path=Path("document", (f"x{n}",))) for n in range(60)}}
    )
    assert len(kept) == 302
    assert infer_again(documents[3:], kept) == kept
    found = infer(inferring(), shows(of_documents(*documents[3:])), kept)
    assert "document: 100 more keys have no column; they are in document itself" in found.remarks


def test_a_path_that_is_kept_is_widened_whatever_its_rank() -> None:
    kept = infer_again([{"rare": 1, "by": {"u1": 2}}], {})
    often = {f"k{n}": n for n in range(150)}
    found = infer_again([often, often, often | {"rare": "x", "by": {f"u{n}": "x" for n in range(150)}}], kept)
    assert (str(found["rare"].type), str(found["by_u1"].type), len(found)) == ("text", "text", 104)


def test_a_kept_scalar_that_is_an_object_now_is_widened_though_there_is_no_room_for_its_keys() -> None:
    full = {f"x{n}": Column(type=Type("text"), path=Path("document", (f"x{n}",))) for n in range(299)}
    kept = infer_again([{"a": 1}], full)
    found = infer_again([{"a": {"b": 1}}], kept)
    assert (str(found["a"].type), len(found)) == ("text", len(kept))
