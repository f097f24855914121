"""`shardlake publish`."""

from typing import Annotated

import typer

from cli.presentation import console, errors, show_json, table


def publish(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; end with 1 when something differs. For CI.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what would be done.")] = False,
    pool: Annotated[
        str | None,
        typer.Option(
            envvar="SHARDLAKE_POOL",
            help="The work pool that runs go to; the first of prefect.yaml by default. Given here, and not by the variable, it moves what is elsewhere.",
        ),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(help="This view (or group) alone; all others stay as they are. Without --image it goes back to the pool's."),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            help="The image that runs take: a name with tag or digest, or a digest alone. With --view a canary; else the whole pool."
        ),
    ] = None,
    trust_image: Annotated[
        bool, typer.Option("--trust-image", help="Do not look into the image; that it holds these views is taken on trust.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False,
) -> None:
    """Make the Prefect server match the views: a deployment each, its schedule, the order between them, and what stands.

    What has gone from the views is removed; what is not of this project is never touched. Every view is checked first, and
    nothing is changed while one is wrong. For example:

        shardlake publish --check || shardlake publish
        shardlake publish --pool shardlake-ecs
        shardlake publish --view orders --image sha256:…
        shardlake publish --view orders
    """
    from shardlake.errors import SpecError
    from shardlake.settings import project_file, views_folder
    from shardlake.view.view_file import load_views

    views = load_views(views_folder())
    if not project_file().is_file():
        raise SpecError(
            f"there is no {project_file()}, which names the project and its work pools", hint="Write it, or name it with --project."
        )
    from deployments.project import read_project  # what files say is known before Prefect's seconds of imports

    declared = read_project(project_file())
    to_pool = declared.pool(pool)
    from deployments.publish import publish as match
    from deployments.release import Wish

    source = context.get_parameter_source("pool")
    wish = Wish(view, image, pool_named=source is not None and source.name == "COMMANDLINE", trust=trust_image)
    done = match(views, declared, to_pool, write=not (check or dry_run), wish=wish)
    if as_json:
        show_json(
            {
                "ok": not (check and done.changes),
                "changes": [c.as_json() for c in done.changes],
                "same": done.same,
                "calls": done.calls,
                "kept": done.kept,
                "version": done.release and done.release.version,
                "image": done.release and done.release.image,
            }
        )
    else:
        rows = [[c.action, c.kind, c.name, ", ".join(c.fields)] for c in done.changes]
        if rows:
            console.print(table("", ["", "what", "name", "differs in"], rows, whole=("", "what")))
        said = "differ" if check or dry_run else "changed"
        for name in done.kept:
            one = name.partition("/")[2].removesuffix(".shards")
            back = (one in views and views[one].group) or one  # the views of a group come back together
            console.print(f"{name} is a canary and stays as it is; --view {back} brings it back", highlight=False)
        console.print(f"{view or f'{len(views)} views'}: {len(rows)} things {said}, {done.same} are as they should be", highlight=False)
        if done.release:
            of = f" of the image {done.release.image}" if done.release.image else ""
            console.print(f"version {done.release.version}{of}", highlight=False)
    if check and done.changes:
        errors.print("the server does not match the views; `shardlake publish` makes it", style="red", highlight=False)
        raise typer.Exit(1)
