"""Numbers of JSON documents as they were written: which ones a double would change, and how each is spelt as text."""

import re
from dataclasses import dataclass
from decimal import Decimal

LONGEST_WHOLE, LONGEST_FRACTION = 131_072, 16_383
"""Digits that Postgres's numeric holds before and behind the point."""
_EXPONENT = 1 << 30
_IN_TEXT = re.compile(r"(?<![^\s:,\[])-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_TINY = re.compile(r"-?0\.0000")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


def rounds(number: str) -> bool:
    """Whether DuckDB, which reads fractions as doubles, could change it or spell it as Postgres does not.

    Whole numbers of any size are kept as they are.

    >>> [rounds(n) for n in ("1.10", "123456789012345678901", "0.1234567890123456", "1e2", "-0.0", "0.00001")]
    [False, False, True, True, True, True]
    """
    if number.lstrip("-").isdigit():
        return number == "-0"
    digits = re.sub(r"[-.]", "", number).lstrip("0")
    return "e" in number or "E" in number or len(digits) > 15 or (not digits.strip("0") and number[0] == "-") or bool(_TINY.match(number))


def may_round(document: str) -> bool:
    """Whether a document has a number of which `rounds` is true (or what looks like one in a text)."""
    return any(map(rounds, _IN_TEXT.findall(document)))


def fits(number: str) -> bool:
    """Whether Postgres's numeric holds it, so that jsonb does.

    >>> [fits(n) for n in ("1e131071", "1e131072", "1e-16383", "0e-16384", "0e200000")]
    [True, False, True, False, True]
    """
    _, _, exponent = number.lower().partition("e")
    exponent = exponent.lstrip("+-0")
    if len(exponent) > 10 or int(exponent or 0) >= _EXPONENT:
        return False
    value = Decimal(number)
    return -int(value.as_tuple().exponent) <= LONGEST_FRACTION and (not value or value.adjusted() < LONGEST_WHOLE)


def as_text(number: str) -> str:
    """As a text column has it: with all digits, as jsonb prints it, where it `rounds`; else without the zeros at its fraction's end, as DuckDB does.

    One that numeric does not hold stays as it was written.

    >>> as_text("1e2"), as_text("3e-10"), as_text("1.10"), as_text("1.00"), as_text("-0"), as_text("1e200000")
    ('100', '0.0000000003', '1.1', '1.0', '0', '1e200000')
    """
    if rounds(number):
        return printed(number) if fits(number) else number
    whole, point, fraction = number.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}" if point else whole


def printed(number: str) -> str:
    """As jsonb prints it, which must hold it.

    >>> printed("-123.456e-5"), printed("1.10e1"), printed("0.0e-2"), printed("-0.0")
    ('-0.00123456', '11.0', '0.000', '0.0')
    """
    value = Decimal(number)
    return format(value if value else abs(value), "f")


def written_out(document: str) -> int:
    """How many digits the exponents in a document stand for, at most."""
    return sum(len(n) + abs(int(n.lower().partition("e")[2])) for n in _IN_TEXT.findall(document) if ("e" in n or "E" in n) and fits(n))
