"""What is an alarm and what is not: the rules on a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shardlake.ledger.alarms import Alarm, record, told, untold
from shardlake.ledger.claims import Claims
from shardlake.ledger.runs import completed_since
from shardlake.run.freshness import judge
from shardlake.view.operation import short
from shardlake.view.view import View
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view


@pytest.fixture
def shop(world: WorldMaker) -> World:
    """Two shards with an order each, loaded a moment ago, and watched for long."""
    w = world(["shop_00", "shop_01"], view=orders_view(freshness="10m", schedule="every 5m"))
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (1, 'new', 1, '2026-01-01', NULL)")
    w.must_sync()
    found(w)
    w.warehouse("UPDATE shardlake.watched SET since = now() - interval '9 days'")
    return w


VIEW = {("", "not started"), ("", "broken off")}
"""What may be wrong with a view's runs."""


def found(w: World, now: datetime | None = None) -> set[tuple[str, str]]:
    job = w.job()
    return {(a.shard, a.kind) for a in judge(job, {job.view.name: job.view}, now, watch=True).alarms}


def test_a_shard_that_fails_is_an_alarm_after_a_while_where_a_view_runs_after_another_too(shop: World) -> None:
    """It has no time of its own at which it is due; of one without a promise `status` alone tells."""
    first = View.model_validate(orders_view(name="customers", schedule="every 1d"))
    shop.on("shop_01", "DROP TABLE orders")
    assert not shop.sync().ok

    def told(**changes: Any) -> set[tuple[str, str]]:
        shop.view = orders_view(**changes)
        job = shop.job()
        return {(a.shard, a.kind) for a in judge(job, {"orders": job.view, "customers": first}, watch=True).alarms}

    for changes in ({"after": ["customers"]}, {"freshness": "2d"}, {}):
        assert told(**changes) == set()  # the next run may mend it
    shop.warehouse("UPDATE shardlake.run_shards SET ended_at = ended_at - interval '16 minutes'")
    shop.warehouse("UPDATE shardlake.runs SET ended_at = ended_at - interval '16 minutes'")
    assert told(after=["customers"]) == told(freshness="2d") == {("shop_01", "failed")}
    assert told() == set()


def test_what_came_as_promised_is_no_alarm(shop: World) -> None:
    assert found(shop) == set()


def test_a_shard_that_is_late_and_one_that_never_came(shop: World) -> None:
    shop.warehouse("UPDATE shardlake.positions SET complete_to = now() - interval '11 minutes' WHERE partition = 'shop_01'")
    shop.shards.append("shop_02")
    shop.create_shard("shop_02")
    assert found(shop) == {("shop_01", "late"), ("shop_02", "never arrived")}
    shop.warehouse("UPDATE shardlake.watched SET since = now() - interval '5 minutes'")
    assert found(shop) == {("shop_01", "late")}  # what is new is not late yet


def test_the_reason_of_the_last_failure_is_in_the_alarm(shop: World) -> None:
    shop.on("shop_01", "DROP TABLE orders")
    assert not shop.sync().ok
    shop.warehouse("UPDATE shardlake.positions SET complete_to = now() - interval '11 minutes'")
    job = shop.job()
    said = {a.shard: a.message for a in judge(job, {"orders": job.view}).alarms if a.kind == "late"}
    assert said["shop_00"] == "shop_00 is staler than 10m"
    assert said["shop_01"].startswith("shop_01 is staler than 10m; its last run failed: shop_01")


def test_a_run_that_was_due_and_never_began(shop: World) -> None:
    later = datetime.now(UTC) + timedelta(minutes=16)
    assert ("", "not started") not in found(shop)
    assert ("", "not started") in found(shop, later)
    shop.warehouse("UPDATE shardlake.runs SET ended_at = now() + interval '12 minutes'")  # one that was due before took its time
    assert ("", "not started") not in found(shop, later)
    shop.warehouse("UPDATE shardlake.runs SET ended_at = NULL, state = 'running', started_at = now() - interval '7 hours'")
    assert ("", "not started") in found(shop, later)  # a killed one


def killed(w: World, when: datetime) -> UUID:
    """A run that began then and has no end."""
    run_id = uuid4()
    w.ledger("INSERT INTO shardlake.runs (run_id, view, started_at) VALUES (%s, 'orders', %s)", run_id, when)
    return run_id


def test_a_run_that_was_killed_is_an_alarm_of_its_own_unless_one_is_under_way_or_has_ended_well_since(shop: World) -> None:
    later, job = datetime.now(UTC) + timedelta(minutes=30), shop.job()
    due = job.view.schedule[0].last_due("orders", later - timedelta(minutes=5))
    run_id = killed(shop, due + timedelta(seconds=1))
    assert found(shop, later) & VIEW == {("", "broken off")}
    with Claims(job.ledger, job.feed, run_id) as claims:  # it was slow, and lives
        assert claims.claim(["shop_00"], 1) == {}
        assert found(shop, later) & VIEW == set()
    assert found(shop, later) & VIEW == {("", "broken off")}
    with Claims(job.ledger, job.feed, uuid4()) as claims:  # another's claim does not make it live
        assert claims.claim(["shop_00"], 1) == {}
        assert found(shop, later) & VIEW == {("", "broken off")}
    shop.ledger("UPDATE shardlake.runs SET state = 'completed', ended_at = %s WHERE run_id = %s", due + timedelta(minutes=1), run_id)
    assert found(shop, later) & VIEW == set()


def test_what_was_killed_before_the_last_run_was_due_did_not_start_that_one(shop: World) -> None:
    later = datetime.now(UTC) + timedelta(minutes=30)
    killed(shop, later - timedelta(minutes=20))
    assert found(shop, later) & VIEW == {("", "not started")}


@pytest.mark.parametrize(("schedule", "quiet", "told"), [("every 5m", 4, 6), ("every 1d", 14, 16)])
def test_a_shard_that_fails_is_told_of_within_a_period_and_after_a_quarter_of_an_hour_at_most(
    shop: World, schedule: str, quiet: int, told: int
) -> None:
    shop.view |= {"schedule": schedule, "freshness": "3d"}
    shop.ledger("UPDATE shardlake.run_shards SET ended_at = ended_at - interval '1 day'")
    shop.on("shop_01", "DROP TABLE orders")
    assert not shop.sync().ok
    for minutes, alarmed in ((quiet, set()), (told, {("shop_01", "failed")})):
        shop.ledger("UPDATE shardlake.run_shards SET ended_at = now() - interval '1 minute' * %s WHERE state = 'failed'", minutes)
        job = shop.job()
        judged = judge(job, {"orders": job.view})
        assert {(a.shard, a.kind) for a in judged.alarms} - VIEW == alarmed
        assert [(w.shard, w.kind) for w in judged.wrong if w.shard] == [("shop_01", "failed")]  # shown at once
        assert (judged.ok, judged.lines[0].shard) == (False, "shop_01")  # the worst first
    assert not shop.sync().ok  # it fails since then, not since a moment ago
    job = shop.job()
    assert ("shop_01", "failed") in {(a.shard, a.kind) for a in judge(job, {"orders": job.view}).alarms}


def test_shards_that_never_arrived_are_not_among_the_fresh(shop: World) -> None:
    job = shop.job()
    assert judge(job, {"orders": job.view}).headline() == "all 2 shards of 1 view are fresh"
    for name in ("shop_02", "shop_03"):
        shop.shards.append(name)
        shop.create_shard(name)
    job = shop.job()
    judged = judge(job, {"orders": job.view})
    assert (judged.ok, judged.headline()) == (False, "2 of 4 shards of 1 view are fresh, 2 never arrived")
    assert [line.shard for line in judged.lines] == ["shop_02", "shop_03", "shop_00", "shop_01"]
    shop.ledger("UPDATE shardlake.watched SET since = now()")
    judged = judge(job, {"orders": job.view})
    assert (judged.ok, judged.headline()) == (True, "2 of 4 shards of 1 view are fresh, 2 not arrived yet")


def test_without_a_freshness_the_promise_is_twice_the_period(world: WorldMaker) -> None:
    w = world(["shop_00"], view=orders_view(schedule="every 1h"))
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (1, 'new', 1, '2026-01-01', NULL)")
    w.must_sync()
    w.warehouse("UPDATE shardlake.positions SET complete_to = now() - interval '119 minutes'")
    assert ("shop_00", "late") not in found(w)
    w.warehouse("UPDATE shardlake.positions SET complete_to = now() - interval '121 minutes'")
    assert ("shop_00", "late") in found(w)


GHOST = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def past(shop: World) -> Iterator[World]:
    """The same, with what really ran put back by six hours, and room for windows that never were."""
    shop.warehouse("UPDATE shardlake.sink_windows SET applied_at = now() - interval '6 hours'")
    yield shop
    shop.warehouse(f"DELETE FROM shardlake.windows WHERE run_id = '{GHOST}'")


def history(w: World, shard: str, ages: list[float], **counts: int) -> None:
    """Merged windows, as many hours ago; each with a changed row, or the counts given."""
    given: dict[str, Any] = {"raw_rows": 100, "shaped": 100, "shape_rejected": 0, "view_rows": 100, "merged": 100, "rejected": 0, **counts}
    for age in ages:
        w.warehouse(
            "WITH w AS (INSERT INTO shardlake.windows (run_id, feed, partition, status, plan, end_position, version_kind, opened_at, raw_rows)"
            f" VALUES ('{GHOST}', 'orders', '{shard}', 'read', '{{}}', '{{}}', 'datetime', now(), {given['raw_rows']}) RETURNING window_id)"
            f" INSERT INTO shardlake.sink_windows (view, sink, window_id, applied_at, unchanged, superseded, removed, {', '.join(given)})"
            f" SELECT 'orders', 'warehouse', window_id, now() - interval '1 hour' * {age}, 0, 0, 0, {', '.join(map(str, given.values()))} FROM w"
        )


def test_a_shard_that_always_had_changes_and_has_none_any_more(past: World) -> None:
    history(past, "shop_00", [6 + n / 2 for n in range(30)])  # every half hour, until six hours ago
    history(past, "shop_01", [6 + n * 3 for n in range(30)])  # every three hours: six are nothing odd
    assert found(past) == {("shop_00", "silent")}


def test_a_rate_of_rejects_that_jumped(past: World) -> None:
    history(past, "shop_00", [30 + n for n in range(30)], rejected=0)
    history(past, "shop_01", [30 + n for n in range(30)], rejected=30, merged=70)
    history(past, "shop_00", [1, 2], rejected=20, merged=80)
    history(past, "shop_01", [1, 2], rejected=30, merged=70)
    assert found(past) == {("shop_00", "rejects")}


def test_a_backfill_is_no_news_and_no_rate(past: World) -> None:
    """What is read again says nothing of whether the shard still comes."""
    history(past, "shop_00", [6 + n / 2 for n in range(30)])
    history(past, "shop_00", [0.1], rejected=50, merged=50)
    backfill = past.warehouse(
        "INSERT INTO shardlake.backfills (backfill_id, view, kind, lower_bound, upper_bound, step, shards)"
        " VALUES (gen_random_uuid(), 'orders', 'datetime', 'a', 'b', '1d', '{shop_00}') RETURNING backfill_id"
    )[0][0]
    past.warehouse(f"INSERT INTO shardlake.backfill_slices VALUES ('{backfill}', 0, 'shop_00', 'a', 'b')")
    past.warehouse(
        f"UPDATE shardlake.windows w SET backfill_id = '{backfill}', slice = 0 FROM shardlake.sink_windows s"
        f" WHERE s.window_id = w.window_id AND run_id = '{GHOST}' AND applied_at > now() - interval '1 hour'"
    )
    assert found(past) == {("shop_00", "silent")}


def test_an_alarm_is_new_once_and_over_once(shop: World) -> None:
    late = Alarm("orders", "shop_01", "late", "shop_01 is staler than 10m")
    job = shop.job()
    with job.ledger.connection() as connection:
        assert record(connection, ["orders"], [], [late]) == ([late], [])
        assert untold(connection) == ([late], [])  # until somebody was told
        assert untold(connection) == ([late], [])
        told(connection, [late], [])
        later = replace(late, message="shop_01 is staler than 20m")
        assert record(connection, ["orders"], [], [later]) == ([], [])
        record(connection, ["other"], ["orders"], [])
        assert untold(connection) == ([], [])
        late = later
        assert record(connection, ["orders"], [], []) == ([], [late])
        assert untold(connection) == ([], [late])
        told(connection, [], [late])
        assert untold(connection) == ([], [])
        record(connection, ["orders"], [], [late])
        assert untold(connection) == ([late], [])
    assert [row[0] for row in shop.warehouse("SELECT ended_at IS NULL FROM shardlake.alarms ORDER BY alarm_id")] == [False, True]


def test_only_a_run_of_every_shard_makes_those_before_it_superfluous(shop: World) -> None:
    before = datetime.now(UTC)
    for shard in ("shop_01", "shop_01", "shop_00"):  # of none of them it was said that the view has arrived
        assert shop.sync(shards=[shard]).ok
    with shop.job().ledger.connection() as connection:
        assert not completed_since(connection, "orders", 2, before)
    shop.must_sync()
    with shop.job().ledger.connection() as connection:
        assert completed_since(connection, "orders", 2, before)
        assert not completed_since(connection, "orders", 2, datetime.now(UTC))


def test_a_view_that_could_not_be_asked_keeps_its_alarms_and_one_that_is_gone_has_none(shop: World) -> None:
    late, unknown = Alarm("orders", "shop_01", "late", "late"), Alarm("orders", "", "unknown", "no secret")
    gone = Alarm("removed", "shop_00", "late", "late")

    def open_now() -> list[tuple[str, str]]:
        return shop.warehouse("SELECT view, kind FROM shardlake.alarms WHERE ended_at IS NULL ORDER BY view, kind")

    with shop.job().ledger.connection() as connection:
        record(connection, ["orders", "removed", "other"], [], [late, gone])
        record(connection, ["other"], ["orders", "removed"], [unknown])
        assert open_now() == [("orders", "late"), ("orders", "unknown"), ("removed", "late")]
        record(connection, ["orders", "other"], [], [late])
        assert open_now() == [("orders", "late"), ("removed", "late")]
        record(connection, ["orders", "other"], [], [late], whole=True)
        assert open_now() == [("orders", "late")]


@pytest.mark.parametrize(("minutes", "text"), [(5, "5m"), (90, "90m"), (120, "2h"), (2880, "2d")])
def test_spans_are_written_as_people_write_them(minutes: int, text: str) -> None:
    assert short(timedelta(minutes=minutes)) == text
