"""How a CSV file is written: what separates, quotes and escapes, which texts are NULL, and the encoding."""

from dataclasses import dataclass

from shardlake.errors import SpecError


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written. Raises SpecError for what cannot be.

    `null` are the texts that are NULL where they stand without quotes, and with `quoted_null` within them too. One may begin with the
    escape, as `\\N` does, and then `N` is a text; the others are compared when escapes are gone. A byte order mark counts for more than
    `encoding`.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    null: tuple[str, ...] = ("",)
    quoted_null: bool = False
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        signs = {"delimiter": self.delimiter, "quote": self.quote, "escape": self.escape}
        for name, sign in signs.items():
            if sign is not None and (len(sign) != 1 or not sign.isascii() or sign in "\0\r\n"):
                raise SpecError(f"{name} {sign!r} is not one ASCII character", hint="Line ends and NUL are not possible either.")
        if self.escape is not None and self.escape == self.quote:  # "" is what Postgres calls an escape by the quote itself
            object.__setattr__(self, "escape", None)
        given = [sign for sign in (self.delimiter, self.quote, self.escape) if sign is not None]
        if len(set(given)) != len(given):
            raise SpecError(f"delimiter, quote and escape are not different: {' '.join(map(repr, given))}", hint="Name one for each.")
        for text in self.null:
            if self.escape and self.escape in text and (len(text) != 2 or text[0] != self.escape or text[1] in given):
                raise SpecError(f"NULL cannot be written {text!r} with the escape {self.escape!r}", hint=f"As {self.escape}N it can.")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise SpecError(f"encoding {self.encoding!r} is not known", hint="Write utf-8, utf-16, latin-1 or cp1252.") from None
