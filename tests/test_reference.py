"""The reference pages say everything that the language and the rules say, and are up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml
from markdown_it import MarkdownIt

from generator import schema
from generator.catalog import KINDS
from generator.catalog.models import GRADES, STATUSES
from generator.catalog.vendor_cluster import NodeProgram
from generator.source import load
from tests.golden import PAGES, page
from tests.lessons import ROOT

SPEC, RULES, CATALOG = (PAGES[name].read_text("utf-8") for name in ("spec", "rules", "catalog"))
LESSONS = sorted(file.stem for file in (ROOT / "tests/bad").glob("*.yaml"))
FIELDS = set(re.findall(r"^\| `([a-z][^`]*)` \|", SPEC, re.M))


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    assert PAGES[name].read_bytes() == page(name), "run `make golden` and review"


@pytest.mark.parametrize("name", PAGES)
def test_tables_are_whole_and_links_lead_somewhere(name: str) -> None:
    """Read by a Markdown parser: every row has as many cells as its table, every link has its heading."""
    tokens = MarkdownIt("commonmark").enable("table").parse(PAGES[name].read_text("utf-8"))
    headings = [
        re.sub(r"[^a-z0-9 -]", "", tokens[index + 1].content.lower()).replace(" ", "-")
        for index, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    assert len(headings) == len(set(headings)), "two headings of one name, and links lead to the first"
    text = PAGES[name].read_text("utf-8")
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert len(links) > 10 and set(links) <= set(headings)
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert len(rows) == sum(token.type == "tr_open" for token in tokens) + sum(
        token.type == "table_open" for token in tokens
    )
    cells = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    assert set(cells) <= {"spec": {6, 4}, "rules": {3}, "catalog": {6, 4, 3}}[name]


@pytest.mark.parametrize("rule", LESSONS)
def test_every_finding_is_told(rule: str) -> None:
    [section] = re.findall(rf"^### {re.escape(rule)}\n(.*?)(?=^##|\Z)", RULES, re.M | re.S)
    assert re.search(r"^\*(error|warning)\*$", section, re.M)
    told = yaml.safe_load((ROOT / "tests/bad" / f"{rule}.yaml").read_text("utf-8"))
    assert told["shows"] in section and " ".join(told["why"].split()) in " ".join(section.split())
    assert "Refused:" in section or "Accepted:" in section


def test_every_field_is_told() -> None:
    """As many fields of a name as the schema has, whichever way a reader comes to them."""
    made = schema.schema()
    names = {key for model in made["definitions"].values() for key in model["properties"]}
    told = {field.rpartition(".")[2] for field in FIELDS}
    assert names <= told
    subjects = [part["$ref"] for subject in made["properties"].values() for part in subject.get("allOf", ())]
    below = [model for name, model in made["definitions"].items() if f"#/definitions/{name}" not in subjects]
    assert len(below) > 20 and all(model["description"] in SPEC for model in below)
    assert made["properties"].keys() <= {*re.findall(r"^\| \[([a-z-]+)\]", SPEC, re.M), *FIELDS}


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Where a spec says something, a slash between names, because names of ranges have dots."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for item in value:
            yield from leaves(item, f"{path}[]")
    else:
        yield path


@pytest.mark.parametrize("name", ["starter", "duo"])
def test_every_field_that_a_sample_writes_is_told_at_its_place(name: str) -> None:
    told = [re.escape(field.replace(".", "/")).replace("NAME", "[^/]+") for field in FIELDS]
    # A thing by name, such as a share of a pool, is told with the field that holds it.
    form = re.compile(rf"({'|'.join(told)}|apiVersion|kind)(/[^/]+)?")
    found = list(leaves(load(ROOT / "inventories" / name / "center.yaml").data))
    assert len(found) > 40 and [path for path in found if not form.fullmatch(path)] == []


def test_a_subject_says_once_what_it_is() -> None:
    """Its own words and those of its mapping would say the same twice."""
    sections = re.findall(r"^## [a-z-]+\n\n(.*?)(?=^##|\Z)", SPEC, re.M | re.S)
    assert len(sections) > 10
    for section in sections:
        before = section.partition("| field |")[0].split("\n### ")[0]
        assert len([line for line in before.split("\n") if line]) == 1, section[:200]


# The catalogue


@pytest.mark.parametrize("folder", sorted(KINDS))
def test_every_field_of_a_kind_is_told_with_a_whole_file(folder: str) -> None:
    """Fields from the files themselves, read with another reader than the product's."""
    word = get_args(KINDS[folder].model_fields["kind"].annotation)[0]
    [section] = re.findall(rf"^## {word}\n(.*?)(?=^## |\Z)", CATALOG, re.M | re.S)
    [every] = re.findall(r"^## every file\n(.*?)(?=^## )", CATALOG, re.M | re.S)
    told = set(re.findall(r"^\| `([a-z.A-Z-]+)` \|", section + every, re.M))
    files = sorted((ROOT / "generator/catalog" / folder).glob("*.yaml"))
    written = {key for file in files for key in yaml.safe_load(file.read_text("utf-8"))}
    fields = {field.alias for field in KINDS[folder].model_fields.values()}
    assert written | fields <= told
    [(name, shown)] = re.findall(r"A whole file, `catalog/(.*?)`:\n\n```yaml\n(.*?)\n```", section, re.S)
    assert shown == (ROOT / "generator/catalog" / name).read_text("utf-8").rstrip()


def test_a_fact_is_told_in_words() -> None:
    [section] = re.findall(r"^## fact\n(.*?)(?=^## sources)", CATALOG, re.M | re.S)
    assert {f"| `{letter}` | {words} |" for letter, words in STATUSES.items()} <= set(section.split("\n"))
    assert {f"| `{letter}` | {words} |" for letter, words in GRADES.items()} <= set(CATALOG.split("\n"))
    [mass] = [
        line
        for line in CATALOG.split("\n")
        if line.startswith("| `mass` | fact: mass; units: kg, t | required | Of one s")
    ]
    assert "{value: 1200 kg, status: V, sources: [NAME]}" in mass


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "generator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


VENDORS = ROOT / "generator/catalog/vendors"


def programs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What the files of vendors run on nodes, with the vendor and the place in its file."""
    for file in sorted(VENDORS.glob("*.yaml")):
        cluster = yaml.safe_load(file.read_text("utf-8")).get("cluster", {})
        named = {f"programs.{name}": fact for name, fact in cluster.get("programs", {}).items()}
        for place, fact in {**named, "exporter": cluster.get("exporter", {})}.items():
            if fact.get("value"):
                yield file.stem, f"cluster.{place}", fact


def test_what_programs_of_nodes_need_is_told_word_by_word() -> None:
    """In the page of fields and in what is shown of each vendor, against the files themselves."""
    pages = {file.stem: program("catalog", "vendor", file.stem).stdout for file in VENDORS.glob("*.yaml")}
    assert len(list(programs())) > 10
    for vendor, place, fact in programs():
        told = re.sub("programs[.][^.]+", "programs.NAME", place)
        assert {f"{told}.value.{key}" for key in fact["value"]} <= set(re.findall(r"^\| `([^`]+)` \|", CATALOG, re.M))
        assert re.search(rf"^{place}.image +{re.escape(fact['value']['image'])} ", pages[vendor], re.M)
        for number, path in enumerate(fact["value"].get("paths", ()), 1):
            assert re.search(rf"^{place}.paths.{number}.why +{re.escape(path['why'])} ", pages[vendor], re.M)
    assert not any(re.search(r"\{'|=\[|=None", page) for page in pages.values())


def test_the_guide_to_a_vendor_names_fields_that_there_are() -> None:
    guide = (ROOT / "docs/accelerators.md").read_text("utf-8").partition("## A vendor of your own\n")[2]
    guide = guide.partition("\n## ")[0]
    [vendor] = re.findall(r"^## vendor\n(.*?)(?=^## |\Z)", CATALOG, re.M | re.S)
    fields = set(re.findall(r"^\| `([^`]+)` \|", vendor, re.M))
    consequences, manifest = (part.split("\n|---|", 1)[1].split("\n\n")[0] for part in guide.split("**A program**"))
    named = {word for row in consequences.split("\n")[1:] for word in re.findall(r"`([a-z.-]+)`", row.split("|")[1])}
    assert len(named) > 10 and named <= fields | {"pci-devices", "cluster.feature.classes"}
    keys = {word for row in manifest.split("\n")[1:] for word in re.findall(r"`([a-z-]+)", row.split("|")[2])}
    inside = {field.rpartition(".")[2] for field in fields if field.startswith("cluster.programs.NAME.value.")}
    assert inside <= keys | {"why"}
    [example] = re.findall(r"```yaml\n(.*?)```", guide, re.S)
    program = yaml.safe_load(example)["cluster"]["programs"]["acme"]
    assert NodeProgram.model_validate(program["value"]) and program["status"] in STATUSES


def test_the_guide_leads_to_every_reference() -> None:
    guide = (ROOT / "docs/designing.md").read_text("utf-8")
    assert {f"]({name}.md)" for name in PAGES} <= set(re.findall(r"\]\([a-z]+\.md\)", guide))


def row(field: str) -> list[str]:
    [line] = [line for line in SPEC.split("\n") if line.startswith(f"| `{field}` |")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.mark.parametrize(
    ("field", "takes", "default", "example"),
    [
        ("power.feeds.NAME.capacity", "power; units: W, kW, MW", "required", "`40 kW`"),
        ("power.simultaneity", "simultaneity; units: %", "`100 %`", "`80 %`"),
        ("pools.NAME.slot", "whole number, at least 1, at most 4,000", "`1`", ""),
        ("network.dns", "list of text, at most 3 of them", "", "`10.16.0.0`"),
        ("organizations.NAME.tenants.NAME.environments", "list of name, at most 40 characters, at least 1 of them",
         '`["main"]`', ""),
        ("targets.pue", "number, more than 1, less than 5", "", "`1.1`"),
    ],
)  # fmt: skip
def test_a_field_is_told_as_the_language_means_it(field: str, takes: str, default: str, example: str) -> None:
    """Written down here by hand from the models."""
    assert [*row(field)[1:3], row(field)[4]] == [takes, default, example]


def test_the_command_refuses_other_pages() -> None:
    done = program("docs", "poems")
    assert done.returncode == 64 and "'spec', 'rules'" in done.stderr
