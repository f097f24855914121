"""Shards and lake tables of which a run rejected every row: why, from the ledger, for its report."""

from typing import Any

import psycopg

from shardlake.ledger import rejects
from shardlake.run.report import RunReport

Connection = psycopg.Connection[Any]


def explain(ledger: Connection, report: RunReport) -> None:
    """Write into a report why every row of a shard, or of a lake table, was rejected, where it was so."""
    for shard in report.shards.values():
        if shard.all_rejected:
            shard.rejection = _said(report.view, shard.rejected, rejects.commonest(ledger, report.view, shard=shard.shard))
    for part in report.lake.values():
        if part.all_rejected:
            found = rejects.commonest(ledger, report.view, layout=part.table) or rejects.commonest(ledger, report.view)
            part.rejection = _said(report.view, part.rejected, found)


def _said(view: str, rows: int, commonest: tuple[str, str] | None) -> str:
    most = f", most often for {commonest[0]}: {commonest[1]}" if commonest else ""
    return f"every row was rejected ({rows:,}){most}; `shardlake rejects {view}` lists them"
