"""fan_out: each shard, or group of shards, of a view as a flow run of its own, for a view that outgrows one container."""

import time
from datetime import UTC, datetime

from prefect.utilities.urls import url_for

from flows.shard_runs import begin, cancel, first_began, for_good
from flows.shard_wait import wait
from shardlake.ledger.runs import close_run, open_run, shard_reports
from shardlake.run.job import Job
from shardlake.run.report import RunReport, ShardReport


def fan_out(job: Job, full: bool, report: RunReport, logs: dict[str, str]) -> None:
    """Run every shard by the view's deployment for shards, wait for them all, and report what the ledger has of them.

    One that fails does not stop the others. Runs that find no room for `PATIENCE` are given up, since this run itself
    takes a place in the pool: a pool needs one more than there are such views.

    Where this run is stopped, those that it began go on: they bring rows in, and when it is begun again it finds them. Where it is
    cancelled, or meets its timeout, they are cancelled. `logs` gets the address of each shard's run.
    """
    began = time.time()
    names, size = list(job.partitions), job.view.run.shards_per_run
    report.shards = {name: ShardReport(name) for name in names}
    waiting: dict[str, list[str]] = {}

    def start(part: list[str]) -> None:
        key = begin(job.view.name, part, full)
        waiting[key] = part
        logs.update(dict.fromkeys(part, url_for("flow-run", key) or ""))

    try:
        for part in [names[n : n + size] for n in range(0, len(names), size)]:
            start(part)
        wait(waiting, report, start)
    except BaseException as end:
        if for_good(end):
            cancel(waiting)
        raise
    with job.ledger.connection() as connection:
        for name, done in shard_reports(connection, job.view.name, first_began(began)).items():
            if name in report.shards and not report.shards[name].error:
                report.shards[name] = ShardReport.of_json(done)
        report.seconds = time.time() - began
        run, shards = (report.run_id, report.view), [shard.as_json() for shard in report.shards.values()]
        with connection.transaction():  # the whole of it, of which each shard's run knows a part
            open_run(connection, *run, job.feed, datetime.fromtimestamp(began, UTC))
            close_run(connection, *run, shards, ok=report.ok, message=report.headline())
