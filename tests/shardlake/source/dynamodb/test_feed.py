"""What a table is called in the ledger and in the lake."""

from __future__ import annotations

from shardlake.connection.dynamodb import DynamoDB
from shardlake.source.dynamodb.source import DynamoSource
from shardlake.view.view import View
from tests.dynamodb_world import view


def feed(connection: str, table: str, deletes: str | None) -> str:
    """The feed of a view on a table."""
    reference = f"dynamodb/{connection}"
    source = DynamoSource(DynamoDB(region="eu-west-1", access_key_id="a", secret_access_key="b"), reference)
    return source.feed(View.model_validate(view(source={"connection": reference, "table": table, "deletes": deletes})))


def test_a_plain_table_has_a_plain_name() -> None:
    assert feed("platform", "order_lines", "absent") == "dynamodb__platform__order_lines__absent"


def test_no_two_tables_share_a_name() -> None:
    tables = [
        ("p", "orders__absent"), ("p", "orders"), ("p", "orders_"), ("p", "a__b"), ("p__a", "b__"), ("p__a", "bcd"), ("p", "a__bcd"),
        ("p_", "abc"), ("p", "_abc"), ("p", "Orders"), ("p", "or.ders"), ("p", "or-ders"), ("p", "or_ders"),
    ]  # fmt: skip
    feeds = [feed(connection, table, deletes) for connection, table in tables for deletes in (None, "absent")]
    assert len(set(feeds)) == 2 * len(tables)
