"""The schema that editors get says what the program says: the same centres pass, the same slips are found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft7Validator
from pydantic import Field

from generator.problems import Position, Refused
from generator.schema import part as schema_of_a_part
from generator.schema import schema, schema_of
from generator.source import Source, load, loads
from generator.spec import Center, model_at, read
from generator.spec.common import Name, Strict
from tests.lessons import ROOT

SCHEMA = schema()
VALIDATOR = Draft7Validator(SCHEMA, format_checker=None)
CENTERS = {name: load(ROOT / "inventories" / name / "center.yaml").data for name in ("starter", "duo")}
each_center = pytest.mark.parametrize("name", CENTERS)
Path_ = tuple[str | int, ...]


def mappings(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The place of every mapping with keys of the language."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from mappings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from mappings(item, (*path, index))


def at(data: Any, path: Path_) -> Any:
    for part in path:
        data = data[part]
    return data


# Other mappings have names that the user chooses.
STRICT = [
    (name, path)
    for name, data in CENTERS.items()
    for path in mappings(data)
    if model_at(Center, data, path) is not None
]


def test_it_is_a_draft_7_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "$defs" not in json.dumps(SCHEMA)


def test_no_choice_is_without_a_kind() -> None:
    """Editors say "not valid under any" of other choices, which helps nobody; `kind` decides, or there is one form."""
    assert [node for node in nodes(SCHEMA) if "anyOf" in node or "oneOf" in node] == []


MODELS = {"": SCHEMA, **SCHEMA["definitions"]}
KEYS = [(name, key) for name, model in MODELS.items() for key in model.get("properties", {})]


@pytest.mark.parametrize("name", MODELS)
def test_every_mapping_is_described(name: str) -> None:
    assert len(MODELS[name].get("description", "")) > 3, "the model needs a docstring"


@pytest.mark.parametrize(("name", "key"), KEYS, ids=str)
def test_every_key_is_described(name: str, key: str) -> None:
    """Where it stands, because that is what an editor shows; beside a reference nobody would read it."""
    field = MODELS[name]["properties"][key]
    assert len(field.get("description", "")) > 3, "the field needs Field(description=...)"
    assert "$ref" not in field


def test_every_key_of_every_model_is_there() -> None:
    """Counted in the models themselves, so that a walk that sees too little is noticed."""
    for model in strict_models(Strict):
        if model.__module__.startswith("generator.spec") and model.__name__ in MODELS:
            keys = {field.alias for field in model.model_fields.values()}
            assert keys <= MODELS[model.__name__]["properties"].keys(), model
    assert {("Pool", "server"), ("Kubernetes", "pods"), ("", "halls"), ("", "include")} <= set(KEYS)


def strict_models(model: type[Strict]) -> Iterator[type[Strict]]:
    for below in model.__subclasses__():
        yield from (below, *strict_models(below))


def test_units_and_defaults_are_said() -> None:
    power = SCHEMA["definitions"]["PowerSubject"]["properties"]
    assert power["simultaneity"]["default"] == "100 %"
    capacity = SCHEMA["definitions"]["Feed"]["properties"]["capacity"]
    assert capacity["description"].endswith("(a power; units: W, kW, MW)")
    assert capacity["patternErrorMessage"] == 'needs a power such as "40 kW"'
    assert SCHEMA["definitions"]["Tenant"]["properties"]["environments"]["default"] == ["main"]


def test_every_default_is_a_value_of_its_place() -> None:
    seen = 0
    for node in nodes(SCHEMA):
        if "default" in node and "description" in node:
            assert Draft7Validator({**node, "definitions": SCHEMA["definitions"]}).is_valid(node["default"]), node
            seen += 1
    assert seen > 5


class ColdPlate(Strict):
    """A plate."""

    kind: Literal["cold-plate"]
    flow: int = Field(description="How much.")


class Tank(Strict):
    """A tank."""

    kind: Literal["single-phase", "two-phase"]
    level: int = Field(description="How high.")


class Rod(Strict):
    """A rod."""

    kind: Literal["rod"]


Inner = Annotated[Tank | Rod, Field(discriminator="kind")]


class Nested(Strict):
    """Unions in unions, in lists, in mappings."""

    by_name: dict[Name, dict[Name, Annotated[ColdPlate | Inner, Field(discriminator="kind")]]]
    one: Inner | None = Field(None, description="One.")
    several: list[Inner] = Field(default_factory=list, description="Several.")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"kind": "cold-plate", "level": 1}, ["level", "flow"]),
        ({"kind": "two-phase", "flow": 1}, ["flow", "level"]),
        ({"kind": "single-phase", "level": 1}, []),
        ({"kind": "rod"}, []),
        ({"kind": "coldplate"}, ["coldplate"]),
        ({}, ["kind"]),
    ],
    ids=str,
)
def test_the_kind_is_what_the_model_says_however_deep_it_lies(data: dict[str, Any], words: list[str]) -> None:
    """The names of classes play no part: cold-plate is not coldplate."""
    made = schema_of(Nested)
    places: list[dict[str, Any]] = [{"by-name": {"a": {"b": data}}}]
    if data.get("kind") != "cold-plate":  # which only the outer union has
        places += [{"by-name": {}, "one": data}, {"by-name": {}, "several": [data]}]
    for where in places:
        messages = [error.message for error in Draft7Validator(made).iter_errors(where)]
        assert len(messages) == len(words) and all(any(word in message for message in messages) for word in words)
        assert not any("any of" in message for message in messages)


@each_center
def test_the_sample_centres_are_valid(name: str) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(CENTERS[name])] == []


@pytest.mark.parametrize(("name", "path"), STRICT, ids=lambda value: ".".join(map(str, value)) if value else "root")
def test_an_unknown_key_is_refused_at_every_level(name: str, path: Path_) -> None:
    data = deepcopy(CENTERS[name])
    at(data, path)["no-such-key"] = 1
    errors = list(VALIDATOR.iter_errors(data))
    assert len(errors) == 1 and "no-such-key" in errors[0].message
    with pytest.raises(Refused) as refused:
        read(Source(data=data))
    [problem] = refused.value.problems
    assert (problem.rule, problem.path) == ("spec.unknown-key", (*path, "no-such-key"))


WRONG = [
    (("clusters", "cloud", "pods"), "10.0.0.0", "pods"),
    (("clusters", "cloud", "version"), "latest", "version"),
    (("clusters", "cloud", "kind"), "nomad", "kind"),
    (("pools", "train", "role"), "boss", "role"),
    (("power", "feeds", "west", "capacity"), "60 L/min", "capacity"),
    (("power", "feeds", "west", "rack"), "60 kW", "rack"),
    (("cooling", "loops", "plate-1", "protection"), ["luck"], "protection"),
    (("cooling", "loops", "plate-1", "kind"), "air", "kind"),
    (("pools", "train", "slot"), 0, "slot"),
    (("pools", "train", "slot"), "2", "slot"),
    (("organizations", "university", "tenants", "vision-lab", "quota", "train"), "sixteen", "train"),
    (("metadata", "name"), "No Name", "name"),
    (("network", "plans", "nodes"), "10.16.0.0", "nodes"),
    (("apiVersion",), "center/v2", "apiVersion"),
]


@pytest.mark.parametrize(("path", "value", "key"), WRONG, ids=lambda value: str(value)[-30:])
def test_a_wrong_value_is_one_error_at_its_key(path: Path_, value: Any, key: str) -> None:
    data = deepcopy(CENTERS["starter"])
    at(data, path[:-1])[path[-1]] = value
    places = {tuple(leaf.absolute_path)[: len(path)] for error in VALIDATOR.iter_errors(data) for leaf in leaves(error)}
    assert places == {path}
    with pytest.raises(Refused) as refused:
        read(Source(data=data))
    [problem] = refused.value.problems
    assert problem.path[: len(path)] == path


@pytest.mark.parametrize("path", [("pools",), ("halls",), ("halls", "hall-1", "rows"), ("cooling", "loops")], ids=str)
def test_a_name_that_is_none_is_refused(path: Path_) -> None:
    data = deepcopy(CENTERS["starter"])
    things = at(data, path)
    things["No_Name 1"] = things.pop(next(iter(things)))
    [error] = VALIDATOR.iter_errors(data)
    assert tuple(error.absolute_path) == path and "No_Name 1" in error.message


def leaves(error: Any) -> Iterator[Any]:
    if not error.context:
        yield error
    for inner in error.context or ():
        yield from leaves(inner)


@pytest.mark.parametrize("kind", ["kubernetes", "slurm"])
def test_a_union_speaks_of_the_kind_that_was_written_and_of_no_other(kind: str) -> None:
    data = deepcopy(CENTERS["starter"])
    data["clusters"]["cloud"] = {"kind": kind, "version": "1.36" if kind == "kubernetes" else "22.05", "nodes": 3}
    if kind == "kubernetes":
        data["clusters"]["cloud"] |= {"pods": "10.128.0.0/16", "services": "10.96.0.0/16"}
    [message] = [error.message for error in VALIDATOR.iter_errors(data)]
    assert "nodes" in message and "pods" not in message.replace("10.", "")
    with pytest.raises(Refused) as refused:
        read(Source(data=data))
    assert [problem.path for problem in refused.value.problems] == [("clusters", "cloud", "nodes")]


def test_every_example_in_the_schema_is_a_value_of_its_place() -> None:
    seen = 0
    for node in nodes(SCHEMA):
        for example in node.get("examples", []):
            check = Draft7Validator(
                {**{k: v for k, v in node.items() if k != "examples"}, "definitions": SCHEMA["definitions"]}
            )
            assert check.is_valid(example), (node, example)
            seen += 1
    assert seen > 10


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from nodes(item)


def test_the_command_prints_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "generator", "schema"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(printed) == SCHEMA


@pytest.mark.parametrize(
    ("text", "line", "column", "length"),
    [
        ("pools:\n  Bad Name: {}\n", 2, 3, 8),
        ("halls:\n  h:\n    rows:\n      a1: {racks: {a01: x}}\n", 4, 7, 2),
        ("halls:\n  h:\n    rows:\n      a: {racks: {a: x}}\n", 4, 19, 1),
        ("metadata: {name: No}\n", 1, 18, 2),
        ("metadata: {name: x, tittle: y}\n", 1, 21, 6),
        ("clusters: {c: {kind: nomad}}\n", 1, 22, 5),
        ("clusters: {c: {version: x}}\n", 1, 12, 1),
        ("access: {ssh: [a]}\n", 1, 10, 3),
        ("network: {ntp: [ok, -]}\n", 1, 21, 1),
        ("targets: {pue: 0.9}\n", 1, 16, 3),
    ],
)
def test_findings_stand_at_the_text_that_is_wrong(text: str, line: int, column: int, length: int) -> None:
    with pytest.raises(Refused) as refused:
        read(loads(text))
    assert Position("center.yaml", line, column, length) in [problem.position for problem in refused.value.problems]


# Includes

MINGYUE = ROOT / "inventories/chaohu-mingyue"
PART = schema_of_a_part()
PARTS = Draft7Validator(PART, format_checker=None)


def messages(checked: Draft7Validator, text: str) -> list[str]:
    return [error.message for error in checked.iter_errors(loads(text).data)]


def test_a_centre_in_several_files_is_valid_file_by_file() -> None:
    texts = {file.name: file.read_text("utf-8") for file in sorted(MINGYUE.glob("*.yaml"))}
    assert set(texts) == {"center.yaml", "people.yaml", "plant.yaml"}
    assert "power:" not in texts["center.yaml"] and "power:" in texts["plant.yaml"]
    for name, text in texts.items():
        assert messages(VALIDATOR if name == "center.yaml" else PARTS, text) == [], name


def test_what_is_missing_is_missed_only_in_a_file_that_stands_alone() -> None:
    whole = (MINGYUE / "center.yaml").read_text("utf-8")
    alone = whole.replace("include: [plant.yaml, people.yaml]\n", "")
    missed = " ".join(messages(VALIDATOR, alone))
    assert "'power'" in missed and "'halls'" in missed
    # Also in a subject that several files say together.
    assert messages(VALIDATOR, whole + "\npower: {other: 1 %}\n") == []
    assert "'feeds' is a required property" in messages(VALIDATOR, alone + "\npower: {other: 1 %}\n")
    assert "'kind' is a required property" in messages(VALIDATOR, whole.replace("kind: Center\n", ""))


def test_a_part_is_checked_in_all_else() -> None:
    Draft7Validator.check_schema(PART)
    assert messages(PARTS, "power: {simultaneity: 90 %}\n") == []
    for wrong, told in (
        ("powr: {}\n", "'powr' was unexpected"),
        ("power: {simultaneity: 90}\n", "is not of type 'string'"),
        ("pools: {a: {role: worker}}\n", "'server' is a required property"),
        ("include: [more.yaml]\n", "'include' was unexpected"),
    ):
        [message] = messages(PARTS, wrong)
        assert told in message


def test_the_command_prints_the_schema_of_a_part() -> None:
    command = [sys.executable, "-m", "generator", "schema", "--part"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(printed) == PART
