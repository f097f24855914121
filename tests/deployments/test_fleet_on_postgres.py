"""The same fleet with Prefect's own database on Postgres, as a shared server has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from embedded.postgres import Postgres
from tests.deployments.test_fleet import (
    test_a_schedule_fires,
    test_a_view_runs_after_another,
    test_an_ad_hoc_run_by_prefects_own_command,
    test_no_secret_is_in_anything_that_was_deployed,
    test_two_runs_at_once,
)
from tests.fleet import Fleet, fleet

__all__ = [
    "test_a_schedule_fires",
    "test_a_view_runs_after_another",
    "test_an_ad_hoc_run_by_prefects_own_command",
    "test_no_secret_is_in_anything_that_was_deployed",
    "test_two_runs_at_once",
]


@pytest.fixture(scope="module")
def it(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet with the view orders published; Prefect is on Postgres."""
    if not postgres.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"):
        pytest.skip("this Postgres has no pg_trgm, which Prefect's schema wants; Debian's and the official image have it")
    postgres.execute("CREATE DATABASE prefect")
    with fleet(tmp_path_factory.mktemp("fleet"), postgres.url(database="prefect")) as made:
        yield made
        assert postgres.execute("SELECT count(*) > 0 FROM deployment", database="prefect") == [(True,)]
    postgres.execute("DROP DATABASE prefect WITH (FORCE)")
