"""Certificate authorities for the image: fetched when it is built, checked, and written where connections name them.

python -m deployments.ca_bundle https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem FILE [SHA256]
"""

import hashlib
import ssl
import sys
import urllib.request
from pathlib import Path


class Refused(ValueError):
    """What was fetched is not what was asked for; the message says what to do."""


def fetch(address: str, file: Path, sha256: str = "") -> int:
    """Write the PEM bundle at `address` to `file`, and return how many authorities are in it.

    Over HTTPS, or with a checksum over any way. Raises Refused, and OSError where nothing answers.
    """
    if not address.startswith("https://") and not sha256:
        raise Refused(f"{address}: whoever is on the way could change it; take https, or give the bundle's sha256")
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - the builder of the image says where from
        content = answer.read()
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256.lower():
        raise Refused(f"{address}: its sha256 is {found}, not {sha256}; look at what has changed before you take it")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise Refused(f"{address}: holds no certificates in PEM: {error}") from None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return len(context.get_ca_certs())


def main(words: list[str]) -> int:
    """Fetch the bundle at the first word, if it is not empty, to the file of the second; a third is its sha256."""
    address, file, sha256 = [*words, ""][:3]
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    if not address:
        return 0
    try:
        sys.stdout.write(f"{fetch(address, Path(file), sha256)} authorities in {file}\n")
    except (Refused, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
