"""refresh-users against a local HTTP server that throttles, fails for some, and is slow."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from examples.refresh_users import refresh
from examples.refresh_users.flow import refresh_users
from tests.prefect_api import PrefectApi, traces
from tests.world import World, WorldMaker

TOKEN = "the-providers-token-9f31"
ROWS = "SELECT user_id, document ->> 'name' FROM analytics.users ORDER BY user_id::int"


@dataclass
class FakeProvider:
    """A provider of users, by name `user <id>`. `trouble` says what an id gets in place of its document: a status, a text, seconds."""

    url: str = ""
    trouble: dict[str, Any] = field(default_factory=dict)
    throttled: list[str] = field(default_factory=list)
    """Values of Retry-After, each sent once with a 429."""
    seconds: float = 0.0
    asked: list[tuple[float, str, str]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def times(self) -> Counter[str]:
        return Counter(id for _, id, _ in self.asked)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    fake = FakeProvider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            id = self.path.rpartition("/")[2]
            with fake.lock:
                fake.asked.append((time.monotonic(), id, self.headers.get("Authorization", "")))
                fake.under_way += 1
                fake.most = max(fake.most, fake.under_way)
                wanted = fake.throttled.pop(0) if fake.throttled else None
            time.sleep(fake.seconds)
            found = fake.trouble.get(id)
            if isinstance(found, float):
                time.sleep(found)
            status = 429 if wanted is not None else found if isinstance(found, int) else 200
            body = (found if isinstance(found, str) else json.dumps({"id": id, "name": f"user {id}"})).encode()
            with fake.lock:
                fake.under_way -= 1
            self.send_response(status)
            if wanted is not None:
                self.send_header("Retry-After", wanted)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_port}/users/{{id}}"
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def w(world: WorldMaker, monkeypatch: pytest.MonkeyPatch) -> World:
    """A warehouse with twenty customers, and the token in the environment."""
    monkeypatch.setenv("PROVIDER_TOKEN", TOKEN)
    w = world(["shop_00"])
    w.warehouse("CREATE SCHEMA analytics")
    w.warehouse("CREATE TABLE analytics.orders AS SELECT n AS id, (n % 20) + 1 AS customer FROM generate_series(1, 100) n")
    return w


def settings(w: World, fake: FakeProvider, **options: Any) -> Path:
    """The example's file, as it stands beside prefect.yaml."""
    given = {"users": "SELECT customer FROM analytics.orders", "provider": fake.url, "token": "${PROVIDER_TOKEN}", "per_second": 500.0}
    file = w.folder / "refresh_users.yaml"
    file.write_text(yaml.safe_dump(given | options))
    return file


def run(prefect_api: PrefectApi, w: World, fake: FakeProvider, **options: Any) -> Any:
    file = settings(w, fake, **options)
    with prefect_api.here(w), patch.dict("os.environ", {"SHARDLAKE_PROJECT": str(file.with_name("prefect.yaml"))}):
        return refresh_users(return_state=True)


def test_every_user_arrives_once_and_a_rerun_asks_only_for_those_that_are_not_fresh(
    w: World, prefect_api: PrefectApi, provider: FakeProvider
) -> None:
    state = run(prefect_api, w, provider)
    assert (state.type.value, state.message) == ("COMPLETED", "20 of 20 users refreshed")
    assert w.warehouse(ROWS) == [(str(n), f"user {n}") for n in range(1, 21)]
    assert set(provider.times().values()) == {1}
    assert {token for _, _, token in provider.asked} == {f"Bearer {TOKEN}"}
    provider.asked.clear()
    assert run(prefect_api, w, provider).message == "every user is fresh"
    assert provider.asked == []
    w.warehouse("UPDATE analytics.users SET refreshed_at = now() - interval '2 hours', document = '{}' WHERE user_id IN ('3', '4')")
    assert run(prefect_api, w, provider, fresh_for="1h").message == "2 of 2 users refreshed"
    assert sorted(provider.times()) == ["3", "4"]
    assert w.warehouse(ROWS)[2] == ("3", "user 3")


def test_ids_may_be_a_tables_and_are_quoted_in_the_url(w: World, prefect_api: PrefectApi, provider: FakeProvider) -> None:
    w.warehouse("CREATE TABLE analytics.people (user_id text)")
    w.warehouse("INSERT INTO analytics.people VALUES ('a b/../c?d=1'), (NULL), ('50%')")
    assert run(prefect_api, w, provider, users="analytics.people").message == "2 of 2 users refreshed"
    assert sorted(provider.times()) == ["50%25", "a%20b%2F..%2Fc%3Fd%3D1"]
    assert w.warehouse("SELECT user_id FROM analytics.users ORDER BY 1") == [("50%",), ("a b/../c?d=1",)]


@pytest.mark.parametrize("after", ["1", "date"])
def test_a_provider_that_throttles_is_left_alone_for_as_long_as_it_says(
    w: World, prefect_api: PrefectApi, provider: FakeProvider, after: str
) -> None:
    due = int(time.time()) + 4
    provider.throttled = ["1" if after == "1" else formatdate(due, usegmt=True)]
    state = run(prefect_api, w, provider, at_once=1)
    assert state.message == "20 of 20 users refreshed"
    first, second = (at for at, _, _ in provider.asked[:2])
    assert second >= (first + 1 if after == "1" else due + time.monotonic() - time.time()) - 0.05
    assert len(provider.asked) == 21


def test_the_file_to_copy_says_what_holds_where_its_keys_are_left_out(tmp_path: Path) -> None:
    given = Path(refresh.__file__).with_name("refresh_users.yaml")
    whole = tmp_path / "whole.yaml"
    whole.write_text(re.sub(r"^# (?=[a-z_]+: )", "", given.read_text(), flags=re.MULTILINE))
    assert refresh.read_refresh(whole) == refresh.read_refresh(given)
    assert set(yaml.safe_load(whole.read_text())) == set(refresh.Refresh.model_fields)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, prefect_api: PrefectApi, w: World) -> None:
    with prefect_api.here(w), patch.dict("os.environ", {"SHARDLAKE_PROJECT": str(tmp_path / "elsewhere" / "prefect.yaml")}):
        state = refresh_users(return_state=True)
    assert (state.type.value, "refresh_users.yaml: No such file" in state.message) == ("FAILED", True), state.message


def test_requests_keep_to_the_rate_and_to_how_many_may_be_under_way(w: World, prefect_api: PrefectApi, provider: FakeProvider) -> None:
    provider.seconds = 0.3
    assert run(prefect_api, w, provider, at_once=3).message == "20 of 20 users refreshed"
    assert provider.most == 3
    w.warehouse("DELETE FROM analytics.users")
    provider.seconds, provider.asked = 0.0, []
    assert run(prefect_api, w, provider, per_second=10.0).message == "20 of 20 users refreshed"
    at = [when for when, _, _ in provider.asked]
    assert 1.8 <= at[-1] - at[0] < 4  # 19 gaps of a tenth
    assert max(sum(start <= when < start + 1 for when in at) for start in at) <= 11


def test_users_that_fail_are_named_with_the_reason_and_asked_for_again_by_the_next_run(
    w: World, prefect_api: PrefectApi, provider: FakeProvider
) -> None:
    nul = '{"name": "\\u0000"}'
    provider.trouble = {"2": 500, "3": 404, "4": 1.5, "5": "no json", "6": "[1]", "7": nul, "8": 302}
    state = run(prefect_api, w, provider, tolerated=0.5, timeout="0.5s", at_once=8)
    reasons = {
        "2": "HTTP 500, 5 times", "3": "HTTP 404", "4": "no answer in time, 5 times", "5": "an answer that is no JSON",
        "6": "an answer that is no JSON object", "7": "Postgres refuses the answer: unsupported Unicode escape sequence", "8": "HTTP 302",
    }  # fmt: skip
    assert state.type.value == "COMPLETED"
    assert state.message == "13 of 20 users refreshed; 7 failed: " + ", ".join(f"{id} ({why})" for id, why in reasons.items())
    assert provider.times()["2"] == provider.times()["4"] == 5
    assert provider.times()["3"] == provider.times()["8"] == 1
    artifact = prefect_api.artifacts(str(state.state_details.flow_run_id))["refresh-users-failed"]
    assert {row["user"]: row["reason"] for row in yaml.safe_load(artifact["data"])} == reasons
    assert len(w.warehouse(ROWS)) == 13
    provider.trouble, provider.asked = {"3": 404}, []
    state = run(prefect_api, w, provider)
    assert (state.type.value, state.message) == ("FAILED", "6 of 7 users refreshed; 1 failed: 3 (HTTP 404)")  # more than a hundredth
    assert sorted(provider.times()) == ["2", "3", "4", "5", "6", "7", "8"]


def test_what_has_come_stays_where_a_run_is_broken_off(w: World, prefect_api: PrefectApi, provider: FakeProvider) -> None:
    from shardlake.connection.postgres import PostgresWarehouse
    from shardlake.errors import AccessRefused
    from shardlake.ledger.database import open_warehouse

    provider.trouble = {"9": 401}
    spec = refresh.read_refresh(settings(w, provider, at_once=1, batch=5))
    connection = w.connect("postgres-warehouse/main")
    assert isinstance(connection, PostgresWarehouse)
    with pytest.raises(AccessRefused, match="the provider refused the token"):
        refresh.refresh(open_warehouse(connection), spec)
    assert w.warehouse("SELECT count(*) FROM analytics.users") == [(15,)]  # '9' sorts last of the texts
    provider.trouble, provider.asked = {}, []
    assert refresh.refresh(open_warehouse(connection), spec).headline() == "5 of 5 users refreshed"


def test_a_provider_that_cannot_be_reached_or_refuses_the_token_fails_the_run_and_no_token_shows(
    w: World, prefect_api: PrefectApi, provider: FakeProvider
) -> None:
    provider.trouble = {str(n): 401 for n in range(1, 21)}
    state = run(prefect_api, w, provider, at_once=2)
    assert state.type.value == "FAILED"
    assert state.message == "the provider refused the token (HTTP 401). Check the reference `token` and the secret behind it."
    assert len(provider.asked) <= 6
    gone = run(prefect_api, w, provider, users="SELECT 1", provider="http://127.0.0.1:1/{id}")
    assert (gone.type.value, gone.message) == ("FAILED", "0 of 1 users refreshed; 1 failed: 1 (cannot be reached (ConnectError), 5 times)")
    kept = prefect_api.everything()
    assert "the provider refused the token" in kept
    for hidden in (TOKEN, "${PROVIDER_TOKEN}", provider.url, "SELECT customer"):
        assert traces(hidden, kept) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"token": "plain-" + TOKEN}, "token: the token is given by reference"),
        ({"token": "${NOT_SET_ANYWHERE}"}, "token: ${NOT_SET_ANYWHERE} is not set"),
        ({"users": "DELETE FROM analytics.orders"}, "users: 'DELETE FROM analytics.orders' is neither schema.table"),
        ({"users": "SELECT nothing FROM analytics.orders"}, "users: Postgres refuses it"),
        ({"users": "SELECT 1; DROP TABLE analytics.orders"}, "users: Postgres refuses it"),
        ({"provider": "http://provider.example/{id}"}, "provider: "),
        ({"provider": "https://me:secret-pw@provider.example/{id}"}, "provider: the URL holds a user or a password"),
        ({"table": "shardlake.windows"}, "table: 'shardlake.windows' must read schema.table"),
        ({"fresh_for": "often"}, "fresh_for: 'often' is not a duration"),
        ({"per_second": 0.0}, "per_second"),
    ],
)
def test_what_cannot_be_is_refused_before_anybody_is_asked(
    w: World, prefect_api: PrefectApi, provider: FakeProvider, options: dict[str, Any], said: str
) -> None:
    state = run(prefect_api, w, provider, **options)
    assert state.type.value == "FAILED"
    assert said in state.message
    assert TOKEN not in state.message
    assert "secret-pw" not in state.message
    assert provider.asked == []
    assert w.warehouse("SELECT count(*) FROM analytics.orders") == [(100,)]
