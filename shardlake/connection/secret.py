"""References to secrets in connection files, and taking secrets out of text that is about to be shown.

`${NAME}` is an environment variable, `${file:/run/secrets/shop}` a file's content without its last line break, and
`${aws:SECRET_ID}` or `${aws:SECRET_ID#key}` a secret of AWS Secrets Manager (and a key of its JSON).
"""

import json
import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shardlake.errors import SpecError

_REFERENCE = re.compile(r"\$\{([^{}]+)\}")


def expand(value: Any, where: str) -> Any:
    """Every reference inside a string, list or mapping, resolved. Raises SpecError that names the reference alone."""
    if isinstance(value, dict):
        return {key: expand(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, where) for item in value]
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _resolve(found[1], where), value)
    return value


def _resolve(reference: str, where: str) -> str:
    kind, _, rest = reference.partition(":")
    try:
        if not rest:
            return os.environ[reference]
        if kind == "file":
            return Path(rest).read_text("utf-8").removesuffix("\n")
        if kind == "aws":
            name, _, key = rest.partition("#")
            text = _aws_secret(name)
            return str(json.loads(text)[key]) if key else text
    except KeyError:
        raise SpecError(f"{where}: ${{{reference}}} is not set", hint="Set it in the environment of this process.") from None
    except Exception as error:  # noqa: BLE001 - AWS and files fail in many ways; none of their texts may pass
        raise SpecError(
            f"{where}: ${{{reference}}} cannot be read ({type(error).__name__})", hint="Check the reference and the rights to it."
        ) from None
    raise SpecError(f"{where}: ${{{reference}}} is no reference; write ${{NAME}}, ${{file:PATH}} or ${{aws:SECRET_ID#KEY}}")


@cache
def _aws_secret(name: str) -> str:
    import boto3  # a tenth of a second, for those who need it

    return str(boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`, in their plain and URL-quoted spellings.

    >>> redact("login a:p%40ss@h failed", ["p@ss"])
    'login a:***@h failed'
    """
    spellings = {spelling for secret in secrets if secret for spelling in (secret, quote(secret, safe=""), quote(secret))}
    if not spellings:
        return text
    longest_first = sorted(spellings, key=len, reverse=True)  # one may be the beginning of another
    return re.sub("|".join(map(re.escape, longest_first)), "***", text)
