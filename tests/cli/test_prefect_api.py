"""Which Prefect API is named, and whether Prefect itself, asked for its settings, says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.settings.models.root import Settings

from cli.prefect_api import named_api

WAYS = {
    "nothing": ({}, {}, None),
    "the environment": ({}, {"PREFECT_API_URL": "http://a/api"}, "http://a/api"),
    "an empty text in the environment, over a profile": (
        {"home/profiles.toml": 'active = "x"\n[profiles.x]\nPREFECT_API_URL = "http://p/api"\n'}, {"PREFECT_API_URL": ""}, None
    ),
    ".env": ({".env": "PREFECT_API_URL=http://b/api\n"}, {}, "http://b/api"),
    "the environment over .env": ({".env": "PREFECT_API_URL=http://b/api\n"}, {"PREFECT_API_URL": "http://a/api"}, "http://a/api"),
    "prefect.toml": ({"prefect.toml": '[api]\nurl = "http://c/api"\n'}, {}, "http://c/api"),
    "pyproject.toml": ({"pyproject.toml": '[tool.prefect.api]\nurl = "http://d/api"\n'}, {}, "http://d/api"),
    "the active profile": (
        {"home/profiles.toml": 'active = "x"\n[profiles.x]\nPREFECT_API_URL = "http://e/api"\n[profiles.y]\n'}, {}, "http://e/api"
    ),
    "another profile": (
        {"home/profiles.toml": 'active = "x"\n[profiles.x]\nPREFECT_API_URL = "http://e/api"\n[profiles.y]\n'}, {"PREFECT_PROFILE": "y"}, None
    ),
    "profiles elsewhere": (
        {"p.toml": 'active = "x"\n[profiles.x]\nPREFECT_API_URL = "http://f/api"\n'}, {"PREFECT_PROFILES_PATH": "p.toml"}, "http://f/api"
    ),
    "a file that is no TOML": ({"home/profiles.toml": "["}, {}, None),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore:Failed to load profiles")
def test_the_api_that_is_named_is_the_one_that_prefect_would_take(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, variables, url = WAYS[way]
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = named_api()
    assert (found.url if found else None) == url == (Settings().api.url or None)
