"""What may go wrong at DynamoDB while it is read: each fails by name, and the next run heals."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from embedded.dynamodb_local import DynamoDB
from embedded.dynamodb_proxy import Answer, proxied, refusal
from tests.dynamodb_world import BIG, CANARY, ROW, TOKEN, Tables, TablesMaker, fin, view


@pytest.fixture(autouse=True)
def _no_second_try_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardlake.run.threads.PAUSES", ())
    monkeypatch.setattr("shardlake.source.dynamodb.pages.FIRST_RETRY", 0.01)
    monkeypatch.setattr("shardlake.source.dynamodb.pages.LONGEST_RETRY", 0.02)


ONE = view(source={"segments": 1, "window": 1})


def big(w: Tables, count: int = 9) -> list[tuple[Any, ...]]:
    """Items of several pages, and what the target is to hold."""
    w.create()
    w.put(*(fin(f"p{n}", 1, **BIG) for n in range(count)))
    return [(f"p{n}", "FIN#1", *ROW) for n in range(count)]


@pytest.mark.parametrize(
    ("fault", "answer_timeout", "said"),
    [("kill", "5s", "DynamoDB cannot be reached"), ("pause", "1s", "DynamoDB did not answer")],
)
def test_a_server_that_ends_or_hangs_in_the_midst_fails_by_name_and_the_next_run_heals(
    tables: TablesMaker, dynamodb: DynamoDB, fault: str, answer_timeout: str, said: str
) -> None:
    w = tables(ONE, connection_changes={"answer_timeout": answer_timeout, "connect_timeout": "1s"})
    want = big(w)

    def faults(operation: str, body: dict[str, Any]) -> Answer:
        if len(proxy.scans()) == 2:
            getattr(dynamodb, fault)()
        return None

    with proxied(dynamodb, faults) as proxy:
        w.endpoint = proxy.url
        try:
            report = w.sync()
        finally:
            dynamodb.resume() if fault == "pause" else dynamodb.start()
    assert f"{w.name('platform')}, 0-of-1: {said}" in str(report.shards["0-of-1"].error)
    assert 0 < len(w.rows()) < 9
    w.endpoint = ""
    if fault == "kill":  # its tables were in memory, so that this is another one
        big(w)
    w.must_sync(full=fault == "kill")
    assert w.rows() == want
    scans = w.ledger("SELECT DISTINCT plan ->> 'scan' FROM shardlake.windows")
    assert len(scans) == (2 if fault == "kill" else 1)  # it went on from there


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ExpiredTokenException", "the keys of dynamodb/platform have ended (ExpiredTokenException). Give keys that hold, or a role."),
        ("UnrecognizedClientException", "DynamoDB refuses dynamodb/platform (UnrecognizedClientException). Check its keys, and the grants in docs/reference/grants.md."),
        ("ValidationException", "DynamoDB refuses the request (ValidationException: as ValidationException says)"),
    ],
)  # fmt: skip
def test_a_refusal_in_the_midst_is_told_at_once_and_the_next_run_goes_on(tables: TablesMaker, kind: str, said: str) -> None:
    w = tables(ONE)
    want = big(w)
    with proxied(w.server, lambda _, body: refusal(kind) if "ExclusiveStartKey" in body else None) as proxy:
        w.endpoint = proxy.url
        assert w.sync().shards["0-of-1"].error == f"{w.name('platform')}, 0-of-1: {said}"
        assert len(proxy.scans()) == 2
    w.endpoint = ""
    w.must_sync()
    assert w.rows() == want


@pytest.mark.parametrize("kind", ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"])
def test_a_table_that_throttles_is_asked_again_after_a_while(tables: TablesMaker, kind: str) -> None:
    w = tables(ONE)
    w.create()
    w.put(fin("a", 1))
    left = iter(range(3))
    with proxied(w.server, lambda operation, _: refusal(kind) if operation == "Scan" and next(left, None) is not None else None) as proxy:
        w.endpoint = proxy.url
        w.must_sync()
        assert len(proxy.scans()) == 4
    assert w.rows() == [("a", "FIN#1", *ROW)]


def test_a_server_that_fails_for_a_while_is_asked_again(tables: TablesMaker) -> None:
    w = tables(ONE)
    w.create()
    w.put(fin("a", 1))
    left = iter(range(7))
    failed = refusal("InternalServerError", 500)
    with proxied(w.server, lambda operation, _: failed if operation == "Scan" and next(left, None) is not None else None) as proxy:
        w.endpoint = proxy.url
        w.must_sync()
        assert len(proxy.scans()) == 8
    assert w.rows() == [("a", "FIN#1", *ROW)]


def test_pages_that_came_before_a_failure_are_a_window(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1}))
    want = big(w)
    failed = refusal("InternalServerError", 500)
    with proxied(w.server, lambda operation, _: failed if operation == "Scan" and len(proxy.scans()) > 2 else None) as proxy:
        w.endpoint = proxy.url
        error = str(w.sync().shards["0-of-1"].error)
        assert len(proxy.scans()) == 2 + 2 * 8
    assert error == f"{w.name('platform')}, 0-of-1: DynamoDB failed (InternalServerError). It is asked again."
    assert len(w.rows()) == 8
    w.endpoint = ""
    w.must_sync()
    assert w.rows() == want
    first, second, *_ = w.ledger("SELECT plan ->> 'scan', raw_rows FROM shardlake.windows ORDER BY window_id")
    assert (first[0], first[1], second[1]) == (second[0], 8, 1)  # it went on from there


def test_a_table_that_throttles_past_the_deadline_is_told_with_what_to_declare(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1, "deadline": "1s"}))
    w.create()
    with proxied(w.server, lambda operation, _: refusal("ThrottlingException") if operation == "Scan" else None) as proxy:
        w.endpoint = proxy.url
        error = str(w.sync().shards["0-of-1"].error)
    assert error == (
        f"{w.name('platform')}, 0-of-1: the table throttles, and its deadline is over (as ThrottlingException says). Declare less by `read_units`,"
        " or give the table more capacity; the next run goes on from there."
    )


def test_a_reading_keeps_to_its_share_of_what_the_table_may_give(tables: TablesMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr("shardlake.cancellation.pause", paused.append)
    w = tables(view(source={"segments": 2, "capacity": 0.5}))
    w.create(units=40)
    w.put(*(fin("p", n, **BIG) for n in range(9)))  # one key, so one segment: pages of 1.2 MB or 147 units, of which it gets 10 a second
    w.must_sync()
    assert [round(p) for p in paused] == [15, 29]


def test_capacity_of_a_table_on_demand_is_refused(tables: TablesMaker) -> None:
    w = tables(view(source={"capacity": 0.5}))
    w.create()
    name = w.name("platform")
    assert (
        w.sync().shards["0-of-2"].error == f"{name} is read on demand, and has no capacity of which 0.5 could be taken. Give `read_units`."
    )


def test_no_secret_is_seen_in_what_is_said_logged_or_kept(tables: TablesMaker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    w = tables(connection_changes={"session_token": TOKEN})
    w.create()
    w.put(fin("a", 1))
    w.must_sync()
    said = [w.command("plan", "finances")]
    with proxied(w.server, lambda *_: (403, {"__type": "#InvalidSignatureException", "message": f"secret {CANARY} is wrong"})) as proxy:
        w.endpoint = proxy.url
        said.append(w.command("plan", "finances"))
        report = w.sync()
    assert "DynamoDB refuses dynamodb/platform (InvalidSignatureException)" in said[-1].stdout + said[-1].stderr
    kept = w.ledger(
        "SELECT string_agg(t::text, '') FROM (SELECT plan FROM shardlake.windows UNION ALL SELECT position FROM shardlake.positions) t"
    )
    everything = [*(s.stdout + s.stderr for s in said), str(report.as_json()), repr(w.connect("dynamodb/platform")), str(kept), caplog.text]
    assert [text for text in everything if CANARY in text or CANARY.split("/")[0] in text or TOKEN in text] == []
