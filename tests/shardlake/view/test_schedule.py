"""Schedules: what an analyst may write, when it was last due, and how starts are spread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardlake.view.schedule import EPOCH, Cron, Every, parse_schedules


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("every 15m", [Every(timedelta(minutes=15))]),
        ("every 1d", [Every(timedelta(days=1))]),
        ("0 6 * * 1-5 Europe/Berlin", [Cron("0 6 * * 1-5", "Europe/Berlin")]),
        ("*/20 * * * *", [Cron("*/20 * * * *", "UTC")]),
        ({"cron": "H 3 * * *", "timezone": "Asia/Tokyo"}, [Cron("H 3 * * *", "Asia/Tokyo")]),
        (["every 2h", "30 4 * * 0"], [Every(timedelta(hours=2)), Cron("30 4 * * 0", "UTC")]),
    ],
)
def test_what_may_be_written(text: Any, found: list[Any]) -> None:
    assert list(parse_schedules(text)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("every 5s", "a minute at least and 31 days at most"),
        ("every 40d", "a minute at least and 31 days at most"),
        ("every day", "'day' is not a duration; write 30s, 5m, 2h or 1d"),
        ("hourly", "is no schedule; write `every 15m`, or five cron fields"),
        ("H/15 * * * *", "is no cron expression (Bad minute)"),
        ("0 25 * * *", "is no cron expression (Bad hour)"),
        ("0 6 31 2 *", "is no cron expression"),
        ("0 6 * * * Mars/Olympus", "'Mars/Olympus' is not a time zone; it reads like Europe/Berlin"),
        ({"cron": "0 6 * * *", "tz": "UTC"}, "is no schedule"),
        (["every 1h", "every 60m"], "the same schedule stands twice"),
    ],
)
def test_what_may_not_be_written_is_said_plainly(text: Any, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_schedules(text)
    assert message in str(refused.value)


def test_a_cron_expression_is_due_in_its_own_zone_through_summer_time() -> None:
    daily = Cron("30 2 * * *", "Europe/Berlin")
    assert daily.last_due("x", at("2026-01-10T12:00")) == at("2026-01-10T01:30")
    assert daily.last_due("x", at("2026-07-10T12:00")) == at("2026-07-10T00:30")
    assert daily.last_due("x", at("2026-01-10T01:30")) == at("2026-01-10T01:30")
    assert daily.last_due("x", at("2026-01-10T01:29")) == at("2026-01-09T01:30")


@given(name=st.text(min_size=1, max_size=20), minutes=st.integers(1, 44_640), seconds=st.integers(0, 10**8))
def test_an_interval_was_due_less_than_an_interval_ago_and_always_at_the_same_beat(name: str, minutes: int, seconds: int) -> None:
    every = Every(timedelta(minutes=minutes))
    now = EPOCH + timedelta(days=40, seconds=seconds)
    due = every.last_due(name, now)
    assert timedelta(0) <= now - due < every.interval
    assert (due - every.anchor(name)) % every.interval == timedelta(0)
    assert timedelta(0) <= every.anchor(name) - EPOCH < min(every.interval, timedelta(hours=1))


def test_a_hundred_and_twenty_views_do_not_start_in_the_same_minute() -> None:
    minutes = [Every(timedelta(minutes=15)).anchor(f"view_{n}").minute for n in range(120)]
    assert max(minutes.count(m) for m in range(15)) <= 20
    crons = [Cron("H 6 * * *").fields(f"view_{n}").split()[0] for n in range(120)]
    assert len(set(crons)) > 40
