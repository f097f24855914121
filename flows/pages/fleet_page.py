"""The fleet's page in Prefect: a row a view, the worst first, with its delay over the day, linked to its last run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactCollectionFilter
from prefect.settings import PREFECT_API_URL
from prefect.utilities.urls import url_for

from flows.pages.markdown import bars, code, few, link, moment, number, reasons, span, table, text
from flows.pages.progress import page_key, unharmed
from shardlake.ledger.alarms import Alarm
from shardlake.ledger.status import ShardStatus
from shardlake.run.freshness import Judgement

KEY = "fleet"
MOST = 100
"""Shards that the page names one by one."""
LONGEST = 100
"""Characters of a run's name."""


@dataclass(slots=True)
class _View:
    """A row of the page."""

    name: str
    lines: list[ShardStatus] = field(default_factory=list)
    wrong: list[Alarm] = field(default_factory=list)


def show(judged: Judgement, delays: Mapping[str, Sequence[timedelta | None]]) -> None:
    """Write the page, and call this run by what it found. `delays` are each view's over the day, an hour each."""
    with unharmed(KEY):
        create_markdown_artifact(page(judged, delays, last_runs([*delays])), key=KEY, description=sentence(judged))
    with unharmed("name of the run"):
        if PREFECT_API_URL.value() and runtime.flow_run.id:
            with get_client(sync_client=True) as client:
                client.update_flow_run(runtime.flow_run.id, name=name(judged))


def name(judged: Judgement) -> str:
    """What a run of check-freshness is called once it knows: what it found.

    >>> name(Judgement([], [Alarm("orders", "", "not started", "…")], []))
    'there are no shards, 1 run not started: orders'
    """
    views = list(dict.fromkeys(w.view for w in judged.wrong))
    said = f"{judged.headline()}: {', '.join(views)}" if views else judged.headline()
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def sentence(judged: Judgement) -> str:
    """All in a sentence, and what is next."""
    if judged.ok:
        return f"**{text(judged.headline().capitalize())}.** **Next:** nothing is to be done."
    worst = judged.wrong[0]
    first = f"open {text(worst.view)} below: its last run says what did not arrive"
    return f"**{text(judged.headline().capitalize())}.** **Next:** {first}; or type {code('shardlake status')}."


def last_runs(views: Sequence[str]) -> dict[str, str]:
    """The address of each view's last run, by its page's key."""
    if not PREFECT_API_URL.value() or not views:
        return {}
    keys = {page_key(view, "run"): view for view in views}
    pages = [list(keys)[n : n + 200] for n in range(0, len(keys), 200)]
    with get_client(sync_client=True) as client:
        wheres: list[Any] = [ArtifactCollectionFilter.model_validate({"key": {"any_": part}}) for part in pages]
        found = [artifact for where in wheres for artifact in client.read_latest_artifacts(artifact_filter=where, limit=200)]
    return {keys[a.key]: url for a in found if a.key in keys and a.flow_run_id and (url := url_for("flow-run", a.flow_run_id))}


def page(judged: Judgement, delays: Mapping[str, Sequence[timedelta | None]], runs: Mapping[str, str]) -> str:
    """The page itself, in Markdown. It is some 600 pixels wide in Prefect: what is wrong stands above the table."""
    views: dict[str, _View] = {}
    for wrong in judged.wrong:
        views.setdefault(wrong.view, _View(wrong.view)).wrong.append(wrong)
    for line in judged.lines:
        views.setdefault(line.view, _View(line.view)).lines.append(line)
    parts = ["#### What is wrong", reasons(_said(judged.wrong[:MOST]))] if judged.wrong else []
    parts += [f"and {len(judged.wrong) - MOST:,} more; {code('shardlake status')} shows all"] if len(judged.wrong) > MOST else []
    rows = [_row(view, delays.get(view.name, ()), runs.get(view.name)) for view in views.values()]
    columns = ["view", "state", "fresh", "delay", "promise", "rejects", "the last 24 hours", "last run, UTC"]
    parts += ["#### Views", table(columns, rows, ("fresh", "delay", "promise", "rejects"))] if rows else []
    parts.append(
        "A bar is an hour: how old the view's oldest shard became in it, as part of what the view promises; a full one is past it."
        f" Looked at {moment(datetime.now(UTC))} UTC."
    )
    return "\n\n".join(parts)


def _said(wrong: Sequence[Alarm]) -> list[tuple[str, str]]:
    """What is wrong with each view: of shards that say alike, the view's name stands once."""
    shards: dict[tuple[str, str], list[str]] = {}
    for alarm in wrong:
        shards.setdefault((alarm.view, _why(alarm)), []).append(alarm.shard)
    return [(": ".join(filter(None, [view, few(names)])), why) for (view, why), names in shards.items()]


def _why(wrong: Alarm) -> str:
    return text(wrong.message.removeprefix(wrong.shard).lstrip(":, "))


def _row(view: _View, delays: Sequence[timedelta | None], run: str | None) -> list[str]:
    lines, worst = view.lines, view.wrong[0] if view.wrong else None
    lags = [line.lag for line in lines if line.lag is not None]
    promise = next((line.freshness for line in lines if line.freshness), None)
    ran = max((line.last_run for line in lines if line.last_run), default=None)
    others = sorted({line.state for line in lines} - {"fresh"})
    hours = [d.total_seconds() if d is not None else None for d in delays]
    full = promise.total_seconds() if promise else max((h for h in hours if h), default=0.0)
    return [
        link(text(view.name), run),
        (f"✗ {worst.kind}" if worst else others[0] if others else "✓ fresh").replace(" ", "\u00a0"),
        f"{sum(line.state == 'fresh' for line in lines):,}/{len(lines):,}" if lines else "",
        span(max(lags).total_seconds()) if lags else "",
        span(promise.total_seconds()) if promise else "",
        number(sum(line.open_rejects for line in lines)),
        f"`{bars(hours, full)}`" if any(h is not None for h in hours) else "",
        link(f"{ran.day} {ran:%b, %H:%M}".replace(" ", "\u00a0"), run) if ran else "",
    ]
