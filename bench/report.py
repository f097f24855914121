"""RESULTS.md, from what was measured and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from bench.contestants import OURS, OURS_AS_TEXT, Contestant
from bench.measure import MEMORY as MEASURE
from bench.measure import Series
from bench.scenarios import EXPLAINED, MEMORY, Results

HEADER = """\
# Results

Written by `make bench` on {day}. [README.md](README.md) says what is measured, and how.
Do not edit: run it again.

- {rows:,} rows on ten shards; {rounds}; {taken}
- {machine}
"""


def render(
    results: Results,
    contestants: list[Contestant],
    rows: int,
    rounds: int,
    machine: str,
    versions: list[str],
) -> str:
    who = {contestant.name: contestant for contestant in contestants}
    parts = [
        HEADER.format(
            day=datetime.now(UTC).strftime("%d %B %Y"),
            rows=rows,
            rounds="one round" if rounds == 1 else f"{rounds} rounds, everyone in turn",
            taken="time is the median (fastest–slowest) of whole processes, memory the peak "
            f"{MEASURE} of the process tree without the servers",
            machine=machine,
        )
        + "\n".join(f"- {line}" for line in versions)
    ]
    for scenario, series in results.items():
        table = _memory(series) if scenario == MEMORY else _times(series, who)
        title = scenario[0].upper() + scenario[1:]
        parts.append(f"## {title}\n\n{EXPLAINED[scenario]}\n\n{table}")
    taking_part = {series.contestant for all_series in results.values() for series in all_series}
    who_is_who = "\n".join(f"- **{o.name}**: {o.about}." for o in contestants if o.name in taking_part)
    parts.append(f"## Who is who\n\n{who_is_who}")
    return "\n\n".join(parts) + "\n"


def _times(all_series: list[Series], who: Mapping[str, Contestant]) -> str:
    ours = next((series for series in all_series if series.contestant == OURS), None)
    as_text = next((series for series in all_series if series.contestant == OURS_AS_TEXT), None)
    lines = [
        "| | rows | JSON | seconds | against ours | peak MB |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for series in all_series:
        json = "flattened" if who[series.contestant].flattens else "left as text"
        start = f"| {series.contestant} | {series.rows:,} | {json} |"
        if series.median is None:
            lines.append(f"{start} {series.problem or 'did not run'} | | |")
        else:
            ratio = _ratio(series, ours)
            lines.append(f"{start} {_seconds(series)} | {ratio} | {series.peak / 2**20:.0f} |")
    others = [s for s in all_series if s not in (ours, as_text)]
    alike = [s for s in others if not who[s.contestant].flattens]
    return "\n".join([*lines, *_engine("The engine alone", ours, others), *_engine("And where JSON is left as text", as_text, alike)])


def _engine(what: str, ours: Series | None, others: list[Series]) -> list[str]:
    """What our engine took without the process's start, against the others' whole processes."""
    if ours is None or ours.engine is None:
        return []
    ratios = ", ".join(f"{ours.engine / s.median:.2f} of {s.contestant}" for s in others if s.median and s.rows == ours.rows)
    return ["", f"{what}: {ours.engine:.2f} s; {ratios}."]


def _seconds(series: Series) -> str:
    median = f"{series.median:.2f}"
    if len(series.runs) == 1:
        return median
    return f"{median} ({series.fastest:.2f}–{series.slowest:.2f})"


def _ratio(series: Series, ours: Series | None) -> str:
    """How many times our time it took, for the same number of rows."""
    if ours is None or not ours.median or not series.median:
        return ""
    if series.rows == ours.rows:
        return f"{series.median / ours.median:.2f} ×"
    per_row = (series.median / series.rows) / (ours.median / ours.rows)
    return f"{per_row:.2f} × a row"


def _memory(all_series: list[Series]) -> str:
    sizes = sorted({series.rows for series in all_series})
    heads = " | ".join(f"peak MB at {rows:,} rows (seconds)" for rows in sizes)
    lines = [f"| | {heads} | growth |", "|---|" + "---:|" * (len(sizes) + 1)]
    for name in dict.fromkeys(series.contestant for series in all_series):
        own = {series.rows: series for series in all_series if series.contestant == name}
        cells = [series.problem or f"{series.peak / 2**20:.0f} ({series.median:.1f})" for series in (own[rows] for rows in sizes)]
        failed = any(series.problem for series in own.values())
        growth = "" if failed else f"{own[sizes[-1]].peak / own[sizes[0]].peak:.2f} ×"
        lines.append(f"| {name} | {' | '.join(cells)} | {growth} |")
    return "\n".join(lines)
