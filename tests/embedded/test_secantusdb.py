"""SecantusDB as the tests start it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pymongo.errors import OperationFailure

from embedded.machine import Machine
from embedded.secantusdb import obtain_secantusdb

OWN = Machine(environ={"PATH": os.environ["PATH"]})


def test_it_gives_back_its_documents_also_after_a_kill_and_asks_for_its_password(tmp_path: Path) -> None:
    with obtain_secantusdb(tmp_path, durable=True, machine=OWN) as server:
        server.client()["shop"]["orders"].insert_one({"_id": 1, "note": "🚚"})
        server.kill()
        server.start()
        with server.client() as client:
            assert client["shop"]["orders"].find_one() == {"_id": 1, "note": "🚚"}
        with server.client(password="wrong") as client, pytest.raises(OperationFailure):
            client["shop"]["orders"].find_one()
    assert not server.running


def test_a_url_goes_before_it() -> None:
    found = obtain_secantusdb(Path("nowhere"), machine=Machine(environ={"SHARDLAKE_TEST_MONGODB_URL": "mongodb://u:p%40@db:1"}))
    assert (found.host, found.port, found.user, found.password, found.owned) == ("db", 1, "u", "p@", False)
