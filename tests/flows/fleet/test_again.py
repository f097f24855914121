"""Which runs that crashed nothing has made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import State

from flows.fleet.again import Crash, found

NOW = datetime.now(UTC)
DEPLOYMENT = uuid4()


def run(state: StateType, minute: int, *, began: int | None = None, name: str | None = None, message: str = "", **other: Any) -> FlowRun:
    """A run of orders that was due some minutes from now, and began when it was due, unless it waits."""
    due = NOW + timedelta(minutes=minute)
    start = None if state == StateType.SCHEDULED else NOW + timedelta(minutes=minute if began is None else began)
    given: dict[str, Any] = {"parameters": {"view": "orders"}, "auto_scheduled": True, "tags": [], **other}
    return FlowRun(
        flow_id=uuid4(), deployment_id=DEPLOYMENT, name=f"at {minute}", state=State(type=state, name=name, message=message), state_type=state,
        expected_start_time=due, start_time=start, end_time=NOW, **given,
    )  # fmt: skip


class Kept:
    """Runs of a server, by their state or their deployment."""

    def __init__(self, entrypoint: str, *runs: FlowRun) -> None:
        self.runs, self.entrypoint = runs, entrypoint

    def where(self, **filters: Any) -> list[FlowRun]:
        kinds = filters.get("state", {"type": {"any_": list(StateType)}})["type"]["any_"]
        return [r for r in self.runs if r.state_type in kinds]

    def deployments(self, ids: Any) -> dict[UUID, DeploymentResponse]:
        return {key: DeploymentResponse(id=key, name="orders", flow_id=uuid4(), entrypoint=self.entrypoint) for key in set(ids)}


def crashes(*runs: FlowRun, arrived: bool = False, entrypoint: str = "flows.sync_view.sync_view") -> list[Crash]:
    kept: Any = Kept(entrypoint, *runs)
    return found(kept, lambda _views, _since: arrived)


LOST = run(StateType.CRASHED, -60)


@pytest.mark.parametrize(
    ("others", "waits"),
    [
        ([], True),
        ([run(StateType.COMPLETED, -30)], False),
        ([run(StateType.FAILED, -30)], False),
        ([run(StateType.COMPLETED, -90)], True),
        ([run(StateType.COMPLETED, -90, began=-50)], False),  # late, and so after the one that crashed was due
        ([run(StateType.CANCELLED, -30)], True),
        ([run(StateType.COMPLETED, -30, parameters={"view": "orders", "shards": ["shop_00"]})], True),
        ([run(StateType.COMPLETED, -30, parameters={"view": "orders", "full": True})], False),
    ],
)
def test_a_later_run_that_ended_by_itself_and_did_as_much_makes_up_for_it(others: list[FlowRun], waits: bool) -> None:
    assert [c.run.id for c in crashes(LOST, *others)] == ([LOST.id] if waits else [])


@pytest.mark.parametrize(
    ("other", "under_way"),
    [
        (run(StateType.SCHEDULED, 24 * 60), False),  # tests of a morning's length are behind this moment
        (run(StateType.SCHEDULED, -1), True),
        (run(StateType.PENDING, -1), True),
        (run(StateType.RUNNING, -1), True),
    ],
)
def test_one_that_goes_on_or_is_due_is_waited_for(other: FlowRun, under_way: bool) -> None:
    (crash,) = crashes(LOST, other)
    assert (crash.under_way, crash.returns) == (under_way, True)


def test_of_several_that_crashed_the_newest_waits_and_one_in_its_place_is_not_begun_again_unasked() -> None:
    later = run(StateType.CRASHED, -30)
    assert [c.run.id for c in crashes(LOST, later)] == [later.id]
    again = run(StateType.CRASHED, -20, tags=["rerun"], auto_scheduled=False, idempotency_key=f"rerun-{later.id}-0")
    (crash,) = crashes(LOST, later, again)
    assert (crash.run.id, crash.returns, crash.key) == (again.id, False, f"rerun-{again.id}-0")
    left_out = run(StateType.CANCELLED, -20, tags=["rerun"], idempotency_key=f"rerun-{later.id}-0")
    (crash,) = crashes(LOST, later, left_out)
    assert (crash.run.id, crash.returns, crash.key) == (later.id, False, f"rerun-{later.id}-1")


def test_late_runs_that_crashed_in_another_order_leave_one() -> None:
    """Each began after the other was due."""
    first, second = run(StateType.CRASHED, -60, began=-40), run(StateType.CRASHED, -45, began=-38)
    assert [c.run.id for c in crashes(first, second)] == [second.id]


def test_what_the_ledger_knows_counts_for_views_and_not_for_a_backfill() -> None:
    assert crashes(LOST, arrived=True) == []
    range_again = run(StateType.CRASHED, -60, auto_scheduled=False, parameters={"view": "orders", "start": "1", "end": "2"})
    (crash,) = crashes(range_again, arrived=True, entrypoint="flows.backfill.backfill")
    assert crash.returns


def test_runs_by_hand_and_flows_of_others_do_not_come_back_by_themselves() -> None:
    (by_hand,) = crashes(run(StateType.CRASHED, -60, auto_scheduled=False))
    (of_others,) = crashes(LOST, entrypoint="examples.refresh_users.flow.refresh_users")
    assert [by_hand.returns, of_others.returns] == [False, False]
    assert crashes(LOST, entrypoint="flows.check_freshness.check_freshness") == []
    assert crashes(run(StateType.CRASHED, -60, parent_task_run_id=uuid4())) == []  # of a view that fans out


def test_a_run_whose_slot_was_forgotten_by_the_server_was_lost_and_one_that_was_left_out_was_not() -> None:
    forgotten = run(StateType.CANCELLED, -60, message="Deployment concurrency slot lost during provisioning - no slots available")
    assert [c.run.id for c in crashes(forgotten)] == [forgotten.id]
    assert crashes(run(StateType.CANCELLED, -60, message="Deployment concurrency limit reached.")) == []


def test_a_message_of_check_freshness_is_shown_without_its_name() -> None:
    lost = run(StateType.CRASHED, -60, message="check-freshness: never started: no container")
    assert [c.message for c in crashes(lost)] == ["never started: no container"]
