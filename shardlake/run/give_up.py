"""Giving up a backfill that is not finished: what it has merged stays, and the rest of its slices is not read."""

from uuid import uuid4

from shardlake.errors import SpecError, WarehouseBusy
from shardlake.ledger import backfills
from shardlake.ledger.backfills import Unfinished
from shardlake.ledger.claims import Claims
from shardlake.ledger.database import Warehouse


def give_up(warehouse: Warehouse, view: str, name: str) -> Unfinished:
    """Give up the backfill whose id begins so. Neither its source nor the lake is asked. Returns it as it was.

    Raises SpecError where no such backfill is unfinished, WarehouseBusy where it is under way.
    """
    with Claims(warehouse, view, uuid4()) as claims, warehouse.connection() as connection:
        left = backfills.all_unfinished(connection, view)
        found = [b for b in left if name and str(b.id).startswith(name.lower())]
        if len(found) != 1:
            there = ", ".join(b.name for b in left) or "none"
            raise SpecError(
                f"{view}: {'several' if found else 'no'} unfinished backfills have an id that begins with {name[:36]!r}; there are: {there}",
                hint="`shardlake status` lists them.",
            )
        (chosen,) = found
        if not claims.hold(chosen.lock):
            raise WarehouseBusy(f"this backfill of {view} is running", hint="End that run first; then give it up.")
        with connection.transaction():
            backfills.give_up(connection, chosen.id)
    return chosen
