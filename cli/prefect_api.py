"""Which Prefect API is named, read where Prefect reads it and in its order, without the second that importing Prefect takes."""

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

URL = "PREFECT_API_URL"
_DATABASES = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")


@dataclass(frozen=True, slots=True)
class NamedApi:
    """The URL of a Prefect API, and where it is named."""

    url: str
    where: str


def named_api() -> NamedApi | None:
    """The API that flows would run against; None where none is named: Prefect starts a server for one command alone then.

    The first of these that says anything counts, and an empty text says that there is none: the environment, `.env`,
    `prefect.toml` and `pyproject.toml` here, and the profile that is in force.
    """
    for url, where in _said():
        if url is not None:
            return NamedApi(url.rstrip("/"), where) if url else None
    return None


def may_have_blocks() -> bool:
    """Whether Prefect may know blocks: a server is named, or one has been at work in Prefect's folder on this machine."""
    home = os.environ.get("PREFECT_HOME") or _dotenv().get("PREFECT_HOME")
    database = (Path(home).expanduser() if home else Path.home() / ".prefect") / "prefect.db"
    return named_api() is not None or database.exists() or any(os.environ.get(name) for name in _DATABASES)


def _said() -> Iterator[tuple[str | None, str]]:
    yield os.environ.get(URL), f"{URL} in the environment"
    yield _dotenv().get(URL), f"{URL} in .env"
    yield _text(_toml(Path("prefect.toml")), "api", "url"), "api.url in prefect.toml"
    yield _text(_toml(Path("pyproject.toml")), "tool", "prefect", "api", "url"), "tool.prefect.api.url in pyproject.toml"
    profiles = _profiles_path()
    content = _toml(profiles)
    active = os.environ.get("PREFECT_PROFILE") or _text(content, "active")
    yield _text(content, "profiles", str(active), URL), f"the profile {active} in {profiles}"


def _profiles_path() -> Path:
    home = os.environ.get("PREFECT_HOME")
    named = (
        os.environ.get("PREFECT_PROFILES_PATH")
        or _dotenv().get("PREFECT_PROFILES_PATH")
        or _text(_toml(Path("prefect.toml")), "profiles_path")
        or _text(_toml(Path("pyproject.toml")), "tool", "prefect", "profiles_path")
    )
    return Path(named) if named else (Path(home) if home else Path.home() / ".prefect") / "profiles.toml"


def _dotenv() -> dict[str, str | None]:
    if not Path(".env").is_file():
        return {}
    from dotenv import dotenv_values

    return {name.upper(): value for name, value in dotenv_values(".env").items()}


def _toml(path: Path) -> dict[str, Any]:
    """A file's content; of one that is not there, or that Prefect will refuse by its own words, nothing."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _text(content: Any, *keys: str) -> str | None:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, str) else None


def quiet_prefect() -> None:
    """To be called before Prefect is imported. Its log goes to its API; on the console it would say with tracebacks what the command
    says with names. Its telemetry, and the notice of it, are off unless DO_NOT_TRACK says otherwise. Where no server is named, the
    one that it starts for the command has as long as a busy machine takes, not 20 seconds.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
