"""Dates of BSON, milliseconds since 1970 as 64 bits, that Python's years 1 to 9999 do not hold."""

_DAY, _ERA = 86_400_000, 146_097


def moment_text(milliseconds: int) -> str:
    """A date as ISO 8601 in UTC, in any year; year 0 is the one before year 1.

    >>> moment_text(8640000000000000), moment_text(-62167219200001)
    ('275760-09-13T00:00:00.000Z', '-0001-12-31T23:59:59.999Z')
    """
    days, rest = divmod(milliseconds, _DAY)
    # the civil calendar in eras of 400 years that begin on 1 March, as in Howard Hinnant's chrono algorithms
    era, day = divmod(days + 719_468, _ERA)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    of_year = day - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year += era * 400 + (month <= 2)
    seconds, millis = divmod(rest, 1000)
    name = f"{year:04d}" if year >= 0 else f"-{-year:04d}"
    return f"{name}-{month:02d}-{of_year - (153 * shifted + 2) // 5 + 1:02d}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{millis:03d}Z"
