"""What an image says and holds: its version, and the definitions of its views, read from the image itself."""

import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from deployments.registry import Reference, Registry, nothing_for, unread
from shardlake.version import definition, of_view

SMALL = 32 << 20
"""Bytes of a layer, packed, that is looked into at once. Larger ones hold programs, and are read only where no view was found."""
_REVISION = "org.opencontainers.image.revision"


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its name, the version that it runs, and its views' definitions by name; None where nobody has looked."""

    name: str
    version: str
    views: dict[str, str] | None = field(default=None)

    def lacks(self, wanted: dict[str, str]) -> list[str]:
        """What is wrong with the image for these definitions of views, a line each."""
        if self.views is None:
            return []
        gone = sorted(wanted.keys() - self.views.keys())
        other = sorted(name for name in wanted.keys() & self.views.keys() if wanted[name] != self.views[name])
        return [f"{name} is not in it" for name in gone] + [f"{name} is another there than here" for name in other]


def named(image: str, of_pool: str | None) -> str:
    """An image by its whole name: a bare digest is one of the repository of the pool's image.

    >>> named("sha256:" + "a" * 64, "host.example/shardlake:1")[:32]
    'host.example/shardlake@sha256:aa'
    """
    if re.fullmatch(r"sha256:[0-9a-f]{64}", image) and of_pool:
        at = Reference.of(of_pool)
        return f"{at.host}/{at.name}@{image}"
    return image


def trusted(image: str) -> Image:
    """An image that nobody looks into; its version is its tag, or the beginning of its digest."""
    which = Reference.of(image).which
    return Image(image, which[: len("sha256:") + 12])


def read_image(image: str, architecture: str = "amd64") -> Image:
    """Look into an image in its registry. Raises PublishRefused where it cannot be read."""
    with Registry.of(image) as registry:
        _, manifest = registry.manifest(architecture)
        document = registry.document(manifest["config"]["digest"])
        if document.get("architecture") != architecture:  # a name for several machines has led to the right one; this may be for one
            raise nothing_for(image, architecture)
        config: dict[str, Any] = document.get("config") or {}
        env = dict(item.split("=", 1) for item in config.get("Env") or [] if "=" in item)
        said = (config.get("Labels") or {}).get(_REVISION) or env.get("SHARDLAKE_VERSION")
        folder = PurePosixPath(config.get("WorkingDir") or "/") / (env.get("SHARDLAKE_VIEWS") or "views")
        layers = [layer for layer in manifest["layers"] if layer["size"] <= SMALL]
        views = _views(registry, layers, folder) or _views(registry, manifest["layers"], folder)
        return Image(image, said or trusted(image).version, views)


def _views(registry: Registry, layers: Iterable[dict[str, Any]], folder: PurePosixPath) -> dict[str, str]:
    """The views that the layers hold one over the other."""
    inside = f"{str(folder).strip('/')}/"
    files: dict[str, bytes] = {}
    for layer in layers:
        with registry.blob(layer["digest"]) as packed:
            try:
                with tarfile.open(fileobj=packed) as tar:
                    _lay_over(files, tar, inside)
            except tarfile.TarError:
                raise unread(registry.image, f"a layer is of the kind {layer.get('mediaType')}") from None
    by_view: dict[str, list[tuple[str, bytes]]] = {}
    for path, content in files.items():
        view, _, name = path.partition("/")
        if of_view(name):
            by_view.setdefault(view, []).append((name, content))
    return {view: definition(found) for view, found in by_view.items() if any(name == "view.yaml" for name, _ in found)}


def _lay_over(files: dict[str, bytes], tar: tarfile.TarFile, inside: str) -> None:
    """Bring a layer over what is below it: it takes away what it marks as gone, and then adds its own."""
    members = [(m, m.name.removeprefix("./").lstrip("/")) for m in tar]
    for _, path in members:
        above, _, name = path.rpartition("/")
        if name.startswith(".wh."):
            gone = f"{above}/" if name == ".wh..wh..opq" else f"{above}/{name.removeprefix('.wh.')}".lstrip("/")
            for known in [
                k for k in files if (gone.endswith("/") and f"{inside}{k}".startswith(gone)) or f"{inside}{k}/".startswith(f"{gone}/")
            ]:
                del files[known]
    for member, path in members:
        if path.startswith(inside) and member.isfile() and (content := tar.extractfile(member)):
            files[path.removeprefix(inside)] = content.read()
