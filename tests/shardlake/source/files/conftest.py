"""Worlds of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded.postgres import Postgres
from tests.audit import audit
from tests.landing import DMS, Landing, LandingMaker


@pytest.fixture
def landing(postgres: Postgres, tmp_path: Path) -> Iterator[LandingMaker]:
    """Make a world of files: `landing(view=view_of({"format": "csv"}))`. Its books are audited when the test ends."""
    made: list[Landing] = []

    def make(**options: Any) -> Landing:
        made.append(Landing(postgres, postgres, tmp_path, [], **{"view": DMS, **options}))
        return made[-1]

    yield make
    for w in made:
        w.close()
        audit(w)
