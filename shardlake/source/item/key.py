"""The attributes of a table's key, by their types: `S`, `N` or `B`."""

from collections.abc import Mapping

from shardlake.errors import ContractError
from shardlake.view.items import ItemSource


def column_kind(kind: str) -> str:
    """What the raw column of such an attribute holds, in shape's words."""
    return "bytes" if kind == "B" else "text"


def require_comparable(place: str, types: Mapping[str, str], source: ItemSource) -> None:
    """That `item` compares a number of the key with a number, and a text with a text: raw does not tell them apart. Raises ContractError."""
    for one in source.takes or ():
        kind = types.get(one.path.column)
        if one.verb == "exists" or kind is None or one.kind == ("number" if kind == "N" else "text"):
            continue
        called = {"N": "a number", "S": "a text"}.get(kind, "binary")
        right = f"{one.path} = 7" if kind == "N" else f"{one.path} = '{one.value}'"
        raise ContractError(f"{place}: {one.path} is {called}, and `item` compares it with a {one.kind}", hint=f"Write it as in `{right}`.")
