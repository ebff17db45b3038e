"""What an editor shows to whoever writes a center.yaml: the language server of editors, asked as an editor asks it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lessons import ROOT
from tests.obstacles import give_way_to
from tests.rig.language_server import Editor, editor, obstacle

STARTER = (ROOT / "inventories/starter/center.yaml").read_text("utf-8")


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that docs/ci.md tells to make."""
    file = tmp_path_factory.mktemp("editor") / "center.schema.json"
    file.write_bytes(subprocess.check_output([sys.executable, "-m", "generator", "schema"], timeout=60))
    return file


@pytest.fixture(scope="module")
def running(schema: Path) -> Iterator[Editor]:
    give_way_to(obstacle())
    with editor(schema) as found:
        yield found


_NUMBERS = itertools.count()


def fresh() -> str:
    """A file that the server has not seen yet."""
    return f"file:///centres/{next(_NUMBERS)}/center.yaml"


def changed(old: str, new: str) -> str:
    """The starter with one text replaced, which must stand there once."""
    assert STARTER.count(old) == 1, old
    return STARTER.replace(old, new)


@pytest.mark.parametrize("name", ["starter", "duo"])
def test_nothing_is_underlined_in_a_good_centre(name: str, running: Editor) -> None:
    assert running.diagnostics(fresh(), (ROOT / "inventories" / name / "center.yaml").read_text("utf-8")) == []


UNDERLINED = [
    ("a key that is not known", "rise: 10 K", "rise: 10 K\n      rize: 10 K", "rize", "rize is not allowed"),
    ("a subject that is not known", "targets", None, "tarjets", "tarjets is not allowed"),
    ("a key of another kind", 'pods: 10.128.0.0/16', 'login: x, pods: 10.128.0.0/16', "login", "login is not allowed"),
    ("a kind that is not there", "kind: cold-plate", "kind: coldplate", "coldplate", '"cold-plate"'),
    ("a wrong unit", "capacity: 60 kW, rack", "capacity: 60 L/min, rack", "60 L/min", 'needs a power such as "40 kW"'),
    ("no unit", "rise: 10 K", "rise: 10", "10", "string"),
    ("a word that is not offered", "role: control", "role: boss", "boss", '"worker"'),
    ("a missing key", "{timezone: Europe/Zurich}", "{region: Zurich}", "site", '"timezone"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "marked", "message"), [row[1:] for row in UNDERLINED], ids=[row[0] for row in UNDERLINED]
)
def test_a_slip_is_underlined(old: str, new: str | None, marked: str, message: str, running: Editor) -> None:
    text = STARTER + "\ntarjets: {}\n" if new is None else changed(old, new)
    [found] = running.diagnostics(fresh(), text)
    assert message in found["message"]
    assert "any of" not in found["message"] and "multiple schemas" not in found["message"]
    assert underlined(text, found["range"]) == marked


def underlined(text: str, place: dict[str, dict[str, int]]) -> str:
    assert place["start"]["line"] == place["end"]["line"]
    return text.split("\n")[place["start"]["line"]][place["start"]["character"] : place["end"]["character"]]


OFFERED: list[tuple[str, str, set[str], set[str]]] = [
    ("subjects", STARTER + "\n|\n", {"targets", "accepted", "include"}, {"pools"}),
    ("keys of a loop", changed("      coolant: pg25\n", "      |\n"), {"coolant", "redundancy"}, {"kind", "pods"}),
    ("keys of a kubernetes cluster", changed("pods: 10.128.0.0/16", "p|"), {"pods"}, {"kind"}),
    ("keys in a named thing", changed("slot: 2}", "slot: 2, s|}"), {"plugin", "spares"}, {"slot", "holds"}),
    ("kinds", changed("kind: kubernetes", "kind: |"), {"kubernetes", "slurm"}, {"nomad"}),
    ("words", changed("role: control", "role: |"), {"worker", "control", "login"}, {"boss"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "there", "not_there"), [row[1:] for row in OFFERED], ids=[row[0] for row in OFFERED])
def test_what_fits_is_offered(text: str, there: set[str], not_there: set[str], running: Editor) -> None:
    offered = running.completions(fresh(), text).keys()
    assert there <= offered and not not_there & offered


def test_only_keys_of_the_kind_that_was_written_are_offered(running: Editor) -> None:
    """The two kinds of cluster have different keys; before there is a kind, only the kind is offered."""
    cluster = "clusters:\n  cloud:\n"
    kubernetes = running.completions(fresh(), cluster + "    kind: kubernetes\n    |\n").keys()
    slurm = running.completions(fresh(), cluster + "    kind: slurm\n    |\n").keys()
    neither = running.completions(fresh(), cluster + "    |\n").keys()
    assert {"version", "pods", "services"} <= kubernetes
    assert "version" in slurm and not {"pods", "services"} & slurm
    assert "kind" in neither and not {"version", "pods"} & neither


def test_what_is_offered_says_what_it_is_and_goes_on(running: Editor, schema: Path) -> None:
    offered = running.completions(fresh(), STARTER + "\n|\n")
    assert offered["targets"]["documentation"] == described(schema, "targets")
    assert offered["targets"]["insertText"].startswith("targets:\n")


def described(schema: Path, subject: str) -> str:
    return str(json.loads(schema.read_text("utf-8"))["properties"][subject]["description"])


def test_a_key_under_the_mouse_is_explained(running: Editor, schema: Path) -> None:
    def hover(old: str, new: str) -> str:
        return running.hover(fresh(), changed(old, new))

    assert "units: W, kW, MW" in hover("capacity: 60 kW, rack", "capa|city: 60 kW, rack")
    assert described(schema, "power") in hover("\npower:", "\npow|er:")
    assert described(schema, "halls") in hover("\nhalls:", "\nhal|ls:")
    assert "`slurm`: A Slurm cluster." in hover("kind: kubernetes", "ki|nd: kubernetes")


def test_the_comment_at_the_top_names_the_schema_too(running: Editor, schema: Path) -> None:
    """For editors without a setting: the first line of the file, as the page tells."""
    file = schema.with_name("other.yaml")
    text = "# yaml-language-server: $schema=center.schema.json\n" + changed("slot: 2", "slut: 2")
    found: list[dict[str, Any]] = running.diagnostics(file.as_uri(), text)
    assert [mark["message"] for mark in found] == ["Property slut is not allowed."]


@pytest.mark.parametrize("name", ["center", "plant", "people"])
def test_nothing_is_underlined_in_a_centre_of_several_files(name: str, running: Editor, schema: Path) -> None:
    """Each file names its schema in its first line, as the page tells."""
    part = schema.with_name("center-part.schema.json")
    part.write_bytes(subprocess.check_output([sys.executable, "-m", "generator", "schema", "--part"], timeout=60))
    first = f"# yaml-language-server: $schema={schema.name if name == 'center' else part.name}\n"
    text = first + (ROOT / f"inventories/chaohu-mingyue/{name}.yaml").read_text("utf-8")
    assert running.diagnostics(schema.with_name(f"{name}-of-mingyue.yaml").as_uri(), text) == []
    wrong = running.diagnostics(schema.with_name(f"{name}-wrong.yaml").as_uri(), text + "\ntarjets: {}\n")
    assert [mark["message"] for mark in wrong] == ["Property tarjets is not allowed."]
