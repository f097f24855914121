"""What `shardlake check` finds wrong: views by themselves, together, and against the connections file. Reads files alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class Checked:
    """The names of the views, and each problem by the view that it is in; None is none's. Of the `inferred` the columns are in the lake,
    and were not checked.
    """

    names: list[str]
    found: list[tuple[str | None, str]]
    inferred: list[str]

    @property
    def problems(self) -> list[str]:
        """The problems, as they are shown."""
        return [text for _, text in self.found]

    def of(self, name: str) -> list[str]:
        """The problems of one view."""
        return [text for view, text in self.found if view == name]


def checked(names: list[str], drafts: Mapping[str, View] | None = None) -> Checked:
    """Check the views of these names, and `drafts` among them, which have no file yet."""
    from deployments.project import standing_names
    from shardlake.connection.connection_file import connection_names, ledger_reference, load_connection
    from shardlake.errors import ShardlakeError
    from shardlake.settings import connections_file, project_file, views_folder
    from shardlake.view.view_file import load_view
    from shardlake.view.view_set import contradictions, shared_readings, shared_targets

    found: list[tuple[str | None, str]] = []
    file = connections_file()
    known: list[str] | None = None
    places: dict[str, str] = {}
    if file:
        try:
            known = connection_names(file)
            ledger_reference(file)
        except ShardlakeError as error:
            found.append((None, str(error)))
        for reference in known or []:
            try:
                if place := load_connection(file, reference).place:
                    places[reference] = place
            except ShardlakeError as error:
                found += [(None, line) for line in str(error).splitlines()]
    views: dict[str, View] = {}
    for name in [*names, *(drafts or {})]:
        try:
            view = (drafts or {}).get(name) or load_view(views_folder() / name)
        except ShardlakeError as error:
            found += [(name, line) for line in str(error).splitlines()]
            continue
        views[name] = view
        for reference in (view.source.connection, view.warehouse.connection, view.lake.connection):
            if known is not None and reference not in known:
                found.append((name, f"{_file(name)}: {file} has no connection {reference!r}; there are: {', '.join(known)}"))
    try:
        standing = standing_names(project_file())
    except ShardlakeError as error:
        standing = []
        found.append((None, str(error)))
    together = [
        *shared_targets(views, places).items(),
        *shared_readings(views).items(),
        *contradictions(views, [*names, *(drafts or {}), *standing]).items(),
    ]
    found += [(name, f"{_file(name)}: {why}") for name, why in together]
    return Checked(names, found, [name for name, view in views.items() if view.inferred])


def _file(name: str) -> Path:
    from shardlake.settings import views_folder

    return views_folder() / name / "view.yaml"
