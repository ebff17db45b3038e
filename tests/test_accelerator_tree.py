"""What is rendered for accelerators in clusters: no right without a reason in the table, no vendor in another's way.

Rights are read from the manifests with the checks of the Pod Security Standards, done here by hand.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.accelerator_site import NAMESPACE, VENDORS, offers, site_in, spec
from tests.queue_site import Site
from tests.vendors import vendors

Body = dict[str, Any]
ROOT = Path(__file__).parent.parent
REASONLESS = (
    "monitor nodes read the metrics there",
    "SELinux lets this type at devices",
    "it sees accelerators through this runtime alone",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("accelerators")
    return site_in(folder, spec())


def daemons(site: Site) -> dict[str, Body]:
    return {body["metadata"]["name"]: body for body in site.objects if body["kind"] == "DaemonSet"}


def rights(daemon: Body) -> set[str]:
    """Whatever of a pod the restricted standard refuses, and its runtime, in the words of the table."""
    pod = daemon["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert not pod.get("initContainers") and not pod.get("ephemeralContainers")
    plain = (("hostNetwork", "uses the network of the node"), ("hostPID", "sees all processes of the node"))
    found = {words for field, words in plain if pod.get(field)}
    found |= {f"runs in the runtime {name}" for name in [pod.get("runtimeClassName")] if name}
    found |= {"shares the memory of programs of the node"} if pod.get("hostIPC") else set()
    security, own = pod.get("securityContext", {}), container.get("securityContext", {})
    if own.get("privileged"):
        found.add("is privileged")
    elif own.get("allowPrivilegeEscalation") is not False:
        found.add("may get more rights")
    if {**security, **own}.get("runAsNonRoot") is not True or {**security, **own}.get("runAsUser") == 0:
        found.add("runs as root")
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        found.add("keeps all capabilities")
    found |= {f"keeps the capability {name}" for name in capabilities.get("add", [])}
    if {**security, **own}.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        found.add("may use any system call")
    for options in (security, own):
        if type_ := options.get("seLinuxOptions", {}).get("type"):
            found.add(f"has the SELinux type {type_}")
    mounts = {mount["name"]: mount for mount in container.get("volumeMounts", [])}
    for volume in pod.get("volumes", []):
        verb = "reads" if mounts[volume["name"]].get("readOnly") else "writes to"
        found.add(f"{verb} {volume['hostPath']['path']}")  # every volume here is one of the node
    found |= {f"listens on port {port['hostPort']} of the node" for port in container.get("ports", [])}
    return found


def table(site: Site) -> list[tuple[str, str, str, str]]:
    text = (site.folder / "generated/clusters/cloud/exceptions.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith(f"| {NAMESPACE} |")]
    return [
        (cells[0], cells[1], re.sub(r"\\(.)", r"\1", cells[2]), re.sub(r"\\(.)", r"\1", cells[3]))
        for cells in ([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines)
    ]


def test_the_table_has_every_right_beyond_the_standard_and_no_other(site: Site) -> None:
    found = {(NAMESPACE, name, right) for name, daemon in daemons(site).items() for right in rights(daemon)}
    told = [(namespace, daemon, right) for namespace, daemon, right, _ in table(site)]
    assert len(told) == len(set(told)) and len(told) > 30
    assert set(told) == found
    assert {name for _, name, _ in found} == set(daemons(site))


def test_the_page_says_which_images_run_where(site: Site) -> None:
    text = (site.folder / "generated/clusters/cloud/exceptions.md").read_text("utf-8")
    told = re.findall(r"^\| (\S+) \| `(\S+)` \| (\S+) \|$", text, re.M)
    assert told == [
        (name, daemon["spec"]["template"]["spec"]["containers"][0]["image"], name.rpartition("-")[0])
        for name, daemon in daemons(site).items()
    ]
    assert any("runs in the runtime" in right for _, _, right, _ in table(site))


def test_the_summary_says_whose_metrics_are_read(site: Site) -> None:
    tree = site.folder / "generated"
    targets = [
        target
        for file in tree.glob("monitoring/targets/accelerators-*.json")
        for target in json.loads(file.read_text())
    ]
    read = {(target["labels"]["vendor"], target["targets"][0].rpartition(":")[2]) for target in targets}
    rows = re.findall(
        r"^\| cloud \| (\S+) \|.*\| (port (\d+).*|nobody here) \|$", (tree / "summary.md").read_text("utf-8"), re.M
    )
    assert {(vendor, port) for vendor, _, port in rows if port} == read
    assert (
        {vendor for vendor, _, port in rows if not port}
        == {name for name in VENDORS if name not in dict(read)}
        != set()
    )


def test_what_the_page_says_of_readers_is_what_the_policy_admits(site: Site) -> None:
    [policy] = [body for body in site.objects if body["metadata"]["name"] == "allow-scrapes"]
    [peer] = policy["spec"]["ingress"][0]["from"]
    told = {
        reason.rpartition(" of ")[2].removesuffix(" may")
        for _, daemon, right, reason in table(site)
        if right.startswith("listens") and not daemons(site)[daemon]["spec"]["template"]["spec"].get("hostNetwork")
    }
    assert told == {peer["ipBlock"]["cidr"]}


def test_every_reason_is_the_catalogues(site: Site) -> None:
    for _, daemon, _, reason in table(site):
        facts = json.dumps(VENDORS[daemon.rpartition("-")[0]].facts["cluster"], ensure_ascii=False)
        assert reason.startswith(REASONLESS) or f'"{reason}"' in facts, (daemon, reason)


def test_programs_have_no_account_and_no_way_out(site: Site) -> None:
    for daemon in daemons(site).values():
        pod = daemon["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False and "serviceAccountName" not in pod
        assert "@sha256:" in pod["containers"][0]["image"]
        assert daemon["metadata"]["namespace"] == NAMESPACE
    kinds = {body["kind"] for body in site.objects if body["metadata"].get("namespace") == NAMESPACE}
    assert kinds == {"DaemonSet", "NetworkPolicy"}
    policies = [body for body in site.objects if body["metadata"].get("namespace") == NAMESPACE]
    denied = [each["spec"] for each in policies if each["metadata"]["name"] == "default-deny"]
    assert denied == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    assert all("egress" not in each["spec"] for each in policies)
    privileged = [
        body["metadata"]["name"]
        for body in site.objects
        if body["kind"] == "Namespace" and "privileged" in body["metadata"]["labels"].values()
    ]
    assert privileged == [NAMESPACE]


def test_objects_do_not_follow_nodes(site: Site) -> None:
    """With every vendor of the catalogue in one cluster: at most 200 beside those of tenants and services."""
    others = [body for body in site.objects if "center.internal/environment" not in body["metadata"].get("labels", {})]
    assert len(others) <= 200


def test_a_vendor_is_offered_as_far_as_somebody_has_published_how(site: Site) -> None:
    said = offers()
    assert sum("plugin" in each for each in said.values()) >= 6
    assert set(daemons(site)) == {f"{name}-{kind}" for name, each in said.items() for kind in each if kind != "part"}
    for name, vendor in VENDORS.items():
        for kind, program in (("plugin", vendor.program), ("exporter", vendor.exporter)):
            if program is None:
                assert f"{name}-{kind}" not in daemons(site)


@pytest.mark.parametrize("side", ["good", "bad"])
def test_every_two_vendors_stand_in_one_cluster_or_a_rule_says_why_not(side: str, site: Site) -> None:
    """Without ports of the site's own exactly those collide whose exporters the catalogue has on one port."""
    made = spec()
    if side == "bad":
        del made["network"]["ports"]
    site.write(made)
    command = [sys.executable, "-m", "generator", "validate", str(site.folder), "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    found = [
        each for each in json.loads(done.stdout)["problems"] if "clash" in each["rule"] or "shared" in each["rule"]
    ]
    clashes = {each["rule"] for each in found if each["severity"] == "error"}
    ports = [vendor.port for vendor in vendors().values() if vendor.port]
    pairs = sum(a == b for a, b in itertools.combinations(ports, 2))
    assert pairs > 0
    assert clashes == ({"cluster.exporter-shared"} if side == "bad" else set())


def test_feature_rules_tell_vendors_apart(site: Site) -> None:
    made = spec()
    made["clusters"]["cloud"]["features"] = True
    site.write(made)
    site.run("render", str(site.folder))
    rules = [body for body in site.objects if body["kind"] == "NodeFeatureRule"]
    assert len(rules) >= 8
    seen: set[str] = set()
    for body in rules:
        [rule] = body["spec"]["rules"]
        [feature] = rule["matchFeatures"]
        wanted = {key: set(value["value"]) for key, value in feature["matchExpressions"].items()}
        vendor = VENDORS[body["metadata"]["name"].removeprefix("center-")].facts
        assert wanted.pop("vendor") == {vendor["pci-vendor"]["value"]}
        assert wanted, "a vendor makes other cards as well"
        assert not seen & set(rule["labels"])
        seen |= set(rule["labels"])


def test_series_of_vendors_are_told_apart(site: Site) -> None:
    ports = {name: facts.port for name, facts in VENDORS.items()} | spec()["network"]["ports"]
    found: dict[str, set[int]] = {}
    for file in sorted((site.folder / "generated/monitoring/targets").glob("accelerators-*.json")):
        for target in json.loads(file.read_text("utf-8")):
            [place] = target["targets"]
            found.setdefault(target["labels"]["vendor"], set()).add(int(place.rpartition(":")[2]))
    assert found == {name: {ports[name]} for name, said in offers().items() if "exporter" in said}
    exposed = {
        name.rpartition("-")[0]: daemon["spec"]["template"]["spec"]["containers"][0]["ports"][0]["hostPort"]
        for name, daemon in daemons(site).items()
        if name.endswith("-exporter")
    }
    assert {name: {port} for name, port in exposed.items()} == found


def test_yaml_of_the_tree_is_what_kustomize_lists(site: Site) -> None:
    folder = site.folder / "generated/clusters/cloud"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))["resources"]
    assert "devices.yaml" in listed and "exceptions.md" not in listed
    assert {str(file.relative_to(folder)) for file in folder.rglob("*.yaml")} - {"kustomization.yaml"} == set(listed)


def test_the_page_says_which_vendors_are_offered_how() -> None:
    page = (ROOT / "docs/accelerators.md").read_text("utf-8").partition("## Which vendors")[2]
    page = page.partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    told = {row[0]: row[1:] for row in rows[1:]}
    assert set(told) == set(VENDORS)
    for name, vendor in VENDORS.items():
        plugin, exporter, claims, torch = told[name]
        facts = vendor.facts["cluster"]
        assert plugin.startswith("rendered") == (vendor.program is not None), name
        assert ("(" in plugin) == (vendor.plugin != vendors()[name].plugin)
        assert (exporter == "rendered") == (vendor.exporter is not None), name
        assert (exporter == "no runtime") == (facts["exporter"]["value"] is not None and vendor.exporter is None), name
        assert claims == facts.get("claims", {}).get("device-class", {}).get("value", "")
        assert torch == (vendor.facts["torch"]["device"]["value"] or "nothing")
