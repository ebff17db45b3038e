"""Rules for Node Feature Discovery, judged by its own master: a vendor's nodes get its label, and nobody else's do.

No card is here: what the discovery's workers would find on a node is written as the object that they would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from control_plane.cluster import ControlPlane, Manifest
from control_plane.processes import Process
from control_plane.tools import build_tools
from tests.accelerator_site import VENDORS, site_in, spec
from tests.rig.features import NAMESPACE, OWN_NODE, feature_discovery, node
from tests.vendors import CATALOG, Vendor

pytestmark = pytest.mark.cluster
SECONDS = 60.0
GRAPHICS, BRIDGE = "0302", "0604"
Card = dict[str, str]


def cards(vendor: Vendor) -> list[Card]:
    """Cards by which the vendor's first model is known."""
    model = yaml.safe_load((CATALOG / f"accelerators/{vendor.model}.yaml").read_text("utf-8"))
    number = vendor.facts["pci-vendor"]["value"]
    if devices := model.get("pci-devices", {}).get("value"):
        return [{"vendor": number, "device": device, "class": GRAPHICS} for device in devices]
    classes = vendor.facts["cluster"].get("feature", {}).get("classes", {}).get("value") or []
    return [{"vendor": number, "device": "ffff", "class": class_} for class_ in classes]


FOUND = {
    f"{name}-{index}": (name, card)
    for name, vendor in VENDORS.items()
    if vendor.facts["pci-vendor"]["value"]
    for index, card in enumerate(cards(vendor))
}
"""Nodes with one card each."""


@dataclass
class Discovery:
    plane: ControlPlane
    master: Process
    labels: dict[str, str]
    """The label of each vendor that has a rule."""

    def seen(self) -> dict[str, set[str]]:
        """Which of these labels each node has."""
        nodes = self.plane.read("nodes")["items"]
        wanted = set(self.labels.values())
        return {each["metadata"]["name"]: wanted & each["metadata"].get("labels", {}).keys() for each in nodes}

    def becomes(self, expected: dict[str, set[str]]) -> None:
        self.master.wait_ready(lambda: self.seen() == expected, SECONDS, f"{expected}, and not {self.seen()}")


@pytest.fixture(scope="module")
def discovery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Discovery]:
    folder = tmp_path_factory.mktemp("features")
    made = spec()
    made["clusters"]["cloud"]["features"] = True
    site = site_in(folder, made)
    rules = [body for body in site.objects if body["kind"] == "NodeFeatureRule"]
    with (
        ControlPlane(build_tools(), folder / "plane", kueue=False, kwok=False) as plane,
        feature_discovery(plane, folder) as master,
    ):
        plane.apply(*rules)
        labels = {rule["metadata"]["name"].removeprefix("center-"): label_of(rule) for rule in rules}
        yield Discovery(plane, master, labels)


def label_of(rule: Manifest) -> str:
    [label] = rule["spec"]["rules"][0]["labels"]
    return str(label)


def node_with(name: str, *found: Card) -> list[Manifest]:
    """A node, and what a worker of the discovery says of its cards."""
    feature = {
        "apiVersion": "nfd.k8s-sigs.io/v1alpha1",
        "kind": "NodeFeature",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": {"nfd.node.kubernetes.io/node-name": name},
        },
        "spec": {"features": {"instances": {"pci.device": {"elements": [{"attributes": card} for card in found]}}}},
    }  # fmt: skip
    return [node(name), feature]


def test_nodes_get_the_label_of_their_vendor_and_no_other(discovery: Discovery) -> None:
    assert len({name for name, _ in FOUND.values()}) >= 8
    for name, (_, card) in FOUND.items():
        discovery.plane.apply(*node_with(name, card))
    # What the same makers build beside: no number and no class of an accelerator.
    beside = [{**card, "device": "0001", "class": BRIDGE} for _, card in FOUND.values()]
    # And two cards of which one has the maker and the other the numbers.
    halves = [{**card, "vendor": "ffff"} for _, card in FOUND.values()]
    discovery.plane.apply(*node_with("beside", *beside), *node_with("halves", *beside, *halves))
    expected = {name: {discovery.labels[vendor]} for name, (vendor, _) in FOUND.items()}
    discovery.becomes({**expected, "beside": set(), "halves": set(), OWN_NODE: set()})


def test_a_card_that_goes_takes_its_label_along(discovery: Discovery) -> None:
    vendor, card = FOUND[next(iter(FOUND))]
    discovery.plane.apply(*node_with("changing", card))
    before = discovery.seen()
    discovery.becomes({**before, "changing": {discovery.labels[vendor]}})
    discovery.plane.apply(*node_with("changing"))
    discovery.becomes({**before, "changing": set()})
