"""A run's page in Prefect: what came, what did not, and what to type or click next; shard by shard, beside the runs before it."""

from collections.abc import Mapping, Sequence

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.utilities.urls import url_for

from flows.outage import await_server
from flows.pages.chart import chart
from flows.pages.markdown import code, link, moment, number, reasons, span, table, text
from flows.pages.progress import page_key, unharmed
from shardlake.errors import ShardlakeError
from shardlake.ledger.history import PastRun, last_runs
from shardlake.run.report import BackfillReport, LayoutReport, RunReport, ShardReport
from tasks.log import say
from tasks.view_job import view_job

MOST = 100
"""Shards that a page names: those that went well beyond are counted alone."""
RUNS = 24
"""Bars of the chart."""
_STATES = {
    "failed": "✗\u00a0failed",
    "rejected": "✗\u00a0rejected",
    "merged": "✓\u00a0merged",
    "written": "✓\u00a0written",
    "nothing": "no\u00a0news",
}
_BAD = ("failed", "rejected")
_COUNTS = ("read", "merged", "unchanged", "superseded", "rejected")


def publish_report(report: RunReport, logs: Mapping[str, str] | None = None, *, some: bool = False) -> None:
    """Write the page. `logs` are addresses of logs, by shard or lake table; a run of `some` shards has a page of its own, and so has
    a backfill: the view's own page is that of its last whole run.
    """
    await_server()
    key = page_key(report.view, "backfill" if isinstance(report, BackfillReport) else "shards" if some else "run")
    with unharmed(key):
        past = [] if some or isinstance(report, BackfillReport) else _past(report)
        create_markdown_artifact(page(report, logs or {}, past), key=key, description=sentence(report, logs or {}))


def ended(report: RunReport) -> None:
    """The last line of a run: `run.ended view=orders run=… state=completed shards=3 …`."""
    total = report.totals()
    say(
        "run.ended", view=report.view, run=report.run_id, state="skipped" if report.left_out else "completed" if report.ok else "failed",
        shards=len(report.shards), failed=sum(_state(shard) in _BAD for shard in report.shards.values()),
        **{name: getattr(total, name) for name in _COUNTS}, seconds=round(report.seconds, 1),
    )  # fmt: skip


def sentence(report: RunReport, logs: Mapping[str, str], deployment: str | None = None) -> str:
    """The run in a sentence, and what is next."""
    total, view = report.totals(), text(report.view)
    came = ", ".join(f"{getattr(total, name):,} {'rows ' if name == 'read' else ''}{name}" for name in _COUNTS if getattr(total, name))
    if not came:
        came = "nothing was new" if report.ok else "no rows came"
    if report.error:
        head = f"**{view} did not arrive:** {text(report.error.rstrip('.'))}; {came}"
    else:
        head = f"**{_arrived(report)}:** {came}, in {span(report.seconds)}" if report.seconds else f"**{_arrived(report)}:** {came}"
    return f"{head}. **Next:** {_next(report, logs, deployment or runtime.deployment.id)}."


def _arrived(report: RunReport) -> str:
    """Which shards and lake tables arrived, and which did not."""
    bad, view, of = (
        [name for name, shard in report.shards.items() if shard.error or shard.all_rejected],
        text(report.view),
        len(report.shards),
    )
    if isinstance(report, BackfillReport) and report.slices:
        said = f"{report.done:,} of {report.slices:,} slices of the backfill of {view} arrived"
    elif not bad:
        said = f"All {of:,} shards of {view} arrived" if of > 1 else f"The shard of {view} arrived"
    elif len(bad) == of:
        said = f"No shard of {view} arrived"
    else:
        said = f"{of - len(bad):,} of {of:,} shards of {view} arrived"
    said += f", {_names(bad)} did not" if 0 < len(bad) < of else ""
    lake = [table for table, part in report.lake.items() if part.error or part.all_rejected]
    return f"{said}, and the lake's {_names(lake)} did not" if lake else said


def _names(names: Sequence[str]) -> str:
    shown = [text(name) for name in names[:3]]
    return (
        " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
        if len(names) <= 3
        else f"{', '.join(shown)} and {len(names) - 3:,} more"
    )


def _next(report: RunReport, logs: Mapping[str, str], deployment: str | None) -> str:
    total, steps = report.totals(), list[str]()
    if total.rejected or any(part.alone for part in report.lake.values()):
        steps.append(f"look at what was rejected with {code(f'shardlake rejects {report.view}')}")
    if not report.came_to_its_end:
        bad = [*(n for n, s in report.shards.items() if s.error), *(n for n, part in report.lake.items() if part.error)]
        where = [name for name in bad if logs.get(name)]
        steps.append(f"read why in {link(f'the log of {text(where[0])}', logs[where[0]])}" if where else "read why below")
        if isinstance(report, BackfillReport):
            steps.append("mend it, and start the same backfill again: it goes on where it was left")
        else:
            now = code(f"shardlake run {report.view}")
            click = f", or press Run at {link('its deployment', url_for('deployment', deployment))}" if deployment else ""
            steps.append(f"mend it; the next run goes on from there, or run it now with {now}{click}")
    return ", ".join(steps) or "nothing is to be done"


def page(report: RunReport, logs: Mapping[str, str], past: Sequence[PastRun] = ()) -> str:
    """The page itself, in Markdown. It is some 600 pixels wide in Prefect: reasons stand above the tables, and what is 0 nowhere."""
    shards, layouts = list(report.shards.values()), list(report.lake.values())
    bad = [(s.shard, s) for s in shards if _state(s) in _BAD] + [(p.table, p) for p in layouts if _state(p) in _BAD]
    said = [(name, _why(name, part, logs)) for name, part in bad]
    said += [("the run", text(report.error))] if report.error else []
    parts = ["#### What did not arrive", reasons(said)] if said else []
    if len(past) > 1:
        longest = max(run.seconds for run in past)
        parts += [
            f"#### The last {len(past)} runs",
            f"{chart(past)}\n",
            f"As high as they took long, {span(longest) if longest >= 60 else f'{longest:,.1f} s'} at most; red is what did not arrive whole."
            f" From {moment(past[0].started_at)} to {moment(past[-1].started_at)} UTC they read {sum(run.rows for run in past):,} rows.",
        ]
    parts += ["#### Shards", _shards(shards)] if shards else []
    parts += ["#### The lake", _layouts(layouts)] if layouts else []
    notes = [(s.shard, text("; ".join(s.notes))) for s in shards if s.notes and _state(s) not in _BAD]
    notes += [(p.table, text("; ".join(p.notes))) for p in layouts if p.notes and _state(p) not in _BAD]
    notes += [("the run", text(note)) for note in report.notes]
    parts += ["#### Worth knowing", reasons(notes)] if notes else []
    return "\n\n".join(parts) or text(report.headline())


def _state(part: ShardReport | LayoutReport) -> str:
    if isinstance(part, ShardReport):
        return part.state
    return "failed" if part.error else "rejected" if part.all_rejected else "written" if part.windows else "nothing"


def _why(name: str, part: ShardReport | LayoutReport, logs: Mapping[str, str]) -> str:
    """What went wrong, and where its log is."""
    said = text((part.error or part.rejection or "every row was rejected").removeprefix(name).lstrip(":, "))
    return f"{said} ({link('its log', logs[name])})" if part.error and logs.get(name) else said


def _shards(shards: list[ShardReport]) -> str:
    order = list(_STATES)
    shards = sorted(shards, key=lambda s: order.index(s.state))  # stable: by name within
    shown = [s for n, s in enumerate(shards) if n < MOST or s.state in _BAD]
    rows = [
        [text(s.shard), _STATES[s.state], *(number(getattr(s, name)) for name in _COUNTS), number(round(sum(s.seconds.values()), 1)), moment(s.upper)]
        for s in shown
    ]  # fmt: skip
    made = table(["shard", "state", *_COUNTS, "seconds", "up to"], rows, (*_COUNTS, "seconds"))
    return f"{made}\n\nand {len(shards) - len(shown):,} more that went well" if len(shown) < len(shards) else made


def _layouts(parts: list[LayoutReport]) -> str:
    parts = sorted(parts, key=lambda p: _state(p) not in _BAD)
    rows = [
        [
            text(p.table),
            _STATES[_state(p)],
            number(p.rows),
            number(p.skipped),
            number(p.rejected),
            number(p.files),
            number(round(p.seconds, 1)),
        ]
        for p in parts
    ]
    numbers = ("rows", "skipped", "rejected", "files", "seconds")
    return table(["table", "state", *numbers], rows, numbers)


def _past(report: RunReport) -> list[PastRun]:
    try:
        job = view_job(report.view, report.run_id)
        with job.ledger.connection() as connection:
            return last_runs(connection, report.view, len(job.partitions), RUNS)
    except ShardlakeError:
        return []
