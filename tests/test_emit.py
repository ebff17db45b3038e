"""Emitted text read back by the readers that will meet it: strict JSON, YAML 1.1 (libyaml) and YAML 1.2 (ruamel)."""

from __future__ import annotations

import json
import re
import string
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from generator.emit import EmitError, emit_json, emit_yaml

# Each breaks some reader or some careless writer: other types when unquoted, line breaks, escapes, non-characters.
ODD_STRINGS = [
    *("", " ", "~", "null", "yes", "No", "on", "y", "true", "010", "0o17", "0x1F", "1e3", "1_000", "22:30", "1.10"),
    *(".inf", "10:20:30:40:50:55", "2024-01-01", "- a", "a: b", "a #b", "# a", "&a", "*a", "!tag", "!!str x", "%YAML"),
    *("@x", "`x`", "{a: b}", "[a]", "a, b", "'", '"', "\\", "\\n", "---", "...", "<<", "? a", "| x", "> x", "last "),
    *("\tx", "x\n\ny\n", "\x00", "\x1b[0m", "\x7f", "\x80", "\x85", "a\x85b", "\x9f", "\xa0", "\u2028", "\u2029"),
    *("\ufeff", "\ufeffx", "\ufdd0", "\ufffd", "\ufffe", "\uffff", "\U0001f600", "\U0001fffe", "\U0010ffff", "中心"),
    *("e\u0301", "\u202e", "\ue000", "{{ x }}"),
]  # fmt: skip

strings = st.one_of(st.text(), st.sampled_from(ODD_STRINGS), st.text(alphabet=string.printable))
numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
data = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, strings),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(strings, inner, max_size=5)),
    max_leaves=20,
)


def exact(value: object) -> str:
    """A form in which 1, 1.0 and True differ, and 0.0 and -0.0 as well."""
    return json.dumps(value, sort_keys=True)


def read_yaml_1_1(text: bytes) -> list[Any]:
    return list(yaml.load_all(text, yaml.CSafeLoader))


def read_yaml_1_2(text: bytes) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(text.decode()))


@given(data, st.integers(0, 4))
def test_json_reads_back(value: object, expand: int) -> None:
    assert exact(json.loads(emit_json(value, expand))) == exact(value)


@given(st.lists(data, max_size=3))
def test_yaml_reads_back_in_both_versions(documents: list[object]) -> None:
    text = emit_yaml(documents)
    assert exact(read_yaml_1_1(text)) == exact(documents)
    assert exact(read_yaml_1_2(text)) == exact(documents)


@given(data, st.integers(0, 4))
def test_our_json_means_the_same_to_yaml_readers(value: object, expand: int) -> None:
    text = emit_json(value, expand)
    assert exact(read_yaml_1_1(text)) == exact([value])
    assert exact(read_yaml_1_2(text)) == exact([value])


@pytest.mark.parametrize("text", ODD_STRINGS)
def test_odd_string_as_key_value_and_item(text: str) -> None:
    value = {text: text, "list": [text, [text], {text: [text]}]}
    emitted = emit_yaml([value])
    assert read_yaml_1_1(emitted) == read_yaml_1_2(emitted) == [value]
    assert json.loads(emit_json(value)) == value


@pytest.mark.parametrize("length", [159, 160, 161, 600, 1023, 1024, 1025, 70_000])
@pytest.mark.parametrize("character", ["k", "\x85", "\x00", "\U0001f600", '"'])
def test_long_keys(length: int, character: str) -> None:
    value = {character * length: [{character * length: {"a": 1}}], "b": {character * length: []}}
    emitted = emit_yaml([value])
    assert read_yaml_1_1(emitted) == read_yaml_1_2(emitted) == [value]


@given(st.dictionaries(strings, strings, min_size=1))
def test_every_string_is_quoted_on_one_line_of_harmless_characters(value: dict[str, str]) -> None:
    text = emit_yaml([value]).decode()
    quoted = r'"(?:[^"\\]|\\.)*"'
    for line in text.removeprefix("---\n").removesuffix("\n").split("\n"):
        assert re.fullmatch(rf"(?:\? )?{quoted}:? ?(?:{quoted})?|: {quoted}", line), line
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", text)


def test_emoji_and_chinese_stay_readable() -> None:
    assert emit_yaml([{"标题": "智算中心 🚀"}]).decode() == '---\n"标题": "智算中心 🚀"\n'
    assert emit_json(["智算中心 🚀"], 0).decode() == '["智算中心 🚀"]\n'


def test_layout_of_yaml() -> None:
    value = {"b": [1, [2, 3], {"y": None, "x": True}], "a": {}, "c": {"d": [[], {"e": 1.5}]}}
    assert emit_yaml([value, "x"]).decode() == (
        '---\n"a": {}\n"b":\n  - 1\n  - - 2\n    - 3\n  - "x": true\n    "y": null\n'
        '"c":\n  "d":\n    - []\n    - "e": 1.5\n--- "x"\n'
    )


def test_layout_of_json_is_a_row_a_line() -> None:
    nodes = {"n-2": {"address": "10.0.0.2"}, "n-1": {"address": "10.0.0.1"}}
    assert emit_json(nodes).decode() == '{\n  "n-1": {"address": "10.0.0.1"},\n  "n-2": {"address": "10.0.0.2"}\n}\n'
    assert (
        emit_json({"all": {"hosts": {"a[1:4]": {}}}}, 2).decode()
        == '{\n  "all": {\n    "hosts": {"a[1:4]": {}}\n  }\n}\n'
    )
    assert emit_json([[{"a": 1}], []], 2).decode() == '[\n  [\n    {"a": 1}\n  ],\n  []\n]\n'
    assert emit_json([], 3) == b"[]\n"


@given(st.dictionaries(strings, data, max_size=8), st.randoms())
def test_order_of_insertion_does_not_matter(value: dict[str, object], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    shuffled = {key: value[key] for key in keys}
    assert emit_yaml([shuffled]) == emit_yaml([value])
    assert emit_json(shuffled) == emit_json(value)


def _cycle() -> list[object]:
    cycle: list[object] = []
    cycle.append(cycle)
    return cycle


class _Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        *(float("nan"), float("inf"), -float("inf"), b"bytes", {1, 2}, object(), range(3), 1j, _Text("x")),
        *(
            {1: "x"},
            {None: "x"},
            {True: "x"},
            {"a": 1, 2: 3},
            "\ud800",
            {"\udfff": 1},
            ["ok", "\ud83d"],
            10**5000,
            _cycle(),
        ),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_what_no_file_can_hold_is_refused(value: object) -> None:
    for nested in (value, {"a": [value]}):
        with pytest.raises(EmitError):
            emit_yaml([nested])
        with pytest.raises(EmitError):
            emit_json(nested)
