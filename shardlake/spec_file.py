"""Files that people write: YAML that hides no mistake, and what is wrong with it in our words."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from shardlake.errors import SpecError

_SAYINGS = {
    "extra_forbidden": "unknown key; check its spelling, or remove it",
    "missing": "is missing; add it",
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list, as in [id]",
    "dict_type": "must be a mapping, as in {{key: value}}",
    "model_type": "must be a mapping, as in {{key: value}}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "too_short": "needs {min_length} or more",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
}
"""Pydantic's findings in our words."""
_FORMS = r"function-|tuple\[|dict\[|constrained-|(\[key\]|timedelta|int|str|Greatest)$"


class _UniqueKeys(yaml.SafeLoader):
    """YAML keeps the last of two equal keys in silence; a column that is declared twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # <<: *other
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem="a list or mapping cannot be a key", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """A YAML file's content. Raises SpecError with file, line and problem."""
    try:
        return yaml.load(path.read_text("utf-8"), _UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f"{error.problem_mark.line + 1}" if error.problem_mark else "?"
        raise SpecError(f"{path}, line {line}: {error.problem}", hint="Mend the YAML.") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SpecError(f"{path}: not YAML in UTF-8 ({type(error).__name__})", hint="Mend the file.") from None
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}", hint="Check the path.") from None


def explain(error: ValidationError, where: str) -> SpecError:
    """Pydantic's findings as one message a line: file, key, what is wrong. Input is left out: it may hold secrets."""
    texts: dict[str, list[str]] = {}
    own: set[str] = set()
    for found in error.errors(include_input=False, include_url=False):
        key = ".".join(_keys(found["loc"]))
        saying = _SAYINGS.get(found["type"])
        text = saying.format(**found.get("ctx", {})) if saying else found["msg"].removeprefix("Value error, ")
        if found["type"] == "value_error":  # ours says more than what pydantic says of the other forms of a value
            own.add(key)
        elif key in own or (found["type"] == "too_short" and any(known.startswith(f"{key}.") for known in texts)):
            continue
        texts.setdefault(key, []).append(text)
    lines = [f"{where}: {key + ': ' if key else ''}{text}" for key, found in texts.items() for text in dict.fromkeys(found)]
    return SpecError("\n".join(lines))


def _keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys of a place in a file, without the names that pydantic gives to the forms of a value."""
    keys: list[str] = []
    for part in place:
        if (keys and keys[-1] == "columns") or not re.match(_FORMS, str(part)):
            text = str(part)[:63]
            keys.append(text if text.isprintable() and text else repr(text))
    return keys
