"""Every field matters: changing any one of them changes a rendered byte or a finding, and the file says so.

The duo centre with what it leaves unsaid filled in has every field of the language. Each field is given other values,
one at a time; what the tree then says differently must name the field, or what it is part of, as its cause.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from generator import catalog, expand, outputs, rules, source, spec
from generator.problems import Refused
from generator.quantity import Quantity, RackFeed
from generator.render import render
from tests.lessons import ROOT

Data = dict[str, Any]
Place = tuple[str | int, ...]

# What duo leaves unsaid, as a site would say it.
MORE: Data = yaml.safe_load((ROOT / "tests/centers/more.yaml").read_text("utf-8"))


def certificate(name: str) -> str:
    """What looks like a certificate."""
    return f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----"


PUBLIC = {
    "ssh_ca.pub": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGR1by4uLi4uLi4uLi4uLi4uLi4uLi4uLi4uLi4uLi4u duo",
    "other_ca.pub": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG90aGVyLi4uLi4uLi4uLi4uLi4uLi4uLi4uLi4uLi4u",
    "known_hosts": "train-h-a01-1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMqXgRLKG73K+sIxs5oj3E2nhu/4FHxOcrmAd4Wv7ki7",
    "other_hosts": "train-h-a01-2 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID4j6BYAOVlKM4lPZWThsTSLvXoAiNQsSstz7q7VnACd",
    "operators.pub": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG9wZXJhdG9ycy4uLi4uLi4uLi4uLi4uLi4uLi4uLi4u",
    "others.pub": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG90aGVycy4uLi4uLi4uLi4uLi4uLi4uLi4uLi4uLi4u",
    "roots.pem": certificate("duo"),
    "others.pem": certificate("other"),
    "mirror.asc": "-----BEGIN PGP PUBLIC KEY BLOCK-----",
    "other.asc": "other",
    "vendor.asc": "vendor",
    "assets.csv": "node,serial,mac,bmc-mac,state\ntrain-h-a01-1,SN1,0c:42:a1:00:00:01,0c:42:a1:00:00:02,in-service",
    "others.csv": "node,serial,mac,bmc-mac,state\ntrain-h-a01-2,SN2,,,repair",
}

# Other values of a field that cannot be made from the one that is there.
OTHERS: dict[str, list[Any]] = {
    "Metadata.name": ["trio"],
    "Site.timezone": ["Europe/Zurich"],
    "Trays.device": ["redfish-pdu", "no-such"],
    "Trays.credentials": ["env:OTHER", None],
    "Webhook.url": ["https://other.example/alarms"],
    "Webhook.token": ["file:/etc/other", None],
    "ExporterPod.cluster": ["hpc", "no-such"],
    "ExporterPod.image": ["other.example/exporter@sha256:" + "6e" * 32],
    "Mail.to": [["other@duo.example"]],
    "Mail.from_": ["other@duo.example"],
    "Mail.relay": ["other.example:587"],
    "MonitoringSubject.critical": [["team"], []],
    "MonitoringSubject.warning": [["pager"], ["team", "pager"]],
    "NetworkSubject.domain": ["other.example"],
    "NetworkSubject.dns": [["10.16.0.2"], []],
    "NetworkSubject.ntp": [["10.16.0.2"], ["10.16.0.1", "10.16.0.2"]],
    "Plans.nodes": ["10.16.0.0/15", "10.16.0.0/18", "10.16.0.0/22"],
    "Plans.bmc": ["10.16.0.0/16", "10.21.0.0/16"],
    "Plans.facility": ["10.24.0.0/24", "10.25.0.0/20"],
    "Mirror.url": ["http://10.16.0.9/debian"],
    "Mirror.suite": ["trixie"],
    "Mirror.components": [["main"]],
    "Mirror.key": ["path:other.asc", None],
    "Repository.url": ["http://10.16.0.9/vendor"],
    "Repository.suite": ["trixie", "/"],
    "Repository.components": [["main"]],
    "Repository.key": ["path:other.asc", None],
    "Repository.versions": ["1.18.0-1"],
    "NetworkSubject.registries": ["http://10.16.0.9:5000"],
    "Kubernetes.version": ["1.35"],
    "Kubernetes.cni": ["flannel", None],
    "Kubernetes.sandbox": ["kata-qemu", None],
    "Kubernetes.images": [["registry.example/library"], ["other.example"], []],
    "Kubernetes.pods": ["10.129.0.0/16"],
    "Kubernetes.services": ["10.97.0.0/16"],
    "Kubernetes.queues": ["0.19", "0.16"],
    "Kubernetes.topology": [["rack"], []],
    "Kubernetes.features": [False],
    "NetworkSubject.ports": [16082, 9100],
    "Devices.plugin": ["other.example/hcu@sha256:" + "4e" * 32],
    "Devices.part": ["kueue", "no-such"],
    "Devices.claims": [False],
    "Devices.exporter": ["other.example/exporter@sha256:" + "4e" * 32, None],
    "Slurm.version": ["23.11"],
    "Ssh.authority": ["path:other_ca.pub"],
    "Ssh.known_hosts": ["path:other_hosts", None],
    "Ssh.user": ["somebody"],
    "Ssh.keys": ["path:others.pub", None],
    "Oidc.issuer": ["https://other.duo.example"],
    "Tenant.class_": ["enterprise", "event"],
    "Tenant.admins": [["oidc:somebody"]],
    "Tenant.members": [["oidc:somebody"], []],
    "Tenant.environments": [["main", "more"], ["other"]],
    "Tenant.quota": ["1 node", "8 accelerators", "500 nodes"],
    "Tenant.borrow": ["16 accelerators", "1 node"],
    "Service.kind": ["training", "inference"],
    "Service.tenant": ["course-ai-101", "rain-nowcast"],
    "Service.pool": ["train-h", "train-d"],
    "Service.environment": ["exam"],
    "FacilityWater.coolant": ["pg25", "no-such"],
    "Rejection.at": ["redfish://10.24.4.2"],
    "Rejection.credentials": ["env:OTHER_LOGIN", None],
    "Meter.device": ["ocp-orv3-rpu"],
    "Meter.at": ["redfish://10.24.3.9", "redfish://10.24.3.21..22"],
    "Meter.feeds": [["east"], []],
    "Meter.credentials": ["env:OTHER_LOGIN", None],
    "Hall.vapour_detection": [False],
    "Targets.baseline": ["no-such"],
    "Pool.server": ["generic-1u", "generic-8-oam"],
    "Pool.accelerator": ["simulated-8", "ascend-310p"],
    "Pool.plugin": ["dcu", "hami-dcu"],
    "Pool.system": ["rocky-9", "openeuler-24-03"],
    "Pool.cluster": ["cloud", "hpc"],
    "Pool.clusters": [["cloud"], ["hpc"]],
    "Pool.racks": ["c02", "b01"],
    "Pool.absent": [["science-b01-1"], []],
    "RackKind.type": ["rack-42u", "rack-48u", "immersion-tank-56u"],
    "RackKind.loop": ["plate-1", "tank-1", None],
    "RackKind.device": ["redfish-cooling-unit", "ocp-orv3-rpu"],
    "RackKind.at": ["redfish://10.24.1.9:8443", "redfish://10.24.1.1..2"],
    "RackKind.credentials": ["env:OTHER_LOGIN", None],
    "RackKind.holds": [1, 2, 3, 40],
    "Row.racks": ["cpu", "service", "gpu"],
    "Row.base": ["10.16.32.0", "10.16.33.0"],
    "Row.block": ["other"],
    "Hall.feeds": [["west"], ["east"]],
    "Loop.coolant": ["water", "novec-649", "fc-72"],
    "Loop.from_": ["fws-2", "no-such"],
    "Loop.protection": [["bmc"], []],
    "Unit.device": ["redfish-cooling-unit", "ocp-orv3-rpu"],
    "Unit.at": ["modbus://10.24.0.21..22:502/12", "modbus://10.24.0.11..12:503/12", "modbus://10.24.0.11..12/13"],
    "Unit.feeds": [["west"]],
    "Unit.credentials": ["env:OTHER_LOGIN", None],
    "Acceptance.why": ["told by somebody else"],
    "Service.inputs": [1, 3, "other", "2-3"],
    "Center.assets": ["path:others.csv", None],
    "Fabric.leaf": ["generic-48x25g", "generic-48x1g"],
    "Fabric.oversubscription": [3.0, 1.5],
    "Spine.switch": ["generic-48x1g"],
    "Feed.ups": [None],
    "Ups.device": ["no-such"],
    "UpsRatings.capacity": ["40 kW"],
    "Rejection.device": ["generic-dry-cooler", "generic-chiller"],
    "Rejection.feeds": [["west"], ["no-such"]],
    "AirUnit.device": ["generic-in-row", "generic-air-handler"],
    "AirUnit.feeds": [["west"], ["no-such"]],
    "Air.from_": [None, "fws-1"],
    "Row.feeds": [["west"]],
    "RackKind.leaves": [1, 3],
    "Pool.fabrics": [4, 64],
    "FileSystem.servers": [["nas2.duo.example"]],
    "FileSystem.pool": ["monitor"],
    "FileSystem.export": ["/other"],
    "FileSystem.mount": ["/other"],
    "FileSystem.clusters": [["hpc"], ["cloud"]],
    "FileSystem.fabric": [None],
    "Ldap.uri": ["ldaps://other.duo.example"],
    "Ldap.base": ["dc=other"],
    "Ldap.bind": ["env:OTHER", None],
    "Ldap.reader": ["cn=other,dc=duo,dc=example", None],
    "AccessSubject.from_": [["10.9.0.0/16"], [], None],
    "NetworkSubject.trust": ["path:others.pem", "path:ssh_ca.pub", None],
    "Slurm.munge": ["env:OTHER", None],
    "Part.version": ["0.18.5"],
    "Part.source": ["https://parts.duo.example/other.yaml"],
    "Part.digest": ["sha256:" + "4e" * 32],
    "FileSystem.secret": ["env:OTHER", None],
    "Bmc.credentials": ["env:OTHER"],
    "Organization.guarantee": ["16 accelerators"],
    "Tenant.until": ["2029-01-31"],
    "Tenant.credit": ["6000 CNY"],
    "DataSet.owner": ["rain-nowcast"],
    "DataSet.license": ["MIT", None],
    "DataSet.storage": ["scratch"],
    "Prices.plan": ["no-such"],
    "Prices.discounts": ["10 %"],
    "Acceptance.until": ["2029-01-31", None],
    "Targets.availability": ["99.9 %"],
}

# What has to be so before another value of a field can show.
FIRST: dict[str, Data] = {
    "power.redundancy": {"power": {"redundancy": "N"}, "halls": {"east-hall": {"feeds": ["west"]}}},
    "power.simultaneity": {"power": {"utility": {"capacity": "75 kW"}}},
    "cooling.loops.plate-1.redundancy": {
        "cooling": {
            "loops": {"plate-1": {"redundancy": "N", "units": {"cdu-1..2": {"ratings": {"capacity": "20 kW"}}}}}
        }
    },
    "halls.east-hall.air.humidity": {"halls": {"east-hall": {"air": {"supply": "36 °C"}}}},
}
# Nobody uses these yet.
UNUSED: set[str] = set()


def merged(first: Data, second: Data) -> Data:
    result = dict(first)
    for key, value in second.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
        if value is None:
            del result[key]
    return result


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_public_files(tmp_path_factory.mktemp("public"))


def with_public_files(folder: Path) -> Path:
    """The folder with the public files that the sample names in it."""
    for name, text in PUBLIC.items():
        (folder / name).write_text(text + "\n")
    return folder


DUO: Data = merged(source.load(ROOT / "inventories/duo/center.yaml").data, MORE)


@dataclass(frozen=True)
class Outcome:
    """What the product makes of a spec: its findings, and its files with their causes."""

    findings: frozenset[tuple[str, str, tuple[Any, ...]]]
    files: dict[str, tuple[bytes, tuple[str, ...]]]


def outcome(data: Data, public: Path) -> Outcome | None:
    """None when the language itself refuses the value."""
    read = source.loads(json.dumps(data))
    read.root = public
    try:
        words = spec.read(read)
    except Refused:
        return None
    center, problems = expand.expand(words, read, CATALOG)
    problems = problems or rules.judge(center)
    files = {}
    if not any(problem.is_error for problem in problems):
        files = {artifact.path: (render(artifact), artifact.because) for artifact in outputs.artifacts(center)}
    return Outcome(frozenset((p.rule, p.message, p.path) for p in problems), files)


CATALOG = catalog.of(None)


@dataclass(frozen=True)
class Field:
    """A place in the spec, and which field of which model stands there."""

    place: Place
    name: str
    annotation: Any

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.place))


def fields(model: type[BaseModel], data: Data, place: Place = ()) -> Iterator[Field]:
    """Every field that holds a value, down to single values; of the entries of a mapping each one."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in data:
            yield from inside(f"{model.__name__}.{name}", field.annotation, data[key], (*place, key))


def inside(name: str, annotation: Any, value: Any, place: Place) -> Iterator[Field]:
    annotation = meant(annotation, value)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from fields(annotation, value, place)
    elif isinstance(value, dict):
        part = typing.get_args(annotation)[-1]
        for key, item in value.items():
            yield from inside(name, part, item, (*place, key))
    elif len(typing.get_args(annotation)) != 1 or typing.get_origin(annotation) is not typing.Literal:
        yield Field(place, name, annotation)  # a word that can only be this one is no field


def meant(annotation: Any, value: Any) -> Any:
    """Without Optional and Annotated; of a union by kind the member that the value names."""
    if typing.get_origin(annotation) is typing.Annotated:
        return meant(typing.get_args(annotation)[0], value)
    members = [member for member in typing.get_args(annotation) if member is not type(None)]
    if typing.get_origin(annotation) in (typing.Union, type(int | str)):
        for member in members:
            kind = getattr(member, "model_fields", {}).get("kind")
            if kind is not None and len(members) > 1 and value["kind"] in typing.get_args(kind.annotation):
                return member
        return meant(members[0], value)
    return annotation


def others(field: Field, value: Any) -> Iterator[Any]:
    """Other values for a field; the language may still refuse some."""
    annotation = field.annotation
    if field.name in OTHERS:
        yield from OTHERS[field.name]
    elif typing.get_origin(annotation) is typing.Literal:
        yield from typing.get_args(annotation)
    elif isinstance(annotation, type) and issubclass(annotation, RackFeed):
        yield from ("2x 62 A 400 V 3-phase", "1 A 10 V")
    elif isinstance(annotation, type) and issubclass(annotation, Quantity):
        unit = re.sub(r"^[-0-9. ]+", "", value)
        yield from (f"{number} {unit}" for number in (0.1, 5, 33, 99, 9000))
    elif annotation is int:
        yield from (value + 1, 1, 200)
    elif annotation is float:
        yield from (value + 0.5, 1.01)
    elif annotation is str:
        yield "Changed"


FIELDS = list(fields(spec.Center, DUO))


def put(data: Data, place: Place, value: Any) -> Data:
    changed = deepcopy(data)
    parent: Any = changed
    for part in place[:-1]:
        parent = parent[part]
    if value is None:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return changed


def get(data: Any, place: Place) -> Any:
    for part in place:
        data = data[part]
    return data


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for part in typing.get_args(annotation):
        yield from models(part)


def test_the_sample_says_every_field_of_the_language() -> None:
    said = {field.name for field in FIELDS}
    language = {
        f"{model.__name__}.{name}"
        for model in models(spec.Center)
        for name, field in model.model_fields.items()
        if not any(True for _ in models(field.annotation)) and len(typing.get_args(field.annotation)) != 1
    }
    assert language - said == set()


def test_the_sample_is_right(public: Path) -> None:
    found = outcome(DUO, public)
    assert found is not None and found.findings == frozenset() and len(found.files) > 30


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.dotted)
def test_every_field_matters_and_what_it_changes_says_so(field: Field, public: Path) -> None:
    sample = merged(DUO, FIRST.get(field.dotted, {}))
    before = outcome(sample, public)
    assert before is not None
    effects, tried = 0, 0
    for other in others(field, get(sample, field.place)):
        after = outcome(put(sample, field.place, other), public)
        if after is None or other == get(sample, field.place):
            continue
        tried += 1
        effects += after != before
        if before.files and after.files:
            altered = {path for path in before.files | after.files if after.files.get(path) != before.files.get(path)}
            silent = {path for path in altered if not named(field, path, (after.files | before.files)[path][1])}
            assert silent == set(), f"{field.dotted} = {other!r} is no cause of these files that it changes"
    assert tried, f"no other value of {field.name} is known to this test"
    assert bool(effects) != (field.name in UNUSED), f"{field.dotted}: {effects} of {tried} values change something"


def named(field: Field, path: str, causes: tuple[str, ...]) -> bool:
    """Whether the field, or what it is part of, is among the causes; only the summary may name the whole spec."""
    return any(f"{field.dotted}.".startswith(f"{cause}.") or (cause == "" and path == "summary.md") for cause in causes)
