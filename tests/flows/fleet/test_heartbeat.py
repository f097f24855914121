"""The sign of life: a Webhook block on a real Prefect server, and a listener at its address."""

from __future__ import annotations

from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.webhook import Webhook
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from embedded.listener import Listener
from embedded.loopback import free_port
from flows.fleet.heartbeat import beat
from tests.prefect_api import PrefectApi

CANARY = "canary-of-the-heartbeat"


def test_a_sign_of_life_is_given_and_what_keeps_it_from_arriving_is_said_without_the_address(prefect_api: PrefectApi) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_api.server.api_url}), Listener().listening() as listener:
        Webhook(url=SecretStr(f"{listener.url}/{CANARY}")).save("beat", overwrite=True)
        Webhook(url=SecretStr(f"http://127.0.0.1:{free_port()}/{CANARY}")).save("gone", overwrite=True)
        SlackWebhook(url=SecretStr(f"https://hooks.example/{CANARY}")).save("beat", overwrite=True)
        assert beat(None) == []
        assert beat("webhook/beat") == []
        assert listener.heard == [(f"/{CANARY}", "")]
        listener.answer = 503
        assert beat("webhook/beat") == ["webhook/beat took no sign of life (HTTP 503)"]
        assert len(listener.heard) == 3
        assert beat("webhook/gone") == ["webhook/gone took no sign of life (ConnectError)"]
        assert beat("webhook/nobody") == ["webhook/nobody took no sign of life (ValueError)"]
        assert beat("slack-webhook/beat") == ["slack-webhook/beat is no webhook block: no sign of life was given"]
