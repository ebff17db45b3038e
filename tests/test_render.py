"""Templates as trees: everything an author may write keeps values apart from syntax, everything else is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import resources
from generator.artifact import Artifact, Body, Json, Raw, TextTemplate, Yaml, YamlTemplate
from generator.render import Renderer, RenderError, render

EVIL = 'a", --privileged, "x: [1] # {{ x }}\n- b: "c'
BASE: dict[str, object] = {
    "u": EVIL,
    "n": 5,
    "yes": True,
    "none": None,
    "half": 0.5,
    "list": [1, "two", {"three": [None, False]}],
    "map": {"k": "v", EVIL: [EVIL]},
    "empty": {},
}

OTHERS = {
    "macros.yaml": "{% macro entry(k, v) %}{{ k }}: <{{ v }}>{% endmacro %}"
    "{% macro wrap() %}pre-{{ caller() }}-post{% endmacro %}{% set top %}top-{{ u }}{% endset %}",
    "part.yaml": "part: {{ u }}\n",
    "parent.yaml": "head: {{ u }}\n{% block body %}old: {{ n }}\n{% endblock %}",
}


def fill(tmp_path: Path, source: str, context: dict[str, object] | None = None) -> list[Any]:
    """The documents that come out of one YAML template, read by a YAML reader."""
    for name, text in {**OTHERS, "t.yaml": source}.items():
        (tmp_path / name).write_text(text)
    body = YamlTemplate("t.yaml", BASE if context is None else context)
    return list(yaml.load_all(Renderer(tmp_path).render(Artifact("x.yaml", body, ("pools.a",))), yaml.CSafeLoader))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a: {{ u }}", {"a": EVIL}),
        ('a: "{{ u }}"', {"a": EVIL}),
        ("a: '{{ u }}'", {"a": EVIL}),
        ("a: pre {{ u }} post", {"a": f"pre {EVIL} post"}),
        ("a: {{ u }}{{ n }}", {"a": f"{EVIL}5"}),
        ("a: |\n  x\n  {{ u }}\n  y\n", {"a": f"x\n{EVIL}\ny\n"}),
        ("a: >-\n  x\n  {{ u }}\n", {"a": f"x {EVIL}"}),
        ('args: ["--name={{ u }}", {{ n }}]', {"args": [f"--name={EVIL}", 5]}),
        ("a: {b: {{ u }}, c: {{ list }}}", {"a": {"b": EVIL, "c": BASE["list"]}}),
        ("{{ u }}: 1", {EVIL: 1}),
        ("{{ n }}: 1\n{{ yes }}: 2", {"5": 1, "true": 2}),
        ("? {{ u }}\n: 1", {EVIL: 1}),
        ("x-{{ n }}: {y-{{ n }}: 1}", {"x-5": {"y-5": 1}}),
        ("a: {{ n }}\nb: {{ half }}\nc: {{ yes }}\nd: {{ none }}", {"a": 5, "b": 0.5, "c": True, "d": None}),
        ('a: "{{ n }}"\nb: "{{ yes }}"\nc: "{{ half }}"', {"a": "5", "b": "true", "c": "0.5"}),
        ("a: on={{ yes }},n={{ n }}", {"a": "on=true,n=5"}),
        ("a: {{ list }}\nb: {{ map }}\nc: {{ empty }}", {"a": BASE["list"], "b": BASE["map"], "c": {}}),
        ("a:\n  {{ map }}\n", {"a": BASE["map"]}),
        ("a: {{ 'constant: x' }}\nb: {{ 1 + 1 }}\nc: {{ u ~ n }}", {"a": "constant: x", "b": 2, "c": f"{EVIL}5"}),
        ("a: {{ list[1] | upper }}\nb: {{ [u, 'x'] | join('+') }}", {"a": "TWO", "b": f"{EVIL}+x"}),
        ("a: {{ nothing | default('d') }}\nb: {{ 'y' if yes else u }}", {"a": "d", "b": "y"}),
        ("a:\n{% for i in list[:2] %}\n  - {{ i }}\n{% endfor %}\n", {"a": [1, "two"]}),
        ("{% for k, v in map | dictsort %}\n{{ k }}: {{ v }}\n{% endfor %}", BASE["map"]),
        ("{% if yes %}\na: {{ u }}\n{% else %}\nb: {{ u }}\n{% endif %}", {"a": EVIL}),
        ("{% set s %}{{ u }}-{{ n }}{% endset %}\na: {{ s }}\nb: [{{ s }}]", {"a": f"{EVIL}-5", "b": [f"{EVIL}-5"]}),
        ("{% set s = u %}\na: {{ s }}", {"a": EVIL}),
        ("{% macro m(v) %}<{{ v }}>{% endmacro %}\na: {{ m(u) }}\nb: {{ m(m(u)) }}",
         {"a": f"<{EVIL}>", "b": f"<<{EVIL}>>"}),
        ("{% import 'macros.yaml' as m %}\n{{ m.entry('k', u) }}\nt: {{ m.top }}",
         {"k": f"<{EVIL}>", "t": f"top-{EVIL}"}),
        ("{% from 'macros.yaml' import entry %}\n{{ entry(u, n) }}", {EVIL: "<5>"}),
        ("{% from 'macros.yaml' import wrap %}\na: {% call wrap() %}{{ u }}{% endcall %}", {"a": f"pre-{EVIL}-post"}),
        ("{% include 'part.yaml' %}\nb: 1", {"part": EVIL, "b": 1}),
        ("{% include 'part.yaml' without context %}\nb: 1", {"part": EVIL, "b": 1}),
        ("{% extends 'parent.yaml' %}{% block body %}{{ super() }}new: {{ u }}\n{% endblock %}",
         {"head": EVIL, "old": 5, "new": EVIL}),
        ("a: &x {{ u }}\nb: *x", {"a": EVIL, "b": EVIL}),
        ("a: 1 # {{ u }}\n# {{ u }}\n", {"a": 1}),
        ("{{ map }}", BASE["map"]),
        ("a: {% raw %}'{{ x }}'{% endraw %}", {"a": "{{ x }}"}),
        ("a: no\nb: 0644\nc: 22:30\nd: 2024-01-01\ne: 1_000\nf: 10:20:30:40:50:55", {
            "a": "no", "b": "0644", "c": "22:30", "d": "2024-01-01", "e": "1_000", "f": "10:20:30:40:50:55"}),
        ("a: null\nb: ~\nc:\nd: true\ne: -5\nf: 1.5\ng: 0", {
            "a": None, "b": None, "c": None, "d": True, "e": -5, "f": 1.5, "g": 0}),
        ("a: {{ u | prometheus_text }}", {"a": EVIL.replace("{", '{{ "{" }}')}),
        ("a: {{ '$(HOME)' | kubernetes_text }}", {"a": "$$(HOME)"}),
        ("a: '@{node.name}'\nb: '@{node.address}-{{ n }}'", {"a": "@{node.name}", "b": "@{node.address}-5"}),
    ],
)  # fmt: skip
def test_what_an_author_may_write(tmp_path: Path, source: str, expected: object) -> None:
    assert fill(tmp_path, source) == [expected]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("a: {{ missing }}", "line 1 of t.yaml: 'missing' is undefined"),
        ("\n\na: {{ map.missing }}", "line 3 of t.yaml: 'dict object' has no attribute 'missing'"),
        ("a: {{ 'x' if not yes }}", "no else section"),
        ("a: {{ [1, missing2.x] }}", "'missing2' is undefined"),
        ("a: {{ [missing] }}", "StrictUndefined"),
        ("{% if x %}", "line 1 of t.yaml"),
        ("a: {{ u | tojson }}", "No filter named 'tojson'"),
        ("a: {{ list | random }}", "No filter named 'random'"),
        ("a: {{ u | safe }}", "No filter named 'safe'"),
        ("a: {{ lipsum() }}", "'lipsum' is undefined"),
        ("{% filter upper %}a: {{ u }}{% endfilter %}", "a filter works on a value"),
        ("{% set s | upper %}{{ u }}{% endset %}a: {{ s }}", "a filter works on a value"),
        ("{% autoescape true %}a: {{ u }}{% endautoescape %}", "a filter works on a value"),
        ("{% set s %}{{ u }}{% endset %}{% if s == 'x' %}{% endif %}a: 1", "can be printed, not compared"),
        ("{% set s %}{{ u }}{% endset %}{% if s %}{% endif %}a: 1", "can be printed, not compared"),
        ("{% set s %}{{ u }}{% endset %}a: {{ s | length }}", "can be printed, not compared"),
        ("{% set s %}{{ u }}{% endset %}a: {{ s | upper }}", "a filter on what a macro wrote"),
        ("{% set s %}{{ u }}{% endset %}a: {{ s ~ 'x' }}", "a filter on what a macro wrote"),
        ("{% set s %}{{ u }}{% endset %}a: {{ [s] }}", "no data that a file can hold"),
        ("a: x{{ none }}", "text is needed, not NoneType"),
        ('a: "{{ none }}"', "text is needed, not NoneType"),
        ("a: x{{ list }}", "text is needed, not list"),
        ("a: |\n  {{ map }}", "text is needed, not dict"),
        ("{{ none }}: 1", "text is needed, not NoneType"),
        ("{{ list }}: 1", "text is needed, not list"),
        ("a: {{ range(3) }}", "range"),
        ("a: {{ list | map('string') }}", "generator"),
        ("a: {{ half * 1e308 * 10 }}", "no data that a file can hold: float inf"),
        ("a: x{{ half * 1e308 * 10 }}", "text is needed, not float inf"),
        ("a: 1\n{{ 'a' }}: 2", 'two entries of one mapping are called "a"'),
        ("{{ u }}: 1\n{{ u }}: 2", "two entries of one mapping"),
        ("a: 1\na: 2", "as a key: twice"),
        ("<<: {a: 1}", "as a key: twice, a merge"),
        ("1: a", "no text"),
        ("true: a", "no text"),
        ("a: [", "no proper YAML"),
        ("a: !!python/object:os.system {}", "no proper YAML"),
        ("a: !x {{ u }}", "no proper YAML"),
        ("a: !!int {{ u }}", "no proper YAML"),
        ("a: !!binary aGk=", "no data that a file can hold: bytes"),
        ("{% include 'nowhere.yaml' %}", "nowhere.yaml"),
        ("{% include '../../etc/passwd' %}", "passwd"),
        ("a: {{ 1 / 0 }}", "line 1 of t.yaml: division by zero"),
        ("a: {{ u.__class__ }}", "unsafe"),
        ("{% do map.update(x=1) %}a: 1", "unknown tag 'do'"),
        ("{% set _ = list.append(1) %}a: 1", "unsafe"),
        ("a: {{ '@{node.name}' }}", "is filled while applying"),
        ("a: '@{{ '{node.name}' }}'", "is filled while applying"),
        ("a: {{ ['@{node.name}'] }}", "is filled while applying"),
        ("a: '@{node.name}' # @{node.name}\nb: {{ '@{node.address}' }}", "is filled while applying"),
        ("a: {{ '\ue0000\ue001' }}", "private-use"),
        ("a: x{{ '\ue0000\ue001' }}", "private-use"),
        ("a: {{ ['\ue000'] }}", "private-use"),
        ("a: {{ '\\ud800' }}", "surrogates"),
    ],
)
def test_what_is_refused_with_its_reason(tmp_path: Path, source: str, reason: str) -> None:
    with pytest.raises(RenderError) as caught:
        fill(tmp_path, source)
    (problem,) = caught.value.problems
    assert problem.message.startswith('"x.yaml" cannot be rendered: template "t.yaml": ')
    assert reason in problem.message
    assert problem.path == ("pools", "a")


def test_several_documents_and_empty_ones(tmp_path: Path) -> None:
    source = "---\na: {{ n }}\n---\n{% if none %}\nb: 1\n{% endif %}\n---\n# {{ n }}\nc: {{ u }}\n---\n"
    assert fill(tmp_path, source) == [{"a": 5}, {"c": EVIL}]
    assert fill(tmp_path, "{% if none %}a: 1{% endif %}") == []


def test_every_render_has_its_own_values(tmp_path: Path) -> None:
    """One renderer, one shape, other values: nothing of an earlier render may stay in imports or constants."""
    source = "{% import 'macros.yaml' as m %}\n{{ m.entry('k', u) }}\nt: {{ m.top }}\nc: {{ 'c' }}\nl: {{ l }}\n"
    for name, text in {**OTHERS, "t.yaml": source}.items():
        (tmp_path / name).write_text(text)
    renderer = Renderer(tmp_path)
    for u in ("one", "two", EVIL, "one"):
        shared = [u]
        body = YamlTemplate("t.yaml", {"u": u, "l": shared})
        (document,) = yaml.load_all(renderer.render(Artifact("x", body, ())), yaml.CSafeLoader)
        assert document == {"k": f"<{u}>", "t": f"top-{u}", "c": "c", "l": [u]}
        assert shared == [u]


def test_a_nearer_folder_wins_and_may_use_the_other(tmp_path: Path) -> None:
    for folder, name, text in (
        ("near", "a.yaml", "a: near {% include 'b.yaml' %}"),
        ("far", "a.yaml", "a: far"),
        ("far", "b.yaml", "far"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(text)
    renderer = Renderer(tmp_path / "near", tmp_path / "far")
    assert renderer.render(Artifact("x", YamlTemplate("a.yaml", {}), ())) == b'---\n"a": "near far"\n'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (Json({"b": 1, "a": {"c": []}}), b'{\n  "a": {"c": []},\n  "b": 1\n}\n'),
        (Json([1, 2], expand=0), b"[1, 2]\n"),
        (Yaml(({"a": "yes"}, ["x"])), b'---\n"a": "yes"\n---\n- "x"\n'),
        (Raw(b"\x00\xff"), b"\x00\xff"),
    ],
)
def test_bodies_without_a_template(body: Body, expected: bytes) -> None:
    assert render(Artifact("x", body, ())) == expected


def test_data_that_no_file_can_hold_names_the_file() -> None:
    with pytest.raises(RenderError, match=r'"c/x\.yaml" cannot be rendered: is no data that a file can hold: set'):
        render(Artifact("c/x.yaml", Yaml(({"a": {1}},)), ()))


def test_an_unknown_syntax_is_said(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("{{ x }}")
    with pytest.raises(RenderError, match='no text syntax is called "cobol"'):
        Renderer(tmp_path).render(Artifact("x", TextTemplate("t", {"x": 1}, "cobol"), ()))


def test_resources_are_found() -> None:
    assert resources.folder("templates").is_dir()
    assert resources.folder("bad").is_dir()
    assert (resources.folder("starter") / "center.yaml").is_file()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        resources.folder("nowhere")


def test_same_bytes_whatever_the_surroundings(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("{% for k in m | dictsort %}\n- {{ k }}\n{% endfor %}\n- {{ m }}\n")
    (tmp_path / "t.conf").write_text("{% for k, v in m | dictsort %}\n{{ k }}={{ v }}\n{% endfor %}\n")
    program = f"""
import sys
from pathlib import Path
from generator.artifact import *
from generator.render import Renderer
m = {{f"k{{i}}": f"v{{i}} ü" for i in range(50)}}
if sys.argv[1] == "back": m = dict(reversed(m.items()))
renderer = Renderer(Path({str(tmp_path)!r}))
for body in (YamlTemplate("t.yaml", {{"m": m}}), TextTemplate("t.conf", {{"m": m}}, "shell"), Json(m), Yaml((m,))):
    sys.stdout.buffer.write(renderer.render(Artifact("x", body, ())))
"""
    results = set()
    for seed, order, locale, zone in (
        ("0", "on", "C", "UTC"),
        ("1", "back", "C.UTF-8", "Asia/Shanghai"),
        ("7", "on", "POSIX", "EST"),
    ):
        surroundings = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone}
        done = subprocess.run([sys.executable, "-c", program, order], env=surroundings, capture_output=True, check=True)
        results.add(done.stdout)
    assert len(results) == 1
    assert len(results.pop()) > 1000
