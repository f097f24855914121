"""Positions and plans of SQL windows as the JSON that the ledger keeps, and as what the reader works with.

A position is `{"kind", "cursor"}` behind a finished window, or a scan that goes on: `{"kind", "upper", "order", "after",
"lower"}`. Without a cursor the kind is null. `complete_to` is the time up to which a scan has every row when it ends.
"""

from typing import Any

from shardlake.errors import WatermarkRefused
from shardlake.ledger.extent import Json
from shardlake.source.sql.window import Watermark, Window


def mark_of(position: Json | None) -> Watermark | None:
    """The watermark of a position; None where a partition is read from the beginning. Raises WatermarkRefused."""
    if position is None:
        return None
    try:
        if position["kind"] is None and position.get("after") is None:
            return None
        return Watermark(
            position["kind"], position.get("cursor"), position.get("upper"), position.get("order") or "key", _tuple(position.get("after")),
            position.get("lower"), position.get("complete_to"),
        )  # fmt: skip
    except (KeyError, TypeError):
        raise WatermarkRefused("the ledger's position is not one of a cursor", hint="Run with --full to begin anew.") from None


def position_of(window: Window, until: tuple[str, ...] | None, complete_to: str | None = None) -> Json:
    """The position behind a window that was read to its end, or up to `until`."""
    if until is not None:
        found: dict[str, Any] = {
            "kind": window.kind,
            "upper": window.upper,
            "order": window.order,
            "after": list(until),
            "lower": window.lower,
        }
        return {**found, "complete_to": complete_to} if complete_to else found
    return {"kind": None} if window.kind is None else {"kind": window.kind, "cursor": window.upper}


def plan_of(window: Window) -> Json:
    """A window as the ledger keeps it."""
    found: dict[str, Any] = {"kind": window.kind, "lower": window.lower, "upper": window.upper, "order": window.order}
    found |= {"after": list(window.after) if window.after is not None else None, "ranged": window.ranged, "nulls": window.nulls}
    found |= {"until": list(window.until)} if window.until is not None else {}
    return {**found, "complete_to": window.complete_to} if window.complete_to else found


def window_of(plan: Json) -> Window:
    """A window that the ledger has kept. Windows of older ledgers do not say whether they take rows without a cursor: they do."""
    return Window(
        plan["kind"], plan["lower"], plan["upper"], plan["order"], _tuple(plan.get("after")), ranged=plan.get("ranged", False),
        nulls=plan.get("nulls", True), complete_to=plan.get("complete_to"), until=_tuple(plan.get("until")),
    )  # fmt: skip


def _tuple(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)
