"""infer: the next schema of a view whose columns are inferred."""

from uuid import UUID

from prefect import task

from shardlake.run.renew import Renewal, renew
from shardlake.settings import views_folder
from shardlake.view.view_file import find_view
from tasks.connect import connect
from tasks.log import announce
from tasks.retry import STAGE


@task(name="infer", task_run_name="infer {view}", **STAGE)
def infer(view: str, run_id: UUID) -> Renewal:
    """Look at the view's source, and keep the next schema where it brings something."""
    found = renew(find_view(views_folder(), view), connect)
    if found.new:
        added, widened = (", ".join(names) or None for names in (found.added, found.widened))
        announce(
            "schema.renewed", f"view.{view}", view=view, run=run_id, version=found.schema.version, added=added, widened=widened
        )  # fmt: skip
    return found
