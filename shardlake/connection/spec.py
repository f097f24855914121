"""What the connections of every kind have in common."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class ConnectionSpec(BaseModel):
    """A connection as it is declared: unknown keys are mistakes, and input is never shown back."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    slug: ClassVar[str]
    """The kind's name: what stands before the slash in `mysql-shards/shop`."""

    @property
    def reads_at_once(self) -> int | None:
        """How many reads may be under way at once, over all runs; None where nothing bounds them."""
        return None

    @property
    def credentials_block(self) -> str | None:
        """The Prefect block that holds its credentials, where it names one."""
        return None

    def endpoints(self) -> dict[str, tuple[str, int]]:
        """The hosts and ports that it is reached by, by what messages call them, as far as that is known without asking anybody."""
        return {}

    @property
    def place(self) -> str | None:
        """What is the same of two connections that lead to one database; None where that is not known."""
        return None

    def secrets(self) -> tuple[str, ...]:
        """Every secret inside, for `redact`."""
        return ()
