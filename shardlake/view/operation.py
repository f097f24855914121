"""How a view is operated: when it runs, after what, with how much, and how late it may be. Spec only."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from shardlake.spec import Duration, PlainText, Size, Spec, ViewName
from shardlake.view.schedule import Every, Schedule, parse_schedules

OWN_TAGS = ("shardlake", "project", "view", "group", "owner")
"""Tags, or what stands before their colon, that `publish` sets itself."""


def _tag(value: str) -> str:
    if not value or len(value) > 60 or value != value.strip() or value.split(":", maxsplit=1)[0] in OWN_TAGS:
        raise ValueError(f"{value[:60]!r} is not a tag; 1 to 60 characters, and {', '.join(OWN_TAGS)} are Shardlake's own")
    return value


Tag = Annotated[PlainText, AfterValidator(_tag)]


class Resources(Spec):
    """What a run of the view is given. `cpu` is in ECS units (1024 are one), `memory` in bytes."""

    cpu: Annotated[int, Field(ge=256, le=16384)] | None = None
    memory: Size | None = None
    timeout: Duration | None = None
    fan_out: Literal["tasks", "deployments"] = "tasks"
    shards_per_run: Annotated[int, Field(ge=1)] = 1

    @property
    def memory_mib(self) -> int | None:
        """The memory as ECS counts it."""
        return None if self.memory is None else max(1, self.memory >> 20)


class Operation(Spec):
    """The keys of a view that say how it is run; `deployments/` makes Prefect deployments of them.

    `late` is what becomes of a run that is due while another is under way: left out, or queued. Views of one `group` share
    a run. A view with `after` runs when those have succeeded; its `schedule` is then the period within which all must have.
    """

    schedule: Annotated[tuple[Schedule, ...], BeforeValidator(parse_schedules)] = ()
    freshness: Duration | None = None
    after: tuple[ViewName, ...] = ()
    late: Literal["skip", "queue"] = "skip"
    group: ViewName | None = None
    tags: tuple[Tag, ...] = ()
    run: Resources = Resources()

    def check_operation(self, name: str, write: str) -> None:
        """Raises ValueError where the keys contradict each other."""
        if name in self.after or len(set(self.after)) < len(self.after):
            raise ValueError("after: names other views, each once")
        if self.after and not self.group and (len(self.schedule) > 1 or not all(isinstance(s, Every) for s in self.schedule)):
            raise ValueError("schedule: with `after` it is the period within which those before must succeed; write one `every …`")
        if self.run.fan_out == "deployments" and write == "replace":
            raise ValueError("run.fan_out: a table that is replaced as a whole is loaded by one run; take `fan_out: tasks`")
        if self.run.fan_out == "deployments" and self.group:
            raise ValueError("run.fan_out: a view of a group shares its run; take `group` away, or `fan_out: tasks`")

    @property
    def period(self) -> timedelta | None:
        """How long it takes at most from one run to the next; None where nothing is scheduled."""
        return min((s.period for s in self.schedule), default=None)


def short(span: timedelta) -> str:
    """A time span as people write it.

    >>> short(timedelta(minutes=90)), short(timedelta(days=1))
    ('90m', '1d')
    """
    return str(Every(span)).removeprefix("every ")
