"""A server that speaks MongoDB's protocol, and worlds on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded.postgres import Postgres
from embedded.secantusdb import SecantusDB
from tests.audit import audit
from tests.collections_world import Collections, CollectionsMaker


@pytest.fixture
def collections(secantusdb: SecantusDB, postgres: Postgres, tmp_path: Path) -> Iterator[CollectionsMaker]:
    """Make a world of collections; its books are audited when the test ends."""
    made: list[Collections] = []

    def make(server: SecantusDB | None = None, **options: Any) -> Collections:
        made.append(Collections.on(server or secantusdb, postgres, tmp_path, **options))
        return made[-1]

    yield make
    for w in made:
        w.close()
        audit(w)
