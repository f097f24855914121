"""What can be known before a run begins, and is said before anything is started: views, variables, ports on which nobody answers."""

import socket
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from cli.prefect_api import NamedApi, may_have_blocks, named_api
from shardlake.connection.connection_file import ledger_reference, load_connection
from shardlake.errors import SpecError, WarehouseUnavailable
from shardlake.settings import connections_file
from shardlake.view.view import View

PATIENCE = 0.4
"""Seconds that a port is waited for. One that answers no sooner is the run's to wait for: this is about those that refuse at once."""
_REFUSED = "connection refused"
_PORTS = {"http": 80, "https": 443}


class PrefectUnavailable(SpecError):
    """Nobody answers where the settings say that Prefect's API is."""


def look_ahead(views: Iterable[View], api: NamedApi | None) -> list[str]:
    """Look for what would end a run of these views. Returns notes on shards at which nobody answers: the others are brought up to now.

    Raises SpecError for a connection that cannot be read, WarehouseUnavailable where nobody answers for a warehouse or the ledger, and
    PrefectUnavailable where `api` is given and nobody answers there.
    """
    if api:
        _look_at_api(api)
    if (file := connections_file()) is None:
        look_for_blocks()
        return []
    notes: list[str] = []
    ledger = ledger_reference(file)
    for view in views:
        source = load_connection(file, view.source.connection)
        load_connection(file, view.lake.connection)
        for reference in dict.fromkeys([view.warehouse.connection, ledger or view.warehouse.connection]):
            for why in _closed(load_connection(file, reference).endpoints()).values():
                start = "Start it, or correct" if _REFUSED in why else "Correct"
                raise WarehouseUnavailable(f"{reference}: {why}", hint=f"{start} its address in {file}.")
        notes += [f"{name}: {why}" for name, why in _closed(source.endpoints()).items()]
    return list(dict.fromkeys(notes))


def look_for_blocks() -> None:
    """Look whether Prefect can have connections as blocks. Raises SpecError where it cannot, PrefectUnavailable where it does not answer."""
    if api := named_api():
        _look_at_api(api)
    elif not may_have_blocks():
        raise SpecError(
            "there is no connections file, and no Prefect server is named that could have connections as blocks",
            hint="Name the file with --connections or SHARDLAKE_CONNECTIONS, or the server with PREFECT_API_URL.",
        )


def _look_at_api(api: NamedApi) -> None:
    parts = urlsplit(api.url)
    host, scheme = parts.hostname or "", parts.scheme
    if getproxies().get(scheme) and not proxy_bypass(host):
        return  # it is reached by way of the proxy
    for why in _closed({"": (host, parts.port or _PORTS.get(scheme, 80))}).values():
        raise PrefectUnavailable(
            f"Prefect's API at {api.url} ({api.where}): {why}", hint="Start it, or name none: the command then does its work by itself."
        )


def _closed(endpoints: dict[str, tuple[str, int]]) -> dict[str, str]:
    """Those of the endpoints at which a connection is refused at once, by their names, and why."""
    found: dict[tuple[str, int], str | None] = {}

    def look(place: tuple[str, int]) -> None:
        found[place] = _refusal(*place)

    looking = [threading.Thread(target=look, args=(place,), daemon=True) for place in set(endpoints.values())]
    for thread in looking:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    for thread in looking:  # a name server may take its time
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: why for name, place in endpoints.items() if (why := found.get(place))}


def _refusal(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return f"nobody answers at {host}:{port} ({_REFUSED})"
    except socket.gaierror:
        return f"there is no host {host}"
    except OSError:
        return None  # slow, or odd: the driver's own words will be better
    return None
