"""Parts of others: fetched once by digest into a cache of the operator, checked at every use, applied with the rest.

What lies in the cache is believed by its hash alone, so it may come from anywhere: the source that the spec names, a
folder that somebody carried in, another machine's cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator.apply.clusters.comparison import Manifest
from generator.apply.clusters.membership import Key
from generator.apply.files import write_whole
from generator.problems import Problem, Refused
from generator.text import visible

LARGEST_BYTES = 64 * 2**20
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a cluster, as the tree names it."""

    cluster: str
    name: str
    version: str
    source: str
    digest: str

    @property
    def file(self) -> Path:
        """Where it lies on this machine once it has been fetched."""
        return cache() / self.digest.removeprefix("sha256:")

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class NotThere(Exception):
    """Why a part is not to be had, in one line."""

    def problem(self, part: Part) -> Problem:
        return Problem("cluster.part-missing", f'part "{part.name}" {part.version} of cluster "{part.cluster}": {self}')


def cache() -> Path:
    """The operator's cache of parts (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "center/parts"


def parts_of(tree: Path, cluster: str) -> list[Part]:
    """The parts that a cluster of the tree runs."""
    file = tree / "clusters" / cluster / "parts.json"
    known: dict[str, dict[str, str]] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return [Part(cluster, name, entry["version"], entry["source"], entry["digest"]) for name, entry in known.items()]


def fetch(part: Part, folder: Path | None = None) -> bool:
    """Bring a part into the cache, from a folder if one is given; False if it was there. NotThere says why not."""
    if part.file.exists() and _digest(part.file.read_bytes()) == part.digest:
        return False
    text = _carried(part, folder) if folder else _downloaded(part)
    if (found := _digest(text)) != part.digest:
        raise NotThere(f"it has the digest {found}, the spec says {part.digest}")
    try:
        part.file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(part.file, text)
    except OSError as error:
        raise NotThere(f'"{part.file}" cannot be written: {error.strerror}') from error
    return True


def objects_of(part: Part) -> list[Manifest]:
    """The objects of a part; Refused when it was not fetched, or is not what the spec says or no manifests at all."""
    try:
        text = part.file.read_bytes()
    except OSError:
        text = b""
    if _digest(text) != part.digest:
        message = f'part "{part.name}" {part.version} of cluster "{part.cluster}" has not been fetched'
        raise Refused([Problem("cluster.part-missing", message, hint="center fetch")])
    try:
        return [Manifest(f"part {part}", body, part.name) for body in _bodies(text)]
    except ValueError as fault:
        message = f'part "{part.name}" {part.version} holds no manifests: {visible(fault)}'
        raise Refused([Problem("cluster.part-content", message, hint="is it the right file?")]) from fault


def together(ours: Sequence[Manifest], parts: Sequence[Manifest]) -> list[Manifest]:
    """Both; an object of ours takes the place of one of a part, in its turn: that is how a part is configured."""
    theirs = {Key.of(manifest.body): manifest for manifest in parts}
    mine = [
        replace(manifest, part=theirs[key].part) if (key := Key.of(manifest.body)) in theirs else manifest
        for manifest in ours
    ]
    own = {Key.of(manifest.body) for manifest in ours}
    return [*(manifest for key, manifest in theirs.items() if key not in own), *mine]


def _carried(part: Part, folder: Path) -> bytes:
    """The file of a folder that has the digest, whatever it is called."""
    try:
        for file in sorted(folder.iterdir()):
            if file.is_file() and file.stat().st_size <= LARGEST_BYTES:
                text = file.read_bytes()
                if _digest(text) == part.digest:
                    return text
    except OSError as error:
        raise NotThere(f'"{folder}" cannot be read: {error.strerror}') from error
    raise NotThere(f'no file in "{folder}" has the digest {part.digest}')


def _downloaded(part: Part) -> bytes:
    request = urllib.request.Request(part.source, headers={"User-Agent": "center"})
    opener = urllib.request.build_opener(
        _StaysSecure(), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            text: bytes = answer.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:  # what urllib raises for a refusal, a broken connection, a wrong certificate
        raise NotThere(f"{part.source}: {visible(getattr(error, 'reason', error))}") from error
    if len(text) > LARGEST_BYTES:
        raise NotThere(f"{part.source} is larger than {LARGEST_BYTES} bytes")
    return text


class _StaysSecure(urllib.request.HTTPRedirectHandler):
    """Follows a server to another one, but not to one that anybody on the way could pretend to be."""

    def redirect_request(self, request: Any, answer: Any, code: int, message: str, headers: Any, target: str) -> Any:
        if not target.startswith("https://"):
            raise urllib.error.URLError(f"leads to {visible(target)}, which is not protected")
        return super().redirect_request(request, answer, code, message, headers, target)


def _digest(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _bodies(text: bytes) -> Iterator[dict[str, Any]]:
    """Every object of a stream of YAML documents; ValueError for what is none."""
    import yaml

    try:
        documents = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    for document in filter(None, documents):
        if isinstance(document, dict) and str(document.get("kind")).endswith("List") and "items" in document:
            yield from map(_checked, document["items"])
        else:
            yield _checked(document)


def _checked(body: Any) -> dict[str, Any]:
    try:
        if all(isinstance(word, str) for word in (body["apiVersion"], body["kind"], body["metadata"]["name"])):
            found: dict[str, Any] = body
            return found
    except (KeyError, TypeError):
        pass
    raise ValueError("a document of it is no object with apiVersion, kind and a name")
