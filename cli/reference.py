"""The manual's page of commands, made from what the commands say of themselves: `python -m cli.reference > docs/reference/commands.md`."""

import inspect
import re
import sys
from typing import Any

import typer

from cli.main import app

_HEAD = """\
# Commands

<!-- Made by `make docs` from the commands' own help. Change that, not this page. -->

Every command takes the options of `shardlake` itself, before its name: `shardlake --views views check`. Every command says this of
itself with `--help`. Exit codes and what `--json` prints are under [Results and figures](results.md).
"""


def page() -> str:
    """The page, as Markdown."""
    program: Any = typer.main.get_command(app)
    parts = [_HEAD, "## shardlake", _text(program.help), _table(program)]
    for name, command in program.commands.items():
        given = "".join(f" {_called(p)}{'…' if p.nargs == -1 else ''}" for p in command.params if _is_argument(p))
        parts += [f"## shardlake {name}", f"```text\nshardlake {name}{given} [OPTIONS]\n```", _text(command.help), _table(command)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _text(said: str) -> str:
    """A docstring; its indented examples as blocks of the shell's."""
    text = inspect.cleandoc(said)
    return re.sub(r"(?:^    \S.*\n?\n?)+", lambda found: f"```sh\n{_lines(found[0])}\n```\n\n", text + "\n", flags=re.MULTILINE)


def _lines(block: str) -> str:
    return "\n".join(line.strip() for line in block.splitlines() if line.strip())


def _table(command: Any) -> str:
    """The arguments and options, each with what it takes, what it is without it, and what it means."""
    rows = []
    for parameter in command.params:
        if parameter.name in ("install_completion", "show_completion", "help"):
            continue
        flag = _is_argument(parameter) or parameter.is_flag
        names = _called(parameter) if _is_argument(parameter) else f"{', '.join(parameter.opts)}{'' if flag else f' {_called(parameter)}'}"
        variable = f" Or `{parameter.envvar}` in the environment." if parameter.envvar else ""
        rows.append(f"| `{names}` | {_default(parameter)} | {parameter.help}{variable} |")
    return "\n".join(["| | default | |", "|---|---|---|", *rows]) if rows else ""


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _called(parameter: Any) -> str:
    """An argument, or what an option takes, in capitals: its own word for it, or what kind of value it is."""
    if parameter.metavar or _is_argument(parameter):
        return str(parameter.metavar or parameter.name.upper())
    kind = str(parameter.type.name).split()[0]
    takes: dict[str, str] = {"str": "TEXT", "int": "NUMBER", "float": "NUMBER", "integer": "NUMBER", "path": "PATH"}
    return takes.get(kind, kind.upper())


def _default(parameter: Any) -> str:
    if parameter.required:
        return "must be given"
    shown = parameter.show_default if isinstance(getattr(parameter, "show_default", None), str) else parameter.default
    return "" if shown is None or shown is False or shown == () else f"{shown}"


if __name__ == "__main__":
    sys.stdout.write(page())
