"""A centre's own catalogue: every slip in it is told in its file and at its line, with the line shown."""

from __future__ import annotations

import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from generator.catalog import KINDS
from generator.problems import Problem
from generator.report import as_text
from generator.spec import Center
from generator.validate import Validation, validate
from tests.lessons import STARTER

VENDOR = """\
kind: vendor
name: acme
title: A vendor of the site's own
plugins:
  tile: {resource: acme.example/tile, status: V, sources: [book]}
pci-vendor: {value: "acfe", status: V, sources: [book]}
exporter-port: {value: 9777, status: V, sources: [book]}
slurm: {file: /dev/acme, status: V, sources: [book]}
host:
  modules: {value: [acme_core, acme_dma], status: V, sources: [book]}
  module-options: {value: {acme_core: [hugepages=1]}, status: V, sources: [book]}
  devices: {value: ["/dev/acme[0-9]*"], status: V, sources: [book]}
  runtime:
    handler: {value: acme, status: V, sources: [book]}
    binary: {value: /usr/bin/acme-runtime, status: V, sources: [book]}
cluster:
  programs:
    acme:
      value:
        image: registry.acme.example/plugin:2.1
        environment: {NODE_NAME: "{node}"}
        paths: [{path: /var/lib/kubelet/device-plugins, writes: true, why: the kubelet is told there}]
        needs: {root: the kubelet's folder belongs to root}
        capabilities: {SYS_RAWIO: resets a tile that hangs}
      status: V
      sources: [book]
  exporter:
    value: {image: "registry.acme.example/exporter:2.1", arguments: ["--listen=:{port}"]}
    status: V
    sources: [book]
  feature: {label: {value: acme.example/tile, status: V, sources: [book]}}
sources: {book: {grade: A, locator: "handbook, chapter 4"}}
"""
MODEL = """\
kind: accelerator
name: acme-a1
title: An accelerator of that vendor
vendor: acme
memory: {value: 64 GB, status: V, sources: [sheet]}
power: {value: 300 W, status: V, sources: [sheet]}
performance: {}
form: {value: null, status: N}
cooling: {value: null, status: N}
pci-devices: {value: ["0a11"], status: V, sources: [sheet]}
sources: {sheet: {grade: A, locator: "data sheet, page 2"}}
"""
CLASS = """\
kind: tenant-class
name: visiting
title: Guests
priority: 100
ends: true
may-borrow: false
preempt: Never
counts:
  {pods: 9, jobs: 9, deployments: 1, services: 1, configmaps: 9, secrets: 9,
   claims: 1, autoscalers: 0, policies: 0, roles: 0}
storage: 1 TB
request: {cores: 0.25, memory: 0.5 GB}
limit: {cores: 0.25, memory: 0.5 GB}
"""
FILES = {"vendors/acme.yaml": VENDOR, "accelerators/acme-a1.yaml": MODEL, "classes/visiting.yaml": CLASS}
V, A, C = FILES


def judged(folder: Path, files: dict[str, str]) -> Validation:
    """The starter centre, which uses none of these, with these in its own catalogue."""
    for name in ("center.yaml", "ssh_ca.pub"):
        (folder / name).write_bytes((STARTER / name).read_bytes())
    for name, text in files.items():
        file = folder / "catalog" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return validate(folder / "center.yaml")


def test_what_is_right_is_not_minded(tmp_path: Path) -> None:
    assert judged(tmp_path, FILES).problems == []


def test_what_came_with_the_program_may_lie_in_the_folder_of_a_centre(tmp_path: Path) -> None:
    """Every vendor and class of ours as a centre's own file: the judgement of such files refuses none of them."""
    ours = Path(__file__).parent.parent / "generator/catalog"
    files = {f"{kind}/{file.name}": file.read_text("utf-8") for kind in ("vendors", "classes", "sandboxes")
             for file in (ours / kind).glob("*.yaml")}  # fmt: skip
    assert judged(tmp_path, files).errors == []


FORM = "does not have the form of this value, got "
SLIPS = [
    (C, "limit: {cores: 0.25", "limit: {cores: 0.1", "gives a container 0.1 cores that asks for 0.25"),
    (C, "limit: {cores: 0.25, memory: 0.5 GB", "limit: {cores: 1, memory: 0.4 GB",
     "gives a container 0.4 GB of memory that asks for 0.5 GB"),
    (C, "ends: true", "days: 30", 'the key "days" is not known here'),
    (V, "value: 9777", "value: 0", "must be at least 1, got the number 0"),
    (V, "value: 9777", "value: 65536", "must be at most 65535, got the number 65536"),
    (V, '"acfe"', '"0xacfe"', FORM + '"0xacfe"'),
    (V, '"acfe"', '"ACFE"', FORM + '"ACFE"'),
    (V, "SYS_RAWIO", "CAP_SYS_RAWIO",
     'needs one capability of Linux such as "SYS_ADMIN", got "CAP_SYS_RAWIO"; did you mean "SYS_RAWIO"?'),
    (V, "SYS_RAWIO", "ALL", 'needs one capability of Linux such as "SYS_ADMIN", got "ALL"'),
    (V, "path: /var/lib/kubelet/device-plugins", "path: /var/lib/../../etc", FORM + '"/var/lib/../../etc"'),
    (V, "path: /var/lib/kubelet/device-plugins", "path: /var/./lib", FORM + '"/var/./lib"'),
    (V, "path: /var/lib/kubelet/device-plugins", "path: lib", FORM + '"lib"'),
    (V, "/dev/acme[0-9]*", "/dev/../etc", FORM + '"/dev/../etc"'),
    (V, "/usr/bin/acme-runtime", "/usr/bin/..", FORM + '"/usr/bin/.."'),
    (V, "{port}", "{Port}", 'has a place "{Port}" that nobody fills in; known: {port}'),
    (V, "{port}", "{node}", 'has a place "{node}" that nobody fills in; known: {port}'),
    (V, "{node}", "{hostname}", 'has a place "{hostname}" that nobody fills in; known: {port}, {node}, {address}'),
    (V, "{node}", "on-{node}", 'has the place "{node}" inside of a word; it must be a word of its own'),
    (V, "{node}", "{node", 'has a place "{" that nobody fills in; known: {port}, {node}, {address}'),
    (V, "acme.example/tile, status: V, sources: [book]}\npci", "kubernetes.io/tile, status: V, sources: [book]}\npci",
     'needs a name in a domain of the vendor; "kubernetes.io" is that of Kubernetes itself'),
    (V, "acme.example/tile, status: V, sources: [book]}\npci",
     "x.k8s.kubernetes.io/t, status: V, sources: [book]}\npci",
     'needs a name in a domain of the vendor; "x.k8s.kubernetes.io" is that of Kubernetes itself'),
    (V, "{acme_core:", "{acme_cor:", 'has options for the module "acme_cor", which "modules" does not list'),
    (V, "    acme:\n", "    tile:\n", 'no plugin of this vendor is offered by a program "tile"'),
    (V, "label: {value: acme.example/tile", "label: {value: feature.node.kubernetes.io/pci-10de.present",
     'is the label of cards of PCI vendor "10de", and this vendor has the number "acfe"'),
    (V, "label: {value: acme.example/tile", "label: {value: feature.node.kubernetes.io/pci-0302_10de.present",
     'is the label of cards of PCI vendor "10de", and this vendor has the number "acfe"'),
    (A, '"0a11"', '"a11"', FORM + '"a11"'),
    (A, "vendor: acme", "vendor: acne", 'the catalogue has no vendor "acne"'),
    (A, "vendor: acme\n", "vendor: acme\nplugin: tle\n", 'vendor "acme" has no plugin "tle"'),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "message"), SLIPS, ids=lambda value: str(value)[:30])
def test_a_slip_is_told_once_at_its_line(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    assert FILES[file].count(old) == 1
    text = FILES[file].replace(old, new)
    found = judged(tmp_path, {**FILES, file: text})
    [problem] = found.problems
    assert problem.message == message
    assert at(problem) == (f"catalog/{file}", 1 + FILES[file][: FILES[file].index(old)].count("\n") + _below(old, new))
    _, shown, mark, *_ = as_text(found.problems, found.source).split("\n")
    assert shown.endswith(text.split("\n")[at(problem)[1] - 1]) and "^" in mark


def _below(old: str, new: str) -> int:
    """The line of a slip that is a new line below what stood there."""
    return new.count("\n") - old.count("\n")


def at(problem: Problem) -> tuple[str, int]:
    assert problem.position is not None
    return problem.position.file, problem.position.line


def test_the_catalogue_on_show_tells_it_with_the_line(tmp_path: Path) -> None:
    judged(tmp_path, {**FILES, V: VENDOR.replace('"acfe"', '"ACFE"')})
    command = [sys.executable, "-m", "generator", "catalog", "vendor", "acme", "--center", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and '    6 | pci-vendor: {value: "ACFE"' in done.stderr


def test_a_file_whose_text_cannot_be_read_is_shown_as_well(tmp_path: Path) -> None:
    found = judged(tmp_path, {**FILES, C: CLASS.replace("ends: true", "ends: {")})
    assert "syntax" in found.problems[0].rule and re.search(r"^ +\d+ \| ", as_text(found.problems, found.source), re.M)


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        (
            "classes/visiting.yml",
            "catalog.file",
            '"visiting.yml" is not read, since its name does not end with ".yaml"',
        ),
        ("visiting.yaml", "catalog.file", '"visiting.yaml" is in no folder of its kind, so it is not read'),
        ("class/visiting.yml", "catalog.folder", 'the catalogue has no folder "class", so nothing in it is read'),
        ("classes/old/visiting.yaml", "catalog.folder", 'the folder "old" in catalog/classes is not read'),
    ],
)
def test_what_nobody_reads_is_told(tmp_path: Path, name: str, rule: str, message: str) -> None:
    found = judged(tmp_path, {name: CLASS})
    [problem] = found.problems
    assert (problem.rule, problem.message, at(problem)) == (rule, message, (f"catalog/{name}", 1))
    assert "    1 | kind: tenant-class" in as_text(found.problems, found.source)


@pytest.mark.parametrize("where", ["elsewhere.yaml", "nowhere.yaml"])
def test_a_link_is_told_and_not_followed(tmp_path: Path, where: str) -> None:
    (tmp_path / "elsewhere.yaml").write_text(CLASS, "utf-8")
    (tmp_path / "centre/catalog/classes").mkdir(parents=True)
    (tmp_path / "centre/catalog/classes/visiting.yaml").symlink_to(tmp_path / where)
    found = judged(tmp_path / "centre", {})
    [problem] = found.problems
    assert problem.message == '"visiting.yaml" is not read, since it is no plain file'
    assert at(problem) == ("catalog/classes/visiting.yaml", 1) and "tenant-class" not in as_text(
        [problem], found.source
    )


def test_notes_beside_the_files_are_left_alone(tmp_path: Path) -> None:
    notes = {"README.yml": "title: Notes\n", "classes/why.yml": "- because\n", "classes/old/notes.yaml": "a: b\n"}
    assert judged(tmp_path, {**FILES, **notes}).problems == []


# Runtimes


@pytest.mark.parametrize("offered", [True, False])
@pytest.mark.parametrize(
    ("handler", "owner"),
    [("runsc", 'sandbox "gvisor"'), ("gvisor", 'sandbox "gvisor"'), ("runc", "containerd"), ("acme", None)],
)
def test_a_vendor_has_neither_the_handler_of_a_sandbox_nor_its_name(
    tmp_path: Path, handler: str, owner: str | None, offered: bool
) -> None:
    """Whether or not the spec offers its accelerators: hosts know its handler all the same."""
    text = VENDOR.replace("handler: {value: acme", f"handler: {{value: {handler}")
    spec = (STARTER / "center.yaml").read_text("utf-8")
    for old, new in [
        ("nvidia-h100-sxm5-80gb", "acme-a1"),
        ("cni: calico", "cni: calico, sandbox: gvisor"),
        ("devices: {nvidia:", "devices: {acme:" if offered else "devices: {nvidia:"),
    ]:
        assert spec.count(old) == 1
        spec = spec.replace(old, new)
    judged(tmp_path, {**FILES, V: text})
    (tmp_path / "center.yaml").write_text(spec, "utf-8")
    found = validate(tmp_path / "center.yaml").problems
    told = [problem.message for problem in found if problem.rule == "cluster.runtime-clash"]
    message = f'{owner} and vendor "acme" both have a runtime "{handler}" in cluster "cloud"'
    assert told == ([message] if owner else [])


# Forms


def forms(annotation: Any) -> Iterator[tuple[str, list[Any]]]:
    """Every form of a text in an annotation, with the examples that stand beside it."""
    beside = getattr(annotation, "__metadata__", ())
    for said in beside:
        if isinstance(said, FieldInfo):
            yield from _forms(said, [*said.metadata, *beside])
    for part in typing.get_args(annotation):
        yield from forms(part)


def _forms(field: FieldInfo, beside: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Its forms, but for types that say in words of their own what they take."""
    for pattern in filter(None, (getattr(said, "pattern", None) for said in beside)):
        if not any("BeforeValidator" in type(said).__name__ for said in beside):
            yield pattern, list(field.examples or ())


def models(annotation: Any, seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation, seen)
    for part in typing.get_args(annotation):
        yield from models(part, seen)


@pytest.mark.parametrize("model", [Center, *KINDS.values()], ids=lambda model: model.__name__)
def test_every_form_of_a_text_has_an_example_of_that_form(model: type[BaseModel]) -> None:
    """Somebody whose word does not fit is shown one that does."""
    for part in models(model, set()):
        for name, field in part.model_fields.items():
            for pattern, beside in (*_forms(field, field.metadata), *forms(field.annotation)):
                examples = beside or field.examples or []
                assert examples and all(re.fullmatch(pattern, example) for example in examples), (part, name, pattern)
