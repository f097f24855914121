"""Whether an item is one that a view takes, for a look at a table. A run tells its rows by SQL, many at once (`shape/own_rows.py`)."""

from collections.abc import Sequence
from typing import Any

from shardlake.view.item import Comparison, canonical

_KINDS = {"text": "S", "number": "N", "boolean": "BOOL"}


def takes(comparisons: Sequence[Comparison], item: dict[str, Any]) -> bool:
    """Whether all comparisons hold of an item as DynamoDB spells it.

    >>> from shardlake.view.item import parse
    >>> item = {"sk": {"S": "FIN#1"}, "customer": {"M": {"age": {"N": "7.0"}}}}
    >>> [takes(parse(said), item) for said in ("sk begins_with 'FIN#' and customer.age = 7", "customer.name exists", "sk = 7")]
    [True, False, False]
    """
    return all(_holds(one, _at(item, one)) for one in comparisons)


def _at(item: dict[str, Any], one: Comparison) -> dict[str, Any] | None:
    """The attribute that a comparison speaks of; None where there is none."""
    found: Any = item.get(one.path.column)
    for step in one.path.steps:
        within = (found or {}).get("L" if isinstance(step, int) else "M")
        if within is None or (isinstance(step, int) and step >= len(within)):
            return None
        found = within[step] if isinstance(step, int) else within.get(step)
    return found  # type: ignore[no-any-return]


def _holds(one: Comparison, attribute: dict[str, Any] | None) -> bool:
    if attribute is None:
        return False
    if one.verb == "exists":
        return True
    if (value := attribute.get(_KINDS[one.kind])) is None:
        return False
    if one.kind == "number":
        return canonical(value) == one.value
    text = value if one.kind == "text" else str(value).lower()
    return text.startswith(str(one.value)) if one.verb == "begins_with" else text == one.value
