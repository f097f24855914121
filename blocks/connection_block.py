"""What all blocks share: they hold an engine's connection, field by field, and give it back as a plain value."""

from typing import Any

from prefect.blocks.abstract import CredentialsBlock
from prefect.blocks.core import Block, schema_extra
from pydantic import ConfigDict

from shardlake.connection.kinds import KINDS, Connection


def _schema(schema: dict[str, Any], model: type[Block]) -> None:
    """Prefect's own, with every override secret as a whole: it knows no secret under a key that is a shard's name."""
    schema_extra(schema, model)
    schema["secret_fields"] = sorted({"overrides.*" if name.startswith("overrides.") else name for name in schema["secret_fields"]})


class ConnectionBlock(CredentialsBlock):
    """A connection that Prefect keeps. `spec` is what the engine is given; it never meets the block."""

    model_config = ConfigDict(frozen=False, extra="ignore", hide_input_in_errors=True, json_schema_extra=_schema)

    def spec(self) -> Connection:
        """The connection as a plain value."""
        kind = KINDS[str(self._block_type_slug)]
        return kind.model_validate({name: getattr(self, name) for name in kind.model_fields})

    def get_client(self, *args: object, **kwargs: object) -> Connection:
        """The same as `spec`, by the name that Prefect's credentials have for it."""
        return self.spec()
