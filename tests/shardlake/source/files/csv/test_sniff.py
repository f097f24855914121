"""A file's beginning tells how it is written, mostly."""

from __future__ import annotations

import gzip

import pytest

from shardlake.source.files.csv.sniff import sniff


@pytest.mark.parametrize(("head", "delimiter", "quote", "escape", "header"), [
    (b"id,name,at\n1,Ann,2026-11-20\n2,Bob,2026-11-21\n", ",", '"', None, True),
    (b"1,Ann,2026-11-20\n2,Bob,2026-11-21\n", ",", '"', None, False),
    (b"id;price\n1;1,50\n2;20,00\n3;7", ";", '"', None, True),
    (b'1\t"a\tb"\n2\t"c, d, e"\n', "\t", '"', None, False),
    (b"1|a, b\n2|c\n", "|", '"', None, False),
    (b"1\x01a, b\n2\x01c\n", "\x01", '"', None, False),
    (b"id,name\n1,'Smith, Bob'\n2,'Doe, Joe'\n", ",", "'", None, True),
    (b'1,"say \\"hi\\", Bob"\n2,"c:\\\\"\n', ",", '"', "\\", False),
    (b'1,"{""a"": 1, ""b"": 2}"\n2,"{""a"": ', ",", '"', None, False),
    (b"U,101,Smith,8-Oct-15\nI,102,Jones,9-Oct-15\n", ",", '"', None, False),
    (b"name\nAnn\nBob\n", ",", '"', None, False),
    (b"number\n1\n2\n", ",", '"', None, True),
    (b"id,name\n", ",", '"', None, True),
    (b"id,id\n1,2\n", ",", '"', None, False),
    (b"", ",", '"', None, False),
])  # fmt: skip
def test_how_a_file_is_written_is_guessed(head: bytes, delimiter: str, quote: str, escape: str | None, header: bool) -> None:
    guess = sniff(head)
    assert (guess.dialect.delimiter, guess.dialect.quote, guess.dialect.escape, guess.header) == (delimiter, quote, escape, header)


@pytest.mark.parametrize(("encoding", "guessed"), [
    ("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16-le"), ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be"), ("cp1252", "cp1252"),
])  # fmt: skip
def test_the_encoding_is_guessed(encoding: str, guessed: str) -> None:
    head = "id;name\n1;Straße\n2;café\n".encode(encoding)
    for data in (head, gzip.compress(head)):
        guess = sniff(data)
        assert (guess.dialect.encoding, guess.header) == (guessed, True)
        assert [field.text for field in guess.records[1]] == ["1", "Straße"]


def test_a_head_may_end_within_a_character_or_in_the_middle_of_gzip() -> None:
    head = "id,name\n1,é\n2,é".encode()[:-1]
    assert sniff(head).dialect.encoding == "utf-8"
    assert sniff(gzip.compress(head)[:-8]).records[0][0].text == "id"
