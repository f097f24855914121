"""A Prefect server that forgot a run's slot, as it does at a restart, is no reason for the run to end."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import prefect.flow_engine
import pytest
from prefect._internal.concurrency.cancellation import CancelledError
from prefect.client.orchestration import SyncPrefectClient
from prefect.concurrency._leases import maintain_concurrency_lease
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.outage import kept_slot
from tests.prefect_api import PrefectApi
from tests.stopping import until


def doze() -> None:
    """A minute's sleep that an exception from another thread ends: one comes between two instructions, not in the midst of a sleep."""
    for _ in range(600):
        time.sleep(0.1)


def test_a_slot_that_the_server_forgot_ends_no_run_as_it_would_by_prefects_own_way(
    prefect_api: PrefectApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten, refused, renew = uuid4(), [], SyncPrefectClient.renew_concurrency_lease

    def noting(*given: Any) -> Any:
        try:
            return renew(*given)
        except Exception as error:
            refused.append(error)
            raise

    monkeypatch.setattr(SyncPrefectClient, "renew_concurrency_lease", noting)
    with temporary_settings({PREFECT_API_URL: prefect_api.server.api_url}):
        with kept_slot(forgotten, 1, raise_on_lease_renewal_failure=True):
            until(lambda: len(refused) > 2)
        with pytest.raises(CancelledError), maintain_concurrency_lease(forgotten, 60, raise_on_lease_renewal_failure=True):
            doze()
    assert vars(prefect.flow_engine)["maintain_concurrency_lease"] is kept_slot
