"""The text of a view row as a value of Postgres: how the judge and the merge both read it."""

from shardlake.view.types import Type


def cast(type_: Type, value: str) -> str:
    """An SQL expression that reads the text `value` as the type."""
    if type_.array:
        return f"shardlake.text_array({value})::{type_}"
    return value if type_.name == "text" else f"{value}::{type_}"
