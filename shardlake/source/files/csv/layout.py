"""What the first record of a file tells, and what whoever reads it makes of that."""

from collections.abc import Callable
from dataclasses import dataclass

from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.grammar import grammar


@dataclass(frozen=True, slots=True)
class Field:
    """A field's text, without quotes and escapes, and whether it stands in quotes."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class First:
    """The first record that can be read. Where `record` is not 1, those ahead of it cannot, and it is hardly a header."""

    fields: tuple[Field, ...]
    record: int
    line: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns, one for each field, and whether the first record is a header and no row."""

    names: tuple[str, ...]
    header: bool = False

    def __post_init__(self) -> None:
        assert self.names


AskLayout = Callable[[First], Layout]
"""What is asked, once a file, for its layout. It may raise what it wants to."""


def fields_of(record: bytes, dialect: Dialect) -> tuple[Field, ...]:
    """The fields of a record with its line end. Raises UnicodeDecodeError.

    >>> [field.text for field in fields_of(b'id,"a b"\\n', Dialect())]
    ['id', 'a b']
    """
    return tuple(Field(text.decode(), quoted) for text, quoted in grammar(dialect).fields(record))
