"""The next schema only grows: whatever is found, no column goes and no type becomes narrower."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shardlake.schema.widen import Widening, joined, widen
from shardlake.view.jsonpath import Path
from shardlake.view.types import Type, parse
from shardlake.view.view import Column

TYPES = [
    parse(text)
    for text in (
        "smallint", "integer", "bigint", "numeric", "numeric(12,2)", "numeric(10,4)", "real", "double precision", "boolean", "text",
        "varchar(9)", "varchar", "date", "timestamp", "timestamptz", "uuid", "jsonb", "bytea", "bigint[]",
    )
]  # fmt: skip
PATHS = [Path(*path) for path in (("a",), ("d", ("a",)), ("d", ("b",)), ("d", ("a", "b")), ("d", ("a", "b", "c")), ("d", ("a_b",)))]


def named(columns: dict[Path, Type]) -> dict[str, Column]:
    """Columns by a name that is made of their path, as a draft names them; those of the same name are told apart."""
    found: dict[str, Column] = {}
    for path, type_ in columns.items():
        name = "_".join(map(str, path.steps or (path.column,)))
        while name in found:
            name += "_2"
        found[name] = Column(type=type_, path=path)
    return found


def types(following: Widening) -> dict[str, str]:
    """The types of the next columns, by name."""
    return {name: str(column.type) for name, column in following.columns.items()}


schemas = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(TYPES), min_size=1).map(named)
nothing_fixed: dict[str, str] = {}


def no_narrower(after: Type, before: Type, *, in_json: bool) -> bool:
    """Whether every value that one type held has room in the other."""
    return after.may_follow(before) or (in_json and after == Type("jsonb")) or after.name == "numeric"


@given(schemas, schemas)
def test_the_next_schema_has_every_column_of_the_one_before_and_of_what_was_found(
    kept: dict[str, Column], found: dict[str, Column]
) -> None:
    following = widen(kept, found, nothing_fixed)
    assert [*following.columns][: len(kept)] == [*kept]
    assert [c.path for c in list(following.columns.values())[: len(kept)]] == [c.path for c in kept.values()]
    by_path = {c.path: c for c in following.columns.values()}
    assert set(by_path) == {c.path for c in (*kept.values(), *found.values())}
    assert len(by_path) == len(following.columns)
    for name, column in kept.items():
        assert no_narrower(following.columns[name].type, column.type, in_json=bool(column.path.steps))
    for column in found.values():
        assert no_narrower(by_path[column.path].type, column.type, in_json=bool(column.path.steps))


@given(schemas, schemas)
def test_what_was_taken_in_once_brings_nothing_when_it_is_found_again(kept: dict[str, Column], found: dict[str, Column]) -> None:
    following = widen(kept, found, nothing_fixed)
    assert widen(following.columns, found, nothing_fixed) == Widening(following.columns, (), (), {})
    assert widen(following.columns, kept, nothing_fixed).added == ()


@given(schemas, schemas, st.data())
def test_a_fixed_column_keeps_its_type_and_says_why(kept: dict[str, Column], found: dict[str, Column], data: st.DataObject) -> None:
    fixed = dict.fromkeys(data.draw(st.sets(st.sampled_from([*kept]))), "it is of the key")
    following, free = widen(kept, found, fixed), widen(kept, found, nothing_fixed)
    assert {name: following.columns[name] for name in fixed} == {name: kept[name] for name in fixed}
    assert following.kept == {name: (free.columns[name].type, "it is of the key") for name in free.widened if name in fixed}
    assert following.widened == tuple(name for name in free.widened if name not in fixed)


@given(st.sampled_from(TYPES), st.sampled_from(TYPES), st.booleans())
def test_joining_two_types_again_changes_nothing(one: Type, other: Type, in_json: bool) -> None:
    both = joined(one, other, in_json=in_json)
    assert joined(both, one, in_json=in_json) == joined(both, other, in_json=in_json) == both


def test_a_value_that_has_become_an_object_is_text_and_its_parts_are_columns() -> None:
    kept = named({Path("d", ("a",)): Type("bigint")})
    following = widen(kept, named({Path("d", ("a", "b")): Type("date")}), nothing_fixed)
    assert {name: str(column.type) for name, column in following.columns.items()} == {"a": "text", "a_b": "date"}


def test_a_new_column_whose_name_is_taken_by_another_path_gets_one_of_its_own() -> None:
    kept = named({Path("d", ("a", "b")): Type("text")})
    following = widen(kept, named({Path("d", ("a_b",)): Type("bigint")}), nothing_fixed)
    assert {name: column.path for name, column in following.columns.items()} == {"a_b": Path("d", ("a", "b")), "a_b_2": Path("d", ("a_b",))}
    assert following.added == ("a_b_2",)


def test_what_is_an_object_in_some_documents_has_room_for_all_of_them() -> None:
    a, b = Path("d", ("a",)), Path("d", ("a", "b"))
    apart = named({a: Type("bigint"), b: Type("bigint")})
    assert types(widen(apart, {}, nothing_fixed)) == {"a": "text", "a_b": "bigint"}
    assert types(widen(named({a: Type("bigint")}), apart, nothing_fixed)) == {"a": "text", "a_b": "bigint"}
    assert types(widen(named({b: Type("bigint")}), named({a: Type("bigint")}), nothing_fixed)) == {"a_b": "bigint", "a": "jsonb"}
    assert types(widen(named({a: Type("jsonb")}), apart, nothing_fixed)) == {"a": "jsonb", "a_b": "bigint"}


def test_below_a_text_that_was_all_json_in_one_sample_nothing_is_new() -> None:
    found = named({Path("note"): Type("jsonb"), Path("note", ("a",)): Type("bigint"), Path("other"): Type("date")})
    assert types(widen(named({Path("note"): Type("text")}), found, nothing_fixed)) == {"note": "text", "other": "date"}
    assert types(widen(named({Path("note"): Type("jsonb")}), found, nothing_fixed)) == {"note": "jsonb", "a": "bigint", "other": "date"}
    assert types(widen({}, found, nothing_fixed)) == {"note": "jsonb", "a": "bigint", "other": "date"}
