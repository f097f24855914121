"""A container registry, read as `docker pull` reads it: manifests and blobs, with the rights that a push has."""

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError

from deployments.server import PublishRefused

_ECR = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_INDEX = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFEST = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of an image: its registry's host, its repository there, and a tag or a digest.

    >>> Reference.of("123456789012.dkr.ecr.eu-west-1.amazonaws.com/shardlake:1a2b3c4")
    Reference(host='123456789012.dkr.ecr.eu-west-1.amazonaws.com', name='shardlake', which='1a2b3c4')
    >>> Reference.of("shardlake").which, Reference.of("localhost:5000/a/b@sha256:00").name
    ('latest', 'a/b')
    """

    host: str
    name: str
    which: str

    @classmethod
    def of(cls, image: str) -> Self:
        """The parts of a name as Docker reads it."""
        first, slash, rest = image.partition("/")
        named = bool(slash) and ("." in first or ":" in first or first == "localhost")
        host, path = (first, rest) if named else ("registry-1.docker.io", image if slash else f"library/{image}")
        path, _, digest = path.partition("@")
        name, _, tag = path.partition(":")
        return cls(host, name, digest or tag or "latest")


class Registry:
    """The registry of one image. Every failure is a PublishRefused that names the image."""

    def __init__(self, image: str) -> None:
        self.image, self._at = image, Reference.of(image)
        here = self._at.host.partition(":")[0] in ("localhost", "127.0.0.1")
        url = f"{'http' if here else 'https'}://{self._at.host}/v2/{self._at.name}/"
        self._client = httpx.Client(base_url=url, timeout=60, follow_redirects=True)
        self._headers: dict[str, str] = {}

    @classmethod
    @contextmanager
    def of(cls, image: str) -> Iterator[Self]:
        """The registry, for a while."""
        registry = cls(image)
        try:
            with registry._client:
                yield registry
        except (httpx.HTTPError, BotoCoreError, ClientError, OSError, ValueError, KeyError) as error:
            raise unread(image, type(error).__name__) from None

    def manifest(self, architecture: str) -> tuple[str, dict[str, Any]]:
        """The image's manifest for Linux on an architecture (`amd64`, `arm64`), and the digest of what the name stands for."""
        answer = self._get(f"manifests/{self._at.which}")
        digest = f"sha256:{sha256(answer.content).hexdigest()}"
        found: dict[str, Any] = answer.json()
        if "manifests" in found:
            wanted = {"os": "linux", "architecture": architecture}
            fits = [m for m in found["manifests"] if wanted.items() <= m.get("platform", {}).items()]
            if not fits:
                raise nothing_for(self.image, architecture)
            found = self._get(f"manifests/{fits[0]['digest']}").json()
        return digest, found

    def document(self, digest: str) -> dict[str, Any]:
        """A blob that is JSON."""
        with self.blob(digest) as file:
            found: dict[str, Any] = json.load(file)
        return found

    @contextmanager
    def blob(self, digest: str) -> Iterator[IO[bytes]]:
        """A blob as a file that lasts for the block. One that is not what its digest says is refused."""
        self._allowed(f"blobs/{digest}")
        with TemporaryFile() as file:
            self._fill(file, digest)
            file.seek(0)
            yield file

    def _fill(self, file: IO[bytes], digest: str) -> None:
        whole = sha256()
        with self._client.stream("GET", f"blobs/{digest}", headers=self._headers) as answer:
            answer.raise_for_status()
            for piece in answer.iter_raw():
                whole.update(piece)
                file.write(piece)
        if f"sha256:{whole.hexdigest()}" != digest:
            raise unread(self.image, f"{digest} is not what the registry sent")

    def _get(self, path: str) -> httpx.Response:
        self._allowed(path)
        answer = self._client.get(path, headers=self._headers | {"Accept": ", ".join([*_INDEX, *_MANIFEST])})
        if answer.status_code != 200:
            raise unread(self.image, f"HTTP {answer.status_code}")
        return answer

    def _allowed(self, path: str) -> None:
        """Have what the registry asks for: nothing, a user's password, or a token for it."""
        if self._headers:
            return
        asked = self._client.head(path, headers={"Accept": ", ".join([*_INDEX, *_MANIFEST])})
        if asked.status_code != 401:
            return
        scheme, _, rest = asked.headers.get("WWW-Authenticate", "").partition(" ")
        login = credentials(self._at.host)
        if scheme.lower() == "bearer":
            said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
            params = {k: said[k] for k in ("service", "scope") if k in said} | {"scope": f"repository:{self._at.name}:pull"}
            given: dict[str, Any] = httpx.get(said["realm"], params=params, auth=login, timeout=60).raise_for_status().json()
            self._headers = {"Authorization": f"Bearer {given.get('token') or given['access_token']}"}
        elif login:
            self._headers = {"Authorization": "Basic " + base64.b64encode(":".join(login).encode()).decode()}


def unread(image: str, why: str) -> PublishRefused:
    """That an image cannot be read, and what to do."""
    return PublishRefused(
        f"the image {image} cannot be read ({why}), so that nobody knows which views are in it",
        hint="Log in to its registry as for a push (for ECR AWS's credentials are taken), or say --trust-image.",
    )


def nothing_for(image: str, architecture: str) -> PublishRefused:
    """That an image is for other machines than those that would run it, and what to do."""
    return PublishRefused(
        f"the image {image} has nothing for linux/{architecture}, which the work pool's runs are",
        hint=f"Build it with --platform linux/{architecture}, or give the pool another cpu_architecture.",
    )


def credentials(host: str) -> tuple[str, str] | None:
    """User and password for a registry: of AWS for ECR, else as `docker login` left them; None where there are none."""
    if ecr := _ECR.fullmatch(host):
        token = boto3.client("ecr", region_name=ecr[1]).get_authorization_token()["authorizationData"][0]["authorizationToken"]
        return _pair(token)
    file = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    config: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    name = "https://index.docker.io/v1/" if host == "registry-1.docker.io" else host
    if helper := config.get("credHelpers", {}).get(name) or config.get("credsStore"):
        done = subprocess.run([f"docker-credential-{helper}", "get"], input=name, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            answer = json.loads(done.stdout)
            return answer["Username"], answer["Secret"]
    return _pair(config.get("auths", {}).get(name, {}).get("auth", ""))


def _pair(encoded: str) -> tuple[str, str] | None:
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if user else None
