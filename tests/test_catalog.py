"""The catalogue: every file of it is read, is named as its file, and says where its numbers come from.

What is expected of a file is read here with another YAML reader than the product's.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import catalog
from generator.catalog import KINDS, MAX_BYTES, MAX_FILES, Catalog
from generator.catalog.models import Accelerator, CoolingDevice, Entry, Fact, OperatingSystem, RackType, Server, Vendor
from generator.problems import Position, Refused
from generator.rehearsal.drivers import Device
from generator.spec.common import Strict
from tests.vendors import vendors

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "generator" / "catalog"
FILES = sorted(FOLDER.glob("*/*.yaml"))

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
Mapping = dict[str, Any]


@cache
def plain(file: Path) -> Mapping:
    found = yaml.safe_load(file.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def everything_in(folder: str) -> dict[str, Mapping]:
    return {file.stem: plain(file) for file in FILES if file.parent.name == folder}


def claims(value: object) -> Iterator[Mapping]:
    """Every mapping below that says how sure it is."""
    if isinstance(value, dict):
        if "status" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from claims(part)


def fills(claim: Mapping) -> bool:
    """Whether a claim gives anything that a centre is computed from."""
    return any(claim.get(key) is not None for key in ("value", "resource", "autodetect", "file"))


def test_every_kind_has_a_folder_with_files_and_every_folder_is_a_kind() -> None:
    assert {file.parent.name for file in FILES} == set(KINDS)


@every_file
def test_a_file_is_read_and_named_as_the_thing_in_it(file: Path) -> None:
    kind = KINDS[file.parent.name]
    found = Catalog().get(kind, file.stem)
    assert isinstance(found, kind)
    assert (plain(file)["name"], len(file.stem) <= 40) == (file.stem, True)


@every_file
def test_a_file_lists_exactly_the_sources_that_it_cites(file: Path) -> None:
    told = plain(file)
    cited = [source for claim in claims(told) for source in claim.get("sources", [])]
    listed = set(told.get("sources", {}))
    assert set(cited) <= listed
    # The points of a cooling device come from the sources of its file together, not one by one.
    assert "points" in told or set(cited) == listed


@every_file
def test_a_value_has_a_source_that_is_good_enough(file: Path) -> None:
    told = plain(file)
    for claim in claims({key: value for key, value in told.items() if key != "sources"}):
        grades = {told["sources"][source]["grade"] for source in claim.get("sources", [])}
        if fills(claim):
            assert grades and grades != {"D"}, claim
            assert claim["status"] not in {"U", "N"} and "candidate" not in claim, claim
            assert ("own" in grades) <= (grades == {"own"} and claim["status"] == "X"), claim
        elif claim["status"] == "U":
            assert "candidate" in claim, claim


@every_file
def test_a_device_has_an_example_for_the_tests_of_the_exporter(file: Path) -> None:
    """A centre's own file may do without; those that travel with the program are read by the exporter's tests."""
    assert file.parent.name != "cooling" or plain(file).get("example")


def test_what_is_assumed_is_called_generic_or_simulated() -> None:
    for file in FILES:
        own = [claim for claim in claims(plain(file)) if "own" in claim.get("sources", [])]
        # Limits and alerts say of each number whether it is our proposal; no device stands behind their names.
        assumed = file.stem.startswith(("generic-", "simulated")) or file.parent.name in ("racks", "limits", "alerts")
        assert not own or assumed, file


def test_accelerators_name_a_vendor_and_one_of_its_plugins() -> None:
    vendors = everything_in("vendors")
    accelerators = everything_in("accelerators")
    for name, told in accelerators.items():
        plugins = vendors[told["vendor"]]["plugins"]
        assert name.startswith(f"{told['vendor']}-")
        assert told.get("plugin", next(iter(plugins))) in plugins
    assert {told["vendor"] for told in accelerators.values()} == set(vendors)


def test_no_two_vendors_offer_the_same_resource() -> None:
    vendors = everything_in("vendors").values()
    offers = [plugin["resource"] for told in vendors for plugin in told["plugins"].values()]
    assert len(offers) == len(set(offers))


def test_hosts_without_any_device_can_rehearse() -> None:
    shelf = Catalog()
    accelerator, vendor = shelf.get(Accelerator, "simulated-8"), shelf.get(Vendor, "simulated")
    host, rack, system = (
        shelf.get(Server, "simulated-host"), shelf.get(RackType, "rack-48u"), shelf.get(OperatingSystem, "debian-12"),
    )  # fmt: skip
    assert accelerator and vendor and host and rack and system
    assert accelerator.power.value and accelerator.power.value.magnitude == 100
    assert (vendor.slurm.file, vendor.slurm.autodetect, host.accelerators) == (None, None, 8)
    assert (host.height or 0) <= rack.units
    assert system.proven


def test_every_purpose_that_a_described_system_serves_is_one_that_a_proven_system_serves() -> None:
    systems = everything_in("systems").values()
    for part in ("packages", "units", "paths"):
        proven = {purpose for told in systems if told["proven"] for purpose in told[part]}
        assert {purpose for told in systems for purpose in told[part]} <= proven


def test_no_vendor_is_named_outside_the_catalogue() -> None:
    vendors = everything_in("vendors")
    domains = [plugin["resource"] for told in vendors.values() for plugin in told["plugins"].values()]
    words = {*vendors, *(domain.partition("/")[0].split(".")[-2] for domain in domains)} - {"center"}
    named = re.compile(rf"(?<![a-z0-9])({'|'.join(map(re.escape, sorted(words)))})(?![a-z0-9])", re.IGNORECASE)
    assert named.search("AMD Instinct") and not named.search("amd64"), "the search itself"

    places = [*(ROOT / "generator").rglob("*.py"), *(ROOT / "playbooks").rglob("*"), *(ROOT / "templates").rglob("*")]
    texts = [place for place in places if place.is_file() and place.suffix != ".pyc"]
    assert len(texts) > 20
    found = [
        f"{place.relative_to(ROOT)}:{number}: {line.strip()}"
        for place in texts
        for number, line in enumerate(place.read_text("utf-8").splitlines(), 1)
        if named.search(line)
    ]
    assert not found


# A site's own catalogue

OWN = """\
kind: accelerator
name: own-a1
title: Our prototype
vendor: own
memory: {value: 24 GB, status: X, sources: [bench]}
power: {value: 150 W, status: X, sources: [bench]}
form: {value: null, status: N}
cooling: {value: null, status: N}
performance:
  bf16: {value: 0.2 PFLOPS, status: X, sources: [bench]}
sources:
  bench: {grade: own, locator: measured on our bench}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The accelerators of a centre's own catalogue."""
    folder = tmp_path / "catalog" / "accelerators"
    folder.mkdir(parents=True)
    (folder / "own-a1.yaml").write_text(OWN)
    return folder


def refusal(center: Path, kind: type[Entry], name: str) -> list[tuple[str, str, Position | None]]:
    with pytest.raises(Refused) as refused:
        catalog.of(center).get(kind, name)
    return [(problem.rule, problem.message, problem.position) for problem in refused.value.problems]


def test_a_file_beside_the_spec_is_all_that_a_new_accelerator_needs(own: Path, tmp_path: Path) -> None:
    shelf = catalog.of(tmp_path)
    found = shelf.get(Accelerator, "own-a1")
    assert found and found.power.value and found.power.value.magnitude == 150
    assert found.performance["bf16"].value and found.performance["bf16"].value.magnitude == 200
    assert "own-a1" in shelf.names(Accelerator) and "simulated-8" in shelf.names(Accelerator)
    assert catalog.of(None).get(Accelerator, "own-a1") is None


def test_a_sites_own_file_takes_the_place_of_ours(own: Path, tmp_path: Path) -> None:
    text = (FOLDER / "accelerators" / "simulated-8.yaml").read_text().replace("100 W", "90 W")
    (own / "simulated-8.yaml").write_text(text)
    found = catalog.of(tmp_path).get(Accelerator, "simulated-8")
    assert found and found.power.value and found.power.value.magnitude == 90


def test_links_are_not_followed(own: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    (own / "own-a1.yaml").rename(elsewhere)
    (own / "own-a1.yaml").symlink_to(elsewhere)
    assert catalog.of(tmp_path).get(Accelerator, "own-a1") is None

    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "catalog").symlink_to(tmp_path / "catalog")
    (own / "own-a1.yaml").unlink()
    elsewhere.rename(own / "own-a1.yaml")
    assert catalog.of(tmp_path).get(Accelerator, "own-a1")
    assert catalog.of(linked).get(Accelerator, "own-a1") is None


def test_a_linked_folder_of_a_kind_is_not_followed(own: Path, tmp_path: Path) -> None:
    shutil.move(own, tmp_path / "elsewhere")
    own.symlink_to(tmp_path / "elsewhere")
    assert catalog.of(tmp_path).get(Accelerator, "own-a1") is None


@pytest.mark.parametrize(
    ("right", "wrong", "rule", "line", "column"),
    [
        ("150 W", "150 L/min", "catalog.value", 6, 16),
        ("150 W", "150", "catalog.value", 6, 16),
        ("power:", "powers:", "catalog.unknown-key", 6, 1),
        ("status: N}", "status: Q}", "catalog.value", 7, 29),
        ("vendor: own\n", "", "catalog.missing-key", 1, 1),
        ("name: own-a1", "name: own-b1", "catalog.name", 2, 7),
        ("name: own-a1", "kind: accelerator", "source.duplicate", 2, 1),
        ("title: Our", "title: [Our", "source.syntax", 4, 7),
    ],
)
def test_a_faulty_file_is_a_finding_at_its_line_and_column(
    own: Path, tmp_path: Path, right: str, wrong: str, rule: str, line: int, column: int
) -> None:
    (own / "own-a1.yaml").write_text(OWN.replace(right, wrong, 1))
    findings = refusal(tmp_path, Accelerator, "own-a1")
    places = {(rule, p.file, p.line, p.column) for rule, _, p in findings if p}
    assert (rule, "catalog/accelerators/own-a1.yaml", line, column) in places


FACT = "power: {value: 150 W, status: X, sources: [bench]}"


@pytest.mark.parametrize(
    ("wrong", "rule", "marked", "hint"),
    [
        ("power: {value: 150 W, status: V}", "catalog.source", "V", "sources of this file: bench"),
        ("power: {value: 150 W, status: I, sources: []}", "catalog.source", "I", "sources of this file: bench"),
        ("power: {value: 150 W, status: S, sources: [bensh]}", "catalog.source", "bensh", 'did you mean "bench"?'),
        ("power: {value: 150 W, status: X, sources: [x]}", "catalog.source", "x", "list it: {x: {grade: A,"),
        ("power: {value: null, status: N, sources: [x]}", "catalog.source", "x", "list it: {x: {grade: A,"),
        ("power: {value: 9 W, status: U}", "catalog.status", "U", "say who vouches for it"),
        ("power: {value: 9 W, status: N, sources: [bench]}", "catalog.status", "N", "say who vouches for it"),
        ("power: 150 W", "catalog.value", "150 W", "write {value: 150 W, status: V, sources: [NAME]}"),
        ("power: 150", "catalog.value", "150", "write {value: 150, status: V, sources: [NAME]}"),
        ('power: "150 W, or so"', "catalog.value", '"150 W, or so"', 'write {value: "150 W, or so", status: V,'),
        ("power: {value: 150 W, sources: [bench]}", "catalog.missing-key", "power", "status: V verified with"),
    ],
)  # fmt: skip
def test_a_fact_without_its_origin_is_a_finding_that_says_what_is_right(
    own: Path, tmp_path: Path, wrong: str, rule: str, marked: str, hint: str
) -> None:
    (own / "own-a1.yaml").write_text(OWN.replace(FACT, wrong))
    with pytest.raises(Refused) as refused:
        catalog.of(tmp_path).get(Accelerator, "own-a1")
    [problem] = refused.value.problems
    assert problem.position and problem.hint
    line, start = OWN.replace(FACT, wrong).split("\n")[problem.position.line - 1], problem.position.column - 1
    assert (problem.rule, line[start : start + problem.position.length], problem.position.line) == (rule, marked, 6)
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize("right", ["{value: 150 W, status: X}", "{value: null, status: V}", "{value: null, status: U}"])
def test_what_nobody_has_read_needs_no_source(own: Path, tmp_path: Path, right: str) -> None:
    (own / "own-a1.yaml").write_text(OWN.replace(FACT, f"power: {right}"))
    assert catalog.of(tmp_path).get(Accelerator, "own-a1")


def test_a_part_that_is_a_claim_as_a_whole_names_its_source_too(own: Path, tmp_path: Path) -> None:
    text = (FOLDER / "vendors/simulated.yaml").read_text("utf-8")
    (own.parent / "vendors").mkdir()
    (own.parent / "vendors/simulated.yaml").write_text(
        text.replace("file: null, status: X, sources: [own]", "status: V")
    )
    assert [
        (rule, position.line if position else 0) for rule, _, position in refusal(tmp_path, Vendor, "simulated")
    ] == [("catalog.source", 10)]


def test_own_files_of_the_samples_are_read() -> None:
    for file in sorted((ROOT / "inventories").glob("*/catalog/*/*.yaml")):
        assert Catalog((file.parents[1],)).get(KINDS[file.parent.name], file.stem), file


def test_a_device_of_a_centres_own_needs_no_example(own: Path, tmp_path: Path) -> None:
    text = (FOLDER / "cooling/ocp-orv3-rpu.yaml").read_text("utf-8")
    (own.parent / "cooling").mkdir()
    (own.parent / "cooling/ocp-orv3-rpu.yaml").write_text(re.sub(r"^example: .*$", "", text, flags=re.M))
    assert catalog.of(tmp_path).get(CoolingDevice, "ocp-orv3-rpu")


def models(model: type[Strict]) -> Iterator[type[Strict]]:
    for below in model.__subclasses__():
        yield from (below, *models(below))


def test_every_field_of_every_model_is_described() -> None:
    found = [model for model in models(Strict) if model.__module__.startswith("generator.catalog.")]
    assert {Fact, Vendor, CoolingDevice} <= set(found) and len(found) > 20
    fields = [(model.__name__, name, field) for model in found for name, field in model.model_fields.items()]
    assert [(model, name) for model, name, field in fields if len(field.description or "") < 4] == []


def test_a_file_that_is_no_text_is_a_finding_at_its_first_bad_byte(own: Path, tmp_path: Path) -> None:
    (own / "own-a1.yaml").write_bytes(b"kind: \xff")
    [(rule, _, position)] = refusal(tmp_path, Accelerator, "own-a1")
    assert (rule, position) == ("source.encoding", Position("catalog/accelerators/own-a1.yaml", 1, 7))


def test_a_fault_is_told_once_however_often_the_file_is_named(own: Path, tmp_path: Path) -> None:
    (own / "own-a1.yaml").write_text(OWN.replace("150 W", "150", 1))
    things = catalog.of(tmp_path)
    counts = []
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            things.get(Accelerator, "own-a1")
        counts.append(len(refused.value.problems))
    assert counts == [1, 0, 0]


def test_all_files_together_have_a_limit_that_is_told_once(own: Path, tmp_path: Path) -> None:
    names = ["own-a1", "own-a2", "own-a3"]
    for name in names:
        text = OWN.replace("own-a1", name, 1)
        (own / f"{name}.yaml").write_text(f"{text}# {'x' * (MAX_BYTES // 2 - len(text) - 3)}\n")
    things = catalog.of(tmp_path)
    assert [things.get(Accelerator, name) is not None for name in names[:2]] == [True, True]
    counts = []
    for name in ("own-a3", "simulated-8"):
        with pytest.raises(Refused) as refused:
            things.get(Accelerator, name)
        counts.append([(problem.rule, problem.position) for problem in refused.value.problems])
    assert counts == [[("catalog.unreadable", Position("catalog/accelerators/own-a3.yaml", 1, 1))], []]


def test_a_folder_has_a_limit_too(own: Path, tmp_path: Path) -> None:
    for number in range(MAX_FILES):
        (own / f"own-b{number}.yaml").touch()
    (own / "own-a1.yaml").unlink(missing_ok=True)
    assert catalog.of(tmp_path).get(Accelerator, "own-c1") is None
    (own / "own-a1.yaml").write_text(OWN)
    things = catalog.of(tmp_path)
    with pytest.raises(Refused, match="has more than 1000 files"):
        things.get(Accelerator, "own-c1")
    assert things.get(Accelerator, "simulated-8") is not None


def test_names_that_cannot_be_printed_are_not_offered(own: Path, tmp_path: Path) -> None:
    for name in ("own-\x1b[2J.yaml", "own-\udcff.yaml", "own-\n.yaml", "own-\u202e.yaml", "own-a1.yaml"):
        (own / name).touch()
    offered = set(catalog.of(tmp_path).names(Accelerator)) - set(Catalog().names(Accelerator))
    assert offered == {"own-a1"}


def test_devices_of_every_class_can_be_rehearsed() -> None:
    """They choose by driver and attributes, which a fake device can have; others are left out."""
    found = [vendor.facts["cluster"]["claims"] for vendor in vendors().values() if "claims" in vendor.facts["cluster"]]
    assert len(found) > 5
    for claims in found:
        device = Device.chosen_by(claims["selector"]["value"])
        assert device and device.driver == claims["device-class"]["value"]
    chosen = Device.chosen_by("device.driver == 'x' && device.attributes['x'].type == 'gpu'")
    assert chosen == Device("x", {"x/type": "gpu"})
    assert Device.chosen_by("device.driver == 'x' && device.capacity['x'].memory > quantity('1Gi')") is None
