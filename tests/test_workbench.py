"""The catalogue on show, and files to fill in: each is filled as a person would do it, and then used by a centre."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.catalog import KINDS, Catalog
from generator.catalog.models import GRADES, STATUSES, Grade, Status
from generator.shelf import words_of
from tests import test_catalog
from tests.lessons import ROOT

STARTER = ROOT / "inventories/starter"
Done = subprocess.CompletedProcess[str]
Edits = tuple[tuple[str, str], ...]


def center(*arguments: str, cwd: Path = ROOT) -> Done:
    command = [sys.executable, "-m", "generator", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if (cwd / "generator").is_dir():
        del environment["PYTHONPATH"]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100, check=False)


def shown(*arguments: str) -> Any:
    done = center("catalog", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    shutil.copytree(STARTER, tmp_path / "mine", ignore=shutil.ignore_patterns("generated"))
    return tmp_path


# The catalogue on show


def test_every_kind_is_listed_with_its_number_of_files() -> None:
    told = {kind["folder"]: (kind["entries"], kind["own"]) for kind in shown()}
    folders = {folder.name for folder in test_catalog.FOLDER.iterdir() if any(folder.glob("*.yaml"))}
    services = {"services": (len(list((ROOT / "templates/services").glob("*/service.yaml"))), 0)}
    assert told == {name: (len(list((test_catalog.FOLDER / name).glob("*.yaml"))), 0) for name in folders} | services
    text = center("catalog").stdout
    assert re.search(r"^class +classes +5 ", text, re.M) and "OWN" not in text


@pytest.mark.parametrize("folder", sorted(KINDS))
def test_every_entry_of_a_kind_is_listed_and_shown(folder: str) -> None:
    listed = {entry["name"]: entry for entry in shown(folder)}
    assert set(listed) == {file.stem for file in (test_catalog.FOLDER / folder).glob("*.yaml")}
    for name in list(listed)[:2]:
        text = center("catalog", folder, name).stdout
        plain = test_catalog.plain(test_catalog.FOLDER / folder / f"{name}.yaml")
        assert text.startswith(f"{name}: {plain['title']}\n") and "built in" in text
        assert all(f"  {source}, " in text for source in plain.get("sources", {}))
        assert all(line.isprintable() for line in text.split("\n"))


def test_one_entry_says_every_value_its_status_and_its_source() -> None:
    """Against the file itself, read with another reader."""
    for name in ("nvidia-h100-sxm5-80gb", "biren-br100", "amd-mi250x"):
        plain = test_catalog.plain(test_catalog.FOLDER / "accelerators" / f"{name}.yaml")
        page = shown("accelerators", name)
        told = {value["path"]: value for value in page["values"]}
        facts = {key: plain[key] for key in ("memory", "power", "form", "cooling")}
        facts |= {f"performance.{key}": fact for key, fact in plain["performance"].items()}
        for path, fact in facts.items():
            value = told[path]
            assert (value["value"], value["status"]) == (fact["value"], fact["status"])
            assert (value["sources"], value["candidate"]) == (fact.get("sources", []), fact.get("candidate"))
            assert value["status-text"] == STATUSES[fact["status"]]
        assert {key: source["grade"] for key, source in page["sources"].items()} == {
            key: source["grade"] for key, source in plain["sources"].items()
        }


def test_what_nobody_knows_is_said_so() -> None:
    text = center("catalog", "accelerator", "biren-br106").stdout
    assert re.search(r"^memory +unknown +nothing found$", text, re.M)
    assert re.search(
        r"^performance.fp64 +none +from a secondary source",
        center("catalog", "accelerator", "biren-br100").stdout,
        re.M,
    )
    unverified = next(
        file for file in test_catalog.FILES
        if any(claim["status"] == "U" for claim in test_catalog.claims(test_catalog.plain(file)))
    )  # fmt: skip
    assert "candidate: " in center("catalog", unverified.parent.name, unverified.stem).stdout


def test_a_bare_number_is_shown_with_what_it_means() -> None:
    assert re.search(r"^density +1022.5 \(kg/m3 at 40 °C\) ", center("catalog", "coolants", "pg25").stdout, re.M)


SERVICES = {file.parent.name: file for file in sorted((ROOT / "templates/services").glob("*/service.yaml"))}


@pytest.mark.parametrize("word", ["service", "services"])
def test_services_are_listed_with_their_inputs(word: str) -> None:
    """Against the files themselves, read with another reader."""
    told = {name: list(test_catalog.plain(file)["inputs"]) for name, file in SERVICES.items()}
    assert {each["name"]: each["inputs"] for each in shown(word)} == told and len(told) >= 2
    text = center("catalog", word).stdout
    assert all(re.search(rf"^{name} +{', '.join(inputs)} ", text, re.M) for name, inputs in told.items())


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_shows_what_it_may_be_told(name: str) -> None:
    plain, text = test_catalog.plain(SERVICES[name]), center("catalog", "services", name).stdout
    assert text.startswith(f"{name}: {plain['title']}\n")
    for each in shown("services", name)["inputs"]:
        declared = plain["inputs"].pop(each["name"])
        assert {key: each[key] for key in declared} == declared
        [line] = [line for line in text.split("\n") if line.startswith(f"{each['name']} ")]
        assert declared["description"] in line and ("required" in line) == declared.get("required", False)
        assert f"{declared['minimum']} to {declared['maximum']}" in line if "minimum" in declared else True
        assert str(declared.get("default", "")).replace("'", "") in line
    assert plain["inputs"] == {}


def test_a_wrong_input_leads_to_that_page(site: Path) -> None:
    spec = site / "mine/center.yaml"
    for wrong, told in (("{nodes: 0}", "needs a whole number"), ("{poem: 1}", 'has no input "poem"')):
        spec.write_text((STARTER / "center.yaml").read_text("utf-8").replace("{nodes: 1}", wrong), "utf-8")
        done = center("validate", "mine", cwd=site)
        assert told in done.stdout and 'hint: "center catalog services training" shows its inputs' in done.stdout


def test_words_for_status_and_grade_are_complete() -> None:
    assert list(STATUSES) == list(Status.__args__)  # type: ignore[attr-defined]
    assert list(GRADES) == list(Grade.__args__)  # type: ignore[attr-defined]


def test_words_for_kinds_mean_one_kind_each() -> None:
    words = [word for kind in KINDS.values() for word in words_of(kind)]
    assert len(words) == len(set(words))
    assert {words_of(kind)[0] for kind in KINDS.values()} >= {"accelerator", "class", "price", "ups", "switch", "air"}


def test_the_centres_own_are_told_apart(site: Path) -> None:
    assert center("new", "class", "night", "--like", "research", "--in", "mine", cwd=site).returncode == 0
    assert center("new", "class", "event", "--like", "event", "--in", "mine", cwd=site).returncode == 0
    own = ("--center", str(site / "mine"))
    origins = {entry["name"]: entry["origin"] for entry in shown("classes", *own)}
    assert origins["night"] == "the centre's own"
    assert origins["event"] == "the centre's own, in place of the built-in one"
    assert origins["research"] == "built in"
    assert {kind["folder"]: kind["own"] for kind in shown(*own)}["classes"] == 2
    assert "ORIGIN" in center("catalog", "class", *own).stdout


def test_a_faulty_file_is_a_finding_of_its_list(site: Path) -> None:
    assert center("new", "rack", "ours", "--in", "mine", cwd=site).returncode == 0
    done = center("catalog", "racks", "--center", "mine", cwd=site)
    assert done.returncode == 1 and "catalog/racks/ours.yaml:" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("catalog", "acelerator"), 'did you mean "accelerator"?'),
        (("catalog", "poems"), "kinds: accelerator, "),
        (("catalog", "servises"), 'did you mean "service"?'),
        (("catalog", "services", "trainin"), 'did you mean "training"?'),
        (("catalog", "services", "poems"), '"center catalog services" lists'),
        (("catalog", "vendors", "simulatet"), 'did you mean "simulated"?'),
        (("catalog", "vendors", "x"), '"center catalog vendors" lists'),
        (("new", "servise", "x"), 'did you mean "service"?'),
        (("new", "server", "x", "--like", "generic-9-gpu"), 'did you mean "generic-'),
        (("new", "rule", "mass"), "topic and fault"),
        (("new", "rule", "rack.mass"), "already"),
        (("new", "server", "../x"), "lower-case"),
        (("new", "service", "training"), "there already"),
    ],
)
def test_wrong_usage_says_what_is_right(arguments: tuple[str, ...], hint: str) -> None:
    done = center(*arguments)
    assert (done.returncode, done.stdout) == (64, "") and hint in done.stderr


# Files to fill in


BENCH = 'sources: {bench: {grade: A, locator: "our data sheet, page 3"}}'
# What a person would fill in, for each kind: lines of the file, and how a centre then uses the thing.
COUNTED = [
    "pods", "jobs", "deployments", "services", "configmaps", "secrets", "claims", "autoscalers", "policies", "roles",
]  # fmt: skip
FILLED: dict[str, tuple[dict[str, str], Edits]] = {
    "accelerators": (
        {"vendor: null": "vendor: simulated", "power: FACT": "power: 150 W", "memory: FACT": "memory: 24 GB"},
        (
            ("accelerator: nvidia-h100-sxm5-80gb", "accelerator: simulated-own"),
            ("repositories: {nvidia: ", "repositories: {simulated: "),
        ),
    ),
    "vendors": (
        {"resource: null": "resource: own.example/own", "    status: N": "    status: V\n    sources: [bench]"},
        (),
    ),
    "servers": (
        {
            "# height: null": "height: 6",
            "mass: FACT": "mass: 90 kg",
            "cores: null": "cores: 96",
            "memory: null": "memory: 1 TB",
            "accelerators: null": "accelerators: 8",
            "base-power: FACT": "base-power: 3 kW",
            "liquid-share: FACT": "liquid-share: 80 %",
        },
        (("server: generic-8-gpu", "server: simulated-own"),),
    ),
    "racks": (
        {"units: null": "units: 52", "mass: FACT": "mass: 170 kg", "# width: FACT": "width: 750 mm"},
        (("type: rack-48u", "type: simulated-own"),),
    ),
    "switches": (
        {
            "height: null": "height: 1",
            "ports: null": "ports: 64",
            "speed: null": "speed: 400 Gbit/s",
            "mass: FACT": "mass: 15 kg",
            "power: FACT": "power: 1.7 kW",
        },
        (
            ("\npower:\n", "\nfabrics: {storage: {kind: ethernet, leaf: simulated-own}}\n\npower:\n"),
            ("holds: {control: 1, train: 3}}", "leaves: {storage: 1}, holds: {control: 1, train: 3}}"),
            ("cluster: cloud, slot: 2}", "cluster: cloud, slot: 2, fabrics: {storage: 1}}"),
        ),
    ),
    "ups": (
        {"capacity: FACT": "capacity: 100 kW", "efficiency: FACT": "efficiency: 97 %"},
        (("derating: 80 %}", "derating: 80 %, ups: a}\n  ups: {a: {device: simulated-own, count: 1}}"),),
    ),
    "rejection": (
        {
            "form: null": "form: dry-cooler",
            "capacity: FACT": "capacity: 100 kW",
            "approach: FACT": "approach: 8 K",
            "power: FACT": "power: 4 kW",
        },
        (("return: 40 °C}", "return: 40 °C, rejection: {roof: {device: simulated-own, count: 1}}}"),),
    ),
    "air": (
        {"capacity: FACT": "capacity: 30 kW", "power: FACT": "power: 1 kW"},
        (("capacity: 20 kW}\n    rack", "units: {crah-1: {device: simulated-own}}}\n    rack"),),
    ),
    "coolants": (
        {"density: FACT": "density: 1022", "heat-capacity: FACT": "heat-capacity: 3.9"},
        (("coolant: pg25", "coolant: simulated-own"),),
    ),
    "cooling": (
        {
            "form: null": "form: cdu",
            "protocol: null": "protocol: modbus-tcp",
            "# points: []": (
                "points: [{metric: cooling_supply_temperature_celsius, circuit: secondary, register: 1, "
                "function: 3, type: int16, scale: 0.1, unit: °C}]"
            ),
        },
        (("device: ocp-orv3-rpu", "device: simulated-own"),),
    ),
    "limits": ({"unit: null": "unit: K", "side: null": "side: above", "# warning: FACT": "warning: 9"}, ()),
    "alerts": (
        {
            "family: null": "family: service",
            "for: null": "for: 1 min",
            "status: N": "status: V",
            "# sources: []": "sources: [bench]",
            "expression: null": "expression: 'cooling_alarm_active == 1 or cooling:limit:own{level=\"<level>\"}'",
            "summary: null": "summary: Ours",
            "look: []": "look: [there]",
            "do: []": "do: [that]",
            "never: []": "never: [this]",
        },
        (),
    ),
    "baselines": (
        {"fans: FACT": "fans: 12 %", "cooling: FACT": "cooling: 20 %"},
        (("\nservices:\n", "\ntargets: {saving: 1 %, baseline: simulated-own}\n\nservices:\n"),),
    ),
    "classes": (
        {
            "priority: null": "priority: 10",
            "may-borrow: null": "may-borrow: true",
            "preempt: null": "preempt: Never",
            **{f"{what}: null": f"{what}: 10" for what in COUNTED},
            "storage: null": "storage: 1 TB",
            "cores: null": "cores: 1",
            "memory: null": "memory: 1 GB",
        },
        (("class: research", "class: simulated-own"),),
    ),
    "prices": (
        {
            "currency: null": "currency: EUR",
            "rounding: null": "rounding: hour",
            "# accelerators: {}": "accelerators: {nvidia-h100-sxm5-80gb: 2 EUR}",
        },
        (("\nservices:\n", "\nprices: {plan: simulated-own}\n\nservices:\n"),),
    ),
    "systems": (
        {"proven: null": "proven: false", "package-manager: null": "package-manager: apt"},
        (),
    ),
    "checks": ({"why: null": "why: nobody knows", "# argv: []": "argv: [\"true\"]"}, ()),
    "networks": ({"policies: FACT": "policies: true"}, (("cni: calico", "cni: simulated-own"),)),
    "sandboxes": ({"handler: FACT": "handler: own", "runtime-type: FACT": "runtime-type: io.containerd.own.v1"},
                  (("cni: calico", "cni: calico, sandbox: simulated-own"),)),
    "releases": ({"ends: FACT": 'ends: "2027-02-28"'}, ()),
}  # fmt: skip


def filled(text: str, folder: str) -> str:
    lines, _ = FILLED[folder]
    for old, new in {"title: null": "title: Ours", **lines}.items():
        key, fact, _ = old.partition("FACT")
        if fact:
            old, new = (
                f"{key}{{value: null, status: N}}",
                f"{key.removeprefix('# ')}{{value: {new.partition(': ')[2]}, status: V, sources: [bench]}}",
            )
        assert re.search(rf"^ *{re.escape(old)}$", text, re.M), old
        text = re.sub(rf"^( *){re.escape(old)}$", rf"\1{new}", text, flags=re.M)
    return re.sub(r"^# sources: \{sheet.*$", BENCH, text, flags=re.M) if "[bench]" in text else text


def test_every_kind_is_filled_in_here() -> None:
    assert set(FILLED) == set(KINDS)


@pytest.mark.parametrize("folder", sorted(KINDS))
def test_a_new_file_filled_in_is_all_that_a_centre_needs(folder: str, site: Path) -> None:
    made = center("new", words_of(KINDS[folder])[0], "simulated-own", "--in", "mine", cwd=site)
    file = site / "mine/catalog" / folder / "simulated-own.yaml"
    assert (made.returncode, made.stdout) == (0, f"wrote mine/catalog/{folder}/simulated-own.yaml\n"), made.stderr
    again = center("new", words_of(KINDS[folder])[0], "simulated-own", "--in", "mine", cwd=site)
    assert again.returncode == 64 and "there already" in again.stderr

    file.write_text(filled(file.read_text("utf-8"), folder), "utf-8")
    test_catalog.test_a_file_lists_exactly_the_sources_that_it_cites(file)
    test_catalog.test_a_value_has_a_source_that_is_good_enough(file)
    assert Catalog((site / "mine/catalog",)).get(KINDS[folder], "simulated-own")
    spec = site / "mine/center.yaml"
    text = spec.read_text("utf-8")
    for old, new in FILLED[folder][1]:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    spec.write_text(text, "utf-8")
    done = center("validate", "mine", cwd=site)
    assert done.returncode == 0, done.stdout
    assert f"catalog/{folder}" not in done.stdout


@pytest.mark.parametrize("folder", sorted(KINDS))
def test_a_new_file_says_at_its_lines_what_is_missing(folder: str, site: Path) -> None:
    word = words_of(KINDS[folder])[0]
    center("new", word, "ours", "--in", "mine", cwd=site)
    done = center("catalog", word, "ours", "--center", "mine", cwd=site)
    text = (site / f"mine/catalog/{folder}/ours.yaml").read_text("utf-8").split("\n")
    places = [int(line) for line in re.findall(rf"^catalog/{folder}/ours.yaml:([0-9]+):", done.stderr, re.M)]
    open_ = [number for number, line in enumerate(text, 1) if re.match(r"\s*[a-z-]+: (null|\[\])$", line)]
    assert done.returncode == 1 and places == open_ and len(places) >= 1
    assert max(map(len, text)) <= 120


@pytest.mark.parametrize("folder", sorted(KINDS))
def test_every_optional_line_is_one_that_may_be_filled_in(folder: str, site: Path) -> None:
    """Without their number signs they are keys that the model knows."""
    word = words_of(KINDS[folder])[0]
    center("new", word, "ours", "--in", "mine", cwd=site)
    file = site / f"mine/catalog/{folder}/ours.yaml"
    text = file.read_text("utf-8")
    for _ in range(3):
        text = re.sub(
            r"^( *)# ( *(?:(?:[a-z0-9-]+|4 K): (?:null|N|\{.*|\[\]|[a-z0-9]+)"
            r"|(?:supplies|performance|when|number|fp.*|host|packages|apt|dnf|runtime|exporter"
            r"|cluster|programs|feature|claims|torch|at-approach|quality|ph|conductivity|turbidity|glycol|silences):))$",
            r"\1\2",
            text,
            flags=re.M,
        )
        text = re.sub(r"^( *)# ( +#? ?.*)$", r"\1\2", text, flags=re.M)
    file.write_text(text, "utf-8")
    done = center("catalog", word, "ours", "--center", "mine", cwd=site)
    assert done.returncode == 1
    assert not re.search(r"unknown-key|source\.", done.stderr), done.stderr
    known = {field.alias or name for name, field in KINDS[folder].model_fields.items()} - {"deprecated"}
    assert set(yaml.safe_load(text)) >= known - ({"sources"} if "sources:" not in text else set())


def test_a_copy_is_the_entry_under_another_name(site: Path) -> None:
    assert center("new", "cooling", "our-pump", "--like", "ocp-orv3-rpu", "--in", "mine", cwd=site).returncode == 0
    ours = yaml.safe_load((site / "mine/catalog/cooling/our-pump.yaml").read_text("utf-8"))
    theirs = test_catalog.plain(test_catalog.FOLDER / "cooling/ocp-orv3-rpu.yaml")
    assert ours == {**theirs, "name": "our-pump"}
    assert center("catalog", "cooling", "our-pump", "--center", "mine", cwd=site).returncode == 0


def test_nothing_is_written_through_a_link(site: Path) -> None:
    (site / "elsewhere").mkdir()
    (site / "mine/catalog").symlink_to(site / "elsewhere")
    done = center("new", "rack", "ours", "--in", "mine", cwd=site)
    assert done.returncode == 64 and list((site / "elsewhere").iterdir()) == []


# In a checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a rule and a service need of the repository, free to be changed."""
    for part in ("generator", "templates", "tests", "inventories"):
        ignored = shutil.ignore_patterns("__pycache__", "generated", "_data", "rig", "campaign", "centers")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def passed_by(checkout: Path, *arguments: str) -> Done:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_new_entry_goes_into_the_catalogue_of_the_checkout(checkout: Path) -> None:
    done = center("new", "coolant", "own-oil", cwd=checkout)
    assert (done.returncode, done.stdout) == (0, "wrote generator/catalog/coolants/own-oil.yaml\n"), done.stderr


def test_a_new_rule_filled_in_passes_the_tests_of_rules(checkout: Path) -> None:
    done = center("new", "rule", "rack.first", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("wrote tests/bad/rack.first.yaml\nadd to generator/rules/racks.py:\n\n@rule(")
    lesson, rules = checkout / "tests/bad/rack.first.yaml", checkout / "generator/rules/racks.py"
    function = done.stdout.partition("\n\n")[2].replace("BROKEN", "pool.slot == 9")
    function = function.replace("needs SO MUCH, THERE IS SO MUCH", "has the ninth place")
    rules.write_text(rules.read_text("utf-8") + "\n\n" + function, "utf-8")
    assert passed_by(checkout, "tests/test_bad.py", "-k", "rack.first").returncode == 1, "an empty lesson"
    told = lesson.read_text("utf-8")
    for old, new in {
        r"WHY A DESIGN.*": "The ninth place is above the reach of whoever changes a server there without a ladder.",
        r"TEXT\n    good: .*\n    bad: .*": '"slot: 2"\n    good: "slot: 8"\n    bad: "slot: 9"',
        r"shows: .*": 'shows: pool "train" has the ninth place',
        r"at: .*": 'at: ">train<: {server"',
    }.items():
        told, count = re.subn(old, new, told)
        assert count == 1, old
    lesson.write_text(told, "utf-8")
    done = passed_by(checkout, "tests/test_bad.py", "-k", "rack.first or example")
    assert done.returncode == 0 and done.stdout.startswith("." * 6), done.stdout


def test_a_rule_of_a_new_topic_brings_its_file(checkout: Path) -> None:
    done = center("new", "rule", "poem.rhyme", cwd=checkout)
    assert 'add to generator/rules/poem.py:\n\n"""' in done.stdout
    compile(done.stdout.partition(":\n\n")[2], "poem.py", "exec")


def test_a_new_service_filled_in_becomes_objects(checkout: Path) -> None:
    done = center("new", "service", "poems", cwd=checkout)
    assert done.returncode == 0, done.stderr
    described = checkout / "templates/services/poems/service.yaml"
    unfilled = center("validate", "starter", cwd=checkout)
    assert unfilled.returncode == 1
    assert "templates/services/poems/service.yaml:" in unfilled.stdout + unfilled.stderr
    text = (
        described.read_text("utf-8")
        .replace("title: null", "title: Poems")
        .replace("description: null", "description: Verse.")
    )
    described.write_text(text, "utf-8")
    done = passed_by(checkout, "tests/test_services.py", "-k", "poems")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("kind", "name"), [("rule", "rack.first"), ("service", "poems")])
def test_an_installed_program_takes_no_rule_and_no_service(kind: str, name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "generator", tmp_path / "generator", ignore=shutil.ignore_patterns("__pycache__"))
    done = center("new", kind, name, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (64, "") and "needs a checkout" in done.stderr
    nowhere = center("new", "rack", "ours", cwd=tmp_path)
    assert nowhere.returncode == 64 and "there is no center.yaml" in nowhere.stderr
