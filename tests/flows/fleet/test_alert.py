"""Who is told of an alarm, and what becomes of one that nobody took: notification blocks on a real Prefect server, and a real ledger."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock, MattermostWebhook
from pydantic import SecretStr

from embedded.listener import Listener
from embedded.loopback import free_port
from flows.fleet import alert
from shardlake.ledger.alarms import Alarm
from tasks.freshness import Told
from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, World, WorldMaker

LATE = Alarm("orders", "shop_00", "late", "shop_00 is staler than 10m")
TEAM, REFUSED = "custom-webhook/team", "mattermost-webhook/refused"


def lines(w: World) -> list[tuple[bool, bool, bool]]:
    """Of each alarm whether it is told, over, and told to be over."""
    return w.warehouse("SELECT told_at IS NOT NULL, ended_at IS NOT NULL, end_told_at IS NOT NULL FROM shardlake.alarms ORDER BY alarm_id")


def test_what_a_block_did_not_take_is_told_by_the_next_check_and_raised_once(
    world: WorldMaker, prefect_api: PrefectApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(["shop_00"])
    w.on_all(ORDERS_TABLE)
    w.must_sync()
    raised: list[tuple[str, str]] = []
    monkeypatch.setattr(alert, "emit_event", lambda event, **what: raised.append((event, what["payload"]["kind"])))

    def tell(alarms: list[Alarm], *blocks: str) -> list[str]:
        return alert.tell(Told(["orders"], uuid4()), alarms, set(), list(blocks), whole=True, unknown=set())

    with prefect_api.here(w), Listener().listening() as listener:
        text: Any = {"text": "{{subject}}: {{body}}"}
        CustomWebhookNotificationBlock(name="team", url=listener.url, json_data=text).save("team", overwrite=True)  # type: ignore[unused-coroutine]
        gone = MattermostWebhook(hostname="127.0.0.1", port=free_port(), token=SecretStr("a" * 26))
        gone.save("refused", overwrite=True)  # type: ignore[unused-coroutine]

        assert tell([LATE]) == []
        assert (lines(w), listener.heard) == ([(False, False, False)], [])  # nobody was told: who comes later is
        assert tell([LATE], TEAM, REFUSED) == [f"{REFUSED} could not be told (NotificationError)"]
        assert lines(w) == [(False, False, False)]
        assert tell([LATE], TEAM) == []
        assert (lines(w), len(listener.heard)) == ([(True, False, False)], 2)
        assert tell([], REFUSED) == [f"{REFUSED} could not be told (NotificationError)"]
        assert tell([], TEAM) == []
        assert lines(w) == [(True, True, True)]
        assert "over: shop_00 is staler than 10m" in listener.heard[-1][1]
    assert raised == [("shardlake.alarm.raised", "late"), ("shardlake.alarm.ended", "late")]
