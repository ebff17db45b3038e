"""kubectl reads what we emit as it was meant: the third YAML reader, beside PyYAML and ruamel."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from control_plane.tools import build_tools
from generator.artifact import Artifact, YamlTemplate
from generator.emit import emit_yaml
from generator.render import Renderer
from tests.test_hostile_strings import enemies

pytestmark = pytest.mark.cluster

# What one reader or another takes for a number, a boolean, a date or a time.
TOKENS = "0123456789eEoxXbyYnN.+-_:~"
SEED, COUNT = 20261122, 3000


def strings() -> list[str]:
    chance = Random(SEED)
    tokens = ["".join(chance.choices(TOKENS, k=chance.randint(1, 6))) for _ in range(COUNT)]
    return [text for text in (*enemies(SEED, COUNT), *tokens) if not any("\ud800" <= c <= "\udfff" for c in text)]


def read(folder: Path, text: bytes) -> list[dict[str, Any]]:
    """The objects as kubectl prints them; it needs no cluster for this."""
    (folder / "objects.yaml").write_bytes(text)
    command = [str(build_tools().kubectl), "label", "--local", "-f", str(folder / "objects.yaml"), "a=b", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=folder)
    decoder, rest = json.JSONDecoder(), done.stdout.strip()
    found: list[dict[str, Any]] = []
    while rest:
        document, end = decoder.raw_decode(rest)
        found += document["items"] if document["kind"] == "List" else [document]
        rest = rest[end:].strip()
    return found


def config(number: int, value: str) -> dict[str, Any]:
    meta = {"name": f"c-{number}", "annotations": {"text": value}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"key": value}}


def test_kubectl_reads_every_string_as_it_was(tmp_path: Path) -> None:
    wanted = strings()
    found = read(tmp_path, emit_yaml(config(number, value) for number, value in enumerate(wanted)))
    assert [each["data"]["key"] for each in found] == wanted
    assert [each["metadata"]["annotations"]["text"] for each in found] == wanted


def test_kubectl_reads_filled_templates_as_they_were_meant(tmp_path: Path) -> None:
    template = (
        "{% for value in values %}---\n"
        "apiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: c-{{ loop.index }}, annotations: {text: {{ value }}}}\n"
        'data:\n  key: {{ value }}\n  part: "a {{ value }} b"\n{% endfor %}'
    )
    (tmp_path / "all.yaml").write_text(template, "utf-8")
    # What a spec may not hold at all is not asked for here.
    wanted = [text for text in strings() if not re.search("[\ue000-\uf8ff]|@{", text)][:1500]
    body = YamlTemplate("all.yaml", {"values": wanted})
    found = read(tmp_path, Renderer(tmp_path).render(Artifact("all.yaml", body, ())))
    assert [each["data"] for each in found] == [{"key": value, "part": f"a {value} b"} for value in wanted]
