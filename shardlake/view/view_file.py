"""Reading views from a folder: one folder a view, `view.yaml` and perhaps `extract.sql` inside."""

from pathlib import Path

from pydantic import ValidationError

from shardlake.errors import SpecError
from shardlake.spec_file import explain, read_yaml
from shardlake.view.view import View


def load_view(folder: Path) -> View:
    """The view of one folder. Raises SpecError."""
    path = folder / "view.yaml"
    content = read_yaml(path)
    if isinstance(content, dict) and "sql_text" in content:  # the loader's own
        raise SpecError(f"{path}: sql_text: unknown key; put the SQL into a file, and its name into source.sql")
    if not isinstance(content, dict):
        raise SpecError(f"{path}: a view is a mapping with name, owner, source, columns and warehouse")
    try:
        view = View.model_validate(content)
    except ValidationError as error:
        raise explain(error, str(path)) from None
    if view.name != folder.name:
        raise SpecError(f"{path}: name: {view.name!r} is not the folder's name {folder.name!r}", hint="Make them equal.")
    if name := view.source.file:
        beside = folder / name
        if beside.is_symlink() or not beside.is_file():
            raise SpecError(f"{path}: source.sql: {name} is not a file beside view.yaml")
        view = view.model_copy(update={"sql_text": beside.read_text("utf-8").strip().rstrip(";")})
    return view


def find_view(views: Path, name: str) -> View:
    """The view of that name. Raises SpecError that lists those there are."""
    names = view_names(views)
    if name not in names:
        raise SpecError(f"no view {name!r} in {views}; there are: {', '.join(names)}", hint="Check the name, or --views.")
    return load_view(views / name)


def load_views(views: Path) -> dict[str, View]:
    """Every view of a folder, by name. Raises SpecError that lists what is wrong with all of them."""
    found, wrong = readable_views(views)
    if wrong:
        raise SpecError("\n".join(wrong.values()))
    return found


def readable_views(views: Path) -> tuple[dict[str, View], dict[str, str]]:
    """The views of a folder that can be read, by name, and what is wrong with the others. Raises SpecError where there is none."""
    found: dict[str, View] = {}
    wrong: dict[str, str] = {}
    for name in view_names(views):
        try:
            found[name] = load_view(views / name)
        except SpecError as error:
            wrong[name] = str(error)
    return found, wrong


def view_names(views: Path) -> list[str]:
    """The folders that hold a view.yaml, sorted. Raises SpecError where there is none: it would be the wrong place."""
    hint = "Name the folder of your views with --views or SHARDLAKE_VIEWS; `shardlake discover CONNECTION TABLE` drafts a first one."
    if not views.is_dir():
        raise SpecError(f"{views} is not a folder", hint=hint)
    names = sorted(path.parent.name for path in views.glob("*/view.yaml"))
    if not names:
        raise SpecError(f"{views} holds no view: no folder in it has a view.yaml", hint=hint)
    return names
