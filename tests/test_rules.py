"""Findings and hints of rules beyond what one lesson a rule shows; every expectation is computed by hand."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.problems import Problem
from generator.rules.cables import Leaves
from generator.validate import validate
from tests.lessons import STARTER

Edit = tuple[str, str]
ASSETS = ("pools:\n", 'assets: "path:assets.csv"\npools:\n')
NODES = ("control-a01-1", "train-a01-1", "train-a01-2", "train-a01-3")
ROW = "a: {racks: {a01: gpu}}"
KIND = "{control: 1, train: 3}}"
TRAIN = "slot: 2}"


def written(folder: Path, *edits: Edit, **files: str) -> Path:
    """The starter centre with some words changed, and files beside it."""
    words = (STARTER / "center.yaml").read_text("utf-8")
    for old, new in edits:
        assert words.count(old) == 1, old
        words = words.replace(old, new)
    (folder / "ssh_ca.pub").write_bytes((STARTER / "ssh_ca.pub").read_bytes())
    (folder / "center.yaml").write_text(words, "utf-8")
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    return folder / "center.yaml"


def problems(folder: Path, *edits: Edit, **files: str) -> list[Problem]:
    return validate(written(folder, *edits, **files)).problems


def found(folder: Path, rule: str, *edits: Edit, **files: str) -> list[tuple[str, str | None]]:
    """Messages and hints of one rule."""
    return [(p.message, p.hint) for p in problems(folder, *edits, **files) if p.rule == rule]


def table(*nodes: str, state: str = "in-service") -> str:
    rows = (f"{node},S{number},{state}" for number, node in enumerate(nodes))
    return "\n".join(["node,serial,state", *rows, ""])


# Tables of machines


@pytest.mark.parametrize(
    ("error", "edits"),
    [
        ("pool.counted-twice", [(TRAIN, "slot: 2, racks: a01, per-rack: 3}")]),
        ("rack.overlap", [(ROW, "a: {racks: {a01: gpu, a1: gpu}}")]),
        ("rack.overlap", [(ROW, "a: {racks: {a01: gpu, a01..02: gpu}}")]),
    ],
)
def test_a_complete_table_of_nodes_that_are_said_twice(tmp_path: Path, error: str, edits: list[Edit]) -> None:
    more = ("control-a02-1", "train-a02-1", "train-a02-2", "train-a02-3", "control-a1-1", "train-a1-1")
    said = problems(tmp_path, ASSETS, *edits, assets=table(*NODES, *more, "train-a1-2", "train-a1-3"))
    assert error in {problem.rule for problem in said}


RANGES = ("a01", "a01..02", "a02..03", "a1", "a1..3", "a03")


@pytest.mark.parametrize("ranges", list(itertools.combinations(RANGES, 2)), ids=" ".join)
@pytest.mark.parametrize("rows", ["all", "some", "none"])
@pytest.mark.parametrize("pool", ["slot: 2}", "slot: 2, racks: a01..02, per-rack: 3}"])
def test_no_rule_trips_over_racks_that_overlap(tmp_path: Path, ranges: tuple[str, str], rows: str, pool: str) -> None:
    racks = ", ".join(f"{name}: gpu" for name in ranges)
    names = [f"a{number:0{width}d}" for number in (1, 2, 3) for width in (1, 2)]
    nodes = [f"control-{rack}-1" for rack in names] + [f"train-{rack}-{n}" for rack in names for n in (1, 2, 3)]
    kept = {"all": nodes, "some": nodes[::2], "none": []}[rows]
    assert problems(tmp_path, ASSETS, (ROW, f"a: {{racks: {{{racks}}}}}"), (TRAIN, pool), assets=table(*kept))


def test_an_absent_node_is_called_absent(tmp_path: Path) -> None:
    absent = (TRAIN, "slot: 2, absent: [train-a01-3]}")
    message = 'the table of machines names node "train-a01-3", and the spec says that it is absent'
    hint = 'take it out of "absent" in pool "train", or out of the table'
    assert found(tmp_path, "asset.unknown-node", ASSETS, absent, assets=table(*NODES)) == [(message, hint)]


@pytest.mark.parametrize(("pool", "hint"), [("control", 'say "train"'), ("trian", 'did you mean "train"?')])
def test_a_wrong_pool_has_its_hint(tmp_path: Path, pool: str, hint: str) -> None:
    text = f"node,pool,serial\ntrain-a01-1,{pool},S1\n"
    assert [told for _, told in found(tmp_path, "asset.unknown-pool", ASSETS, assets=text)] == [hint]


@pytest.mark.parametrize(
    ("spares", "broken", "told"),
    [
        (0, 0, None),
        (0, 1, ", less 1 node in repair"),
        (1, 0, " without 1 spare node"),
        (1, 1, " without 1 spare node"),
        (1, 2, ", less 2 nodes in repair"),
    ],
)
def test_spares_take_the_place_of_nodes_in_repair(tmp_path: Path, spares: int, broken: int, told: str | None) -> None:
    # Three nodes of eight: all 24 accelerators are promised.
    text = table(*NODES[: len(NODES) - broken]) + "".join(f"{node},R{node},repair\n" for node in NODES[4 - broken :])
    edits = [ASSETS, (TRAIN, f"slot: 2, spares: {spares}}}"), ("train: 16 accelerators", "train: 24 accelerators")]
    left = 24 - 8 * max(spares, broken)
    message = f'tenants are promised 24 accelerators of pool "train", it has {left}{told}'
    shown = [message for message, _ in found(tmp_path, "quota.exceeds", *edits, assets=text)]
    assert shown == ([message] if told else [])


# Cables


def fabric(longest: str, rails: int) -> list[Edit]:
    words = f"fabrics:\n  net: {{kind: ethernet, leaf: generic-48x25g, rails: {rails}, cable: {longest}}}\n"
    return [("power:\n  feeds:", f"{words}power:\n  feeds:"), (TRAIN, "slot: 2, fabrics: {net: 2}}")]


@pytest.mark.parametrize(
    ("leaves", "longest", "message"),
    [
        ("a03: net, a06: net", "7.75 m", None),
        ("a03: net, a06: net", "7.7 m", "5 places, which takes a cable of 7.8 m"),
        ("a03: both, a06: net, a07: net", "5.5 m", None),
        ("a03: both, a06: net, a07: net", "5.4 m", "2 places, which takes a cable of 5.5 m"),
    ],
)
def test_the_cables_of_a_node_go_to_all_its_rails(
    tmp_path: Path, leaves: str, longest: str, message: str | None
) -> None:
    # Racks are 0.75 m wide, and 4 m lead up and down: 5 places are 7.75 m, 2 places are 5.5 m.
    kinds = "\n      net: {type: rack-48u, leaves: {net: 1}}\n      both: {type: rack-48u, leaves: {net: 2}}"
    edits = [*fabric(longest, 2), (KIND, KIND + kinds), (ROW, f"a: {{racks: {{a01: gpu, {leaves}}}}}")]
    begin, end = 'rack "a01" reaches the leaves of 2 rails of fabric "net" within ', f"; the longest is {longest}"
    shown = [text for text, _ in found(tmp_path, "fabric.cable", *edits)]
    assert shown == ([f"{begin}{message}{end}"] if message else [])


@given(
    parts=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 12), st.integers(1, 4)), min_size=1, max_size=5),
    rails=st.integers(1, 8),
)
def test_leaves_are_as_far_as_counting_says(parts: list[tuple[int, int, int]], rails: int) -> None:
    spans, number = list[tuple[int, int, int]](), 0
    for gap, racks, each in parts:
        spans.append((number + gap, number + gap + racks - 1, each))
        number += gap + racks
    leaves, ports = Leaves(tuple(spans), rails), [
        rack for first, last, each in spans for rack in range(first, last + 1) for _ in range(each)
    ]  # fmt: skip
    row = range(number + 4)
    told = {rack: sorted(abs(rack - port) for port in ports)[: min(rails, len(ports))][-1] for rack in row}
    assert {rack: leaves.apart(rack) for rack in row} == told
    looked_at = {row[0], row[-1], *(middle for middle in leaves.middles if middle in row)}
    assert max(leaves.apart(rack) for rack in looked_at) == max(told.values())


# Plausible, reachable, reserved


OWN_SERVER = """
kind: server
name: own
title: A server of this site
height: 1
cores: 32
memory: 256 GB
accelerators: 0
base-power: {value: 600 W, status: V, sources: [sheet]}
mass: {value: 20 kg, status: V, sources: [sheet]}
liquid-share: {value: 0 %, status: V, sources: [sheet]}
sources: {sheet: {grade: A, locator: data sheet of the vendor}}
"""
EAST = (
    "derating: 80 %}",
    "derating: 80 %}\n    east: {capacity: 60 kW, rack: 3x 32 A 400 V 3-phase, derating: 80 %}\n  redundancy: %s",
)


@pytest.mark.parametrize("redundancy", ["N", "2N"])
def test_two_feeds_need_the_supplies_of_servers(tmp_path: Path, redundancy: str) -> None:
    (tmp_path / "catalog/servers").mkdir(parents=True)
    (tmp_path / "catalog/servers/own.yaml").write_text(OWN_SERVER)
    edits = [
        (EAST[0], EAST[1].replace("%s", redundancy)), ("    feeds: [west]\n", "    feeds: [west, east]\n"),
        ("control: {server: generic-1u", "control: {server: own"),
    ]  # fmt: skip
    message = '2N is judged without the power supplies of "own", which nobody has published'
    shown = [text for text, _ in found(tmp_path, "catalog.unknown", *edits)]
    assert shown == ([message] if redundancy == "2N" else [])


@pytest.mark.parametrize(
    ("pods", "warned"),
    [
        ("11.0.0.0/16", True),
        ("8.8.0.0/16", True),
        ("100.64.0.0/16", False),
        ("172.20.0.0/16", False),
        ("192.168.0.0/16", False),
    ],
)
def test_pods_in_the_internet_are_warned_of(tmp_path: Path, pods: str, warned: bool) -> None:
    shown = found(tmp_path, "address.elsewhere", ("10.128.0.0/16", pods))
    message = f'pods of cluster "cloud" ({pods}) are addresses of the internet, whose owners no pod can reach any more'
    assert [text for text, _ in shown] == ([message] if warned else [])


MORE = [
    (KIND, KIND + "\n      cpu: {type: rack-48u}"),
    (ROW, ROW.replace("}}", "}}\n      b: {racks: {b05..06: cpu}}")),
]


def test_a_base_is_offered_that_nobody_has(tmp_path: Path) -> None:
    # Rows a to rack 9 end at 10.16.1.0 + 10 x 64 = 10.16.3.128; row b begins 5 racks behind its base.
    rows = "a: {racks: {a01..09: gpu}, base: 10.16.1.0}\n      b: {racks: {b05..06: cpu}%s}"
    edits = (MORE[0], (ROW, rows % ""))
    [(_, hint)] = found(tmp_path, "address.no-base", *edits)
    assert hint == 'for example "base: 10.16.3.0"'
    taken = found(tmp_path, "address.rows-overlap", MORE[0], (ROW, rows % ", base: 10.16.3.0"))
    assert taken == []


def test_controllers_of_nodes_outside_the_plan_are_not_told_as_well(tmp_path: Path) -> None:
    plans = ("plans: {nodes: 10.16.0.0/16,", "plans: {nodes: 10.16.0.0/26, bmc: 10.20.0.0/26,")
    rules = {problem.rule for problem in problems(tmp_path, plans)}
    assert "address.outside-plan" in rules and "address.bmc" not in rules


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("network:\n  dns: [10.16.0.67]", 'name server 10.16.0.67 is the address of node "train-a01-2"'),
        ("network:\n  dns: [10.16.0.64]", None),  # a control node
        ("network:\n  dns: [10.16.0.69]", None),
        (
            "network:\n  dns: [10.16.0.0]",
            "name server 10.16.0.0 is the address of plan nodes (10.16.0.0/16) as a whole",
        ),
        (
            "network:\n  dns: [10.24.0.255]",
            "name server 10.24.0.255 is the address of everybody in plan facility (10.24.0.0/24)",
        ),
        (
            'network:\n  mirror: {url: "http://10.16.0.68:8080/debian"}',
            'mirror 10.16.0.68 is the address of node "train-a01-3"',
        ),
        (
            "storage:\n  home: {kind: nfs, servers: [nas, 10.16.0.66], export: /h, mount: /h, purpose: home, "
            "clusters: [cloud]}\nnetwork:",
            'server of file system "home" 10.16.0.66 is the address of node "train-a01-1"',
        ),
    ],
)
def test_servers_are_no_workers(tmp_path: Path, words: str, message: str | None) -> None:
    shown = [text for text, _ in found(tmp_path, "address.taken", ("network:", words))]
    assert shown == ([message] if message else [])


# Words


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("power.unknwon", "which is no rule", 'did you mean "power.unknown"?'),
        ("power.rack-feed", "which is an error; errors cannot be accepted", "correct its cause"),
        ("power.unknown", "of which there is no warning", "remove it"),
    ],
)
def test_acceptances_of_nothing_say_why(tmp_path: Path, name: str, message: str, hint: str) -> None:
    edit = ("services:\n  first", f"accepted: {{{name}: {{why: so it is}}}}\nservices:\n  first")
    assert found(tmp_path, "accepted.unused", edit) == [(f'accepts "{name}", {message}', hint)]


def test_several_racks_are_spoken_of_as_several(tmp_path: Path) -> None:
    edits = [(ROW, "a: {racks: {a01..02: gpu}}"), ("capacity: 60 kW, rack: 3x 32 A", "capacity: 60 kW, rack: 16 A")]
    [message] = [text for text, _ in found(tmp_path, "power.rack-feed", *edits)]
    assert message.startswith('racks "a01..02" need 27.9 kW, feed west gives 8.9 kW')


def test_coolant_below_the_dew_point_is_said_to_be_below(tmp_path: Path) -> None:
    # Air of 24 °C and 60 % has its dew point at 15.76 °C.
    edits = [("supply: 36 °C", "supply: 15.5 °C"), ("humidity: 45 %", "humidity: 60 %")]
    [message] = [text for text, _ in found(tmp_path, "cooling.dew-point", *edits)]
    assert message.startswith("coolant of 15.5 °C is 0.3 K below the dew point 15.8 °C")


def test_water_that_is_too_warm_leaves_no_pue_unproven(tmp_path: Path) -> None:
    rejection = "rejection: {tower: {device: generic-cooling-tower, count: 2}}}"
    edits = [
        ("return: 40 °C}", f"return: 40 °C, {rejection}"),
        ("services:\n  first", "targets: {pue: 3}\nservices:\n  first"),
        ("{timezone: Europe/Zurich}", "{timezone: Europe/Zurich, climate: {dry-bulb: 36 °C, wet-bulb: 28.5 °C}}"),
    ]  # fmt: skip
    shown = problems(tmp_path, *edits)
    [unproven] = [problem.message for problem in shown if problem.rule == "target.pue-unproven"]
    assert "cooling.rejection-temperature" in {problem.rule for problem in shown}
    assert "heat rejection" not in unproven


@pytest.mark.parametrize(
    ("fabrics", "rails", "hint"),
    [
        ("slot: 2}", 1, 'say "fabrics: {net: 1}" in pool "train"'),
        ("slot: 2, fabrics: {other: 1}}", 4, 'add "net: 4" to the fabrics of pool "train"'),
    ],
)
def test_a_pool_off_the_fabric_is_told_how_to_get_on(tmp_path: Path, fabrics: str, rails: int, hint: str) -> None:
    words = f"fabrics:\n  net: {{kind: ethernet, leaf: generic-48x25g, rails: {rails}}}\n"
    words += "  other: {kind: ethernet, leaf: generic-48x25g}\n"
    home = "{kind: nfs, servers: [nas], fabric: net, export: /h, mount: /h, purpose: home, clusters: [cloud]}"
    edits = [("power:\n  feeds:", f"{words}storage:\n  home: {home}\npower:\n  feeds:"), (TRAIN, fabrics)]
    assert [told for _, told in found(tmp_path, "storage.unreachable", *edits)] == [hint]


def test_a_rack_feed_without_spaces_has_its_circuits(tmp_path: Path) -> None:
    """Three circuits of 32 A carry 17.7 kW each after derating, whichever way they are written."""
    for words in ("3x 2 A 400 V 3-phase", "3x2A 400V 3-phase"):
        [(message, _)] = found(tmp_path, "power.breaker", ("3x 32 A 400 V 3-phase", words))
        assert "each of its 3 circuits carries 1.11 kW" in message


# Images


TORCH = "{{kind: training-example, tenant: vision-lab, pool: train{}}}"


@pytest.mark.parametrize(
    ("registry", "inputs", "flagged"),
    [
        ("docker.io/rocm", "", False),
        ("docker.io/teams", "", True),
        ("registry.example/teams", ", inputs: {image: registry.example/teams/torch:1.0}", False),
    ],
)
def test_images_that_vendors_publish_come_from_named_registries_too(
    tmp_path: Path, registry: str, inputs: str, flagged: bool
) -> None:
    said = found(
        tmp_path, "isolation.image",
        ("accelerator: nvidia-h100-sxm5-80gb", "accelerator: amd-mi300x"),
        ("cni: calico, ", f"cni: calico, images: [{registry}], "),
        ("{kind: training, tenant: vision-lab, pool: train, inputs: {nodes: 1}}", TORCH.format(inputs)),
    )  # fmt: skip
    assert [(message.rpartition(" from ")[2], hint) for message, hint in said] == [
        (f'"{registry}" only', "its vendor publishes that image; say where your copy lies: inputs: {image: ...}")
    ] * flagged


# Addresses with logins


ISSUER = '"https://id.starter.example"'


@pytest.mark.parametrize(
    ("old", "new", "belongs"),
    [
        (ISSUER, '"https://root:hunter2@id.starter.example"', ""),
        (ISSUER, '"https://root:hunter2/x@id.starter.example"', ""),
        ("network:", 'network:\n  mirror: {url: "http://root:hunter2@10.0.0.1/debian"}', ""),
        ('"modbus://10', '"modbus://root:hunter2@10', ', say a reference to it in "credentials"'),
        (f"{{issuer: {ISSUER}}}", f'{{issuer: {ISSUER}}}, ldap: {{uri: "ldaps://root:hunter2@id", base: "dc=x"}}',
         ', say a reference to it in "bind"'),
        ("[10.16.0.1]", '["root:hunter2@10.16.0.1"]', ""),
    ],
)  # fmt: skip
def test_logins_in_addresses_are_refused_and_never_shown(tmp_path: Path, old: str, new: str, belongs: str) -> None:
    spec = written(tmp_path, (old, new))
    for shape in ("text", "json", "sarif", "junit"):
        command = [sys.executable, "-m", "generator", "validate", str(spec.parent), "--format", shape]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and "hunter2" not in done.stdout + done.stderr
        assert "may not carry a login" in done.stdout
    [problem] = validate(spec).problems
    assert problem.message == f"may not carry a login; take it out{belongs} and change it: it has been read"


def test_issuers_speak_https(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, (ISSUER, '"http://id.starter.example"'))
    expected = 'needs a URL with https such as "https://id.mingyue.example", got "http://id.starter.example"'
    assert (problem.rule, problem.message) == ("spec.value", expected)
