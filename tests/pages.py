"""Markdown pages as tests read them: tables as rows, without what is there for the eye."""

from __future__ import annotations

import re


def tables(page: str) -> list[list[dict[str, str]]]:
    """The tables of a page, each as its rows by column."""
    found: list[list[dict[str, str]]] = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", page, re.MULTILINE):
        titles, _, *rows = ([_plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.strip().splitlines())
        found.append([dict(zip(titles, row, strict=True)) for row in rows])
    return found


def _plain(cell: str) -> str:
    return re.sub(r"\\(.)", r"\1", cell.replace("\u00a0", " ")).strip()


def plain(text: str) -> str:
    """A text without backslashes, and without the addresses of its links."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"\\(.)", r"\1", text))
