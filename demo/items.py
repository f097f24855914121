"""The items of one table of DynamoDB: customers with their orders and invoices, sessions that no view takes, and a few that are trouble on purpose."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from demo.data import document

CUSTOMERS, ORDERS = 800, 4
"""Customers, and orders of each; half of the orders have an invoice."""
DIGITS = Decimal("12345678901234567890123456789012345678")
"""As many as DynamoDB keeps."""

Item = dict[str, Any]


def items() -> Iterator[Item]:
    """All items of the table, as Python values."""
    for n in range(CUSTOMERS):
        yield customer(n)
        for k in range(ORDERS):
            yield order(n, k)
            if k % 2 == 0:
                yield invoice(n, k)
        if n % 10 == 0:
            yield key(n, f"SESSION#{n:06d}") | {"expires": 1_800_000_000 + n}


def key(n: int, sort: str) -> Item:
    """The key of an item of a customer's."""
    return {"pk": f"CUSTOMER#{n:05d}", "sk": sort}


def customer(n: int) -> Item:
    """A customer, with a map and a set."""
    return key(n, "PROFILE") | _document(n)["customer"] | {"devices": {"web", ("app", "tablet")[n % 2]}}


def order(n: int, k: int, **changes: Any) -> Item:
    """A customer's order. Two hold amounts that are none."""
    number, found = n * ORDERS + k, _document(n)
    amount = {(3, 0): "on request", (3, 1): Decimal("19.999")}.get((n, k), Decimal(f"{number % 9973}.{number % 100:02d}"))
    own = {
        "status": ("new", "paid", "shipped 🚚", None)[number % 4], "amount": amount,
        "ordered_at": f"2026-01-{number % 28 + 1:02d}T{number % 24:02d}:{number % 60:02d}:00Z",
        "shipping": {"address": found["customer"]["address"]}, "lines": found["items"],
    }  # fmt: skip
    return key(n, f"ORDER#{number:06d}") | own | changes


def invoice(n: int, k: int) -> Item:
    """The invoice of an order, with maps in maps, a set and binary. One has a total of 38 digits."""
    number, found = n * ORDERS + k, _document(n)
    own = {
        "total": DIGITS if (n, k) == (5, 0) else Decimal(f"{number % 9973}.{number % 100:02d}"),
        "buyer": {"name": found["customer"]["name"], "vat": {"id": f"DE{number:09d}", "checked": n % 3 == 0}},
        "tags": {"b2b", "net30"}, "lines": found["items"], "signature": number.to_bytes(4),
    }  # fmt: skip
    return key(n, f"INVOICE#{number:06d}") | own


def _document(n: int) -> Any:
    return json.loads(document(n), parse_float=Decimal)
