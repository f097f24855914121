"""What all blocks share: they hold an engine's connection, field by field, and give it back as a plain value."""

from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict

from shardlake.connection import KINDS, Connection, ConnectionSpec


class ConnectionBlock(CredentialsBlock):
    """A connection that Prefect keeps. `spec` is what the engine is given; it never meets the block."""

    model_config = ConfigDict(frozen=False, extra="ignore", hide_input_in_errors=True)

    def spec(self) -> Connection:
        """The connection as a plain value."""
        kind = KINDS[str(self._block_type_slug)]
        return kind.model_validate({name: getattr(self, name) for name in kind.model_fields})

    def get_client(self, *args: object, **kwargs: object) -> Connection:
        """The same as `spec`, by the name that Prefect's credentials have for it."""
        return self.spec()


__all__ = ["ConnectionBlock", "ConnectionSpec"]
