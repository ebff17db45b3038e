"""Random edits of a centre, and by hand in its cluster: does a preview name exactly what the API server then sees?

An edit changes something and says what; whether that changes an object, and how, is for others to find out.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from control_plane.cluster import KubectlError
from control_plane.processes import wait_until
from control_plane.tools import build_tools
from tests.clusters import Body, Cluster, Write
from tests.queue_site import Site, centre, tenant
from tests.rig.kinds import plural

MODELS = {"p0": "simulated-8", "p1": "metax-c500"}
RESOURCES = {"p0": "center.internal/accelerator", "p1": "metax-tech.com/gpu"}
NODES = {"p0": 4, "p1": 3}
CLASSES = ["research", "enterprise", "teaching", "incubation", "event"]
OURS = "center.internal/member-of"
OWN = "center-system"
IN_USE = "kueue.x-k8s.io/resource-in-use"

Edit = Callable[[dict[str, Any], Random], str]


def begin() -> dict[str, Any]:
    """The centre of the first edit: two organizations, three tenants, two pools."""
    return centre(
        MODELS,
        NODES,
        {
            "red": {"tenants": {"vision": tenant({"p0": 2, "p1": 1}, {"p0": 2}), "speech": tenant({"p0": 1})}},
            "blue": {"tenants": {"course": tenant({"p1": 2})}, "weight": 2},
        },
    )


def some_tenant(spec: dict[str, Any], chance: Random) -> tuple[str, dict[str, Any]]:
    everybody = [(n, t) for o in spec["organizations"].values() for n, t in o["tenants"].items()]
    name, found = chance.choice(everybody)
    return name, found


def put(place: dict[str, Any], key: str, value: Any) -> str:
    if value is None:
        place.pop(key, None)
    else:
        place[key] = value
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def of_tenant(key: str, choose: Callable[[Random], Any]) -> Edit:
    def edit(spec: dict[str, Any], chance: Random) -> str:
        name, place = some_tenant(spec, chance)
        return f"tenant {name}: {put(place, key, choose(chance))}"

    return edit


def of_cluster(key: str, *choices: Any) -> Edit:
    return lambda spec, chance: f"cluster: {put(spec['clusters']['cloud'], key, chance.choice(choices))}"


def shares(least: int) -> Callable[[Random], dict[str, str]]:
    def choose(chance: Random) -> dict[str, str]:
        counts = {pool: chance.randint(least, 3) for pool in chance.sample(sorted(NODES), chance.randint(1, 2))}
        return {pool: f"{count} accelerators" for pool, count in counts.items() if count}

    return choose


def come(spec: dict[str, Any], chance: Random) -> str:
    name = f"guest-{chance.randint(1, 3)}"
    organization = chance.choice([*spec["organizations"], "green"])
    tenants = spec["organizations"].setdefault(organization, {"tenants": {}})["tenants"]
    tenants[name] = {**tenant({chance.choice(sorted(NODES)): 1}), "class": chance.choice(CLASSES)}
    return f"tenant {name} comes to {organization}"


def go(spec: dict[str, Any], chance: Random) -> str:
    name, _ = some_tenant(spec, chance)
    for organization in [*spec["organizations"]]:
        spec["organizations"][organization]["tenants"].pop(name, None)
        if not spec["organizations"][organization]["tenants"]:
            del spec["organizations"][organization]
    spec.get("services", {}).pop(f"{name}-model", None)
    return f"tenant {name} goes"


def serve(spec: dict[str, Any], chance: Random) -> str:
    name, place = some_tenant(spec, chance)
    services = spec.setdefault("services", {})
    if services.pop(f"{name}-model", None):
        return f"service {name}-model goes"
    if not place.get("quota"):
        return "no service"
    inputs = {"model": chance.choice(["small", "large"]), "replicas": chance.choice(["1-1", "1-2"])}
    pool, environment = sorted(place["quota"])[0], place.get("environments", ["main"])[0]
    services[f"{name}-model"] = {
        "kind": "inference", "tenant": name, "pool": pool, "environment": environment, "inputs": inputs,
    }  # fmt: skip
    return f"service {name}-model comes"


def weigh(spec: dict[str, Any], chance: Random) -> str:
    name = chance.choice(sorted(spec["organizations"]))
    return f"organization {name}: {put(spec['organizations'][name], 'weight', chance.choice([None, 1, 3, 7]))}"


def guarantee(spec: dict[str, Any], chance: Random) -> str:
    name = chance.choice(sorted(spec["organizations"]))
    kept = chance.choice([None, {"p0": "1 accelerators"}, {"p1": "1 accelerators"}])
    return f"organization {name}: {put(spec['organizations'][name], 'guarantee', kept)}"


def spare(spec: dict[str, Any], chance: Random) -> str:
    pool = chance.choice(sorted(NODES))
    return f"pool {pool}: {put(spec['pools'][pool], 'spares', chance.choice([0, 1]))}"


def entitle(spec: dict[str, Any], chance: Random) -> str:
    return put(spec["metadata"], "title", chance.choice([None, "四 <b>{{ quad }}</b>", "$(id) `id` %h"]))


SPEC: list[Edit] = [
    of_tenant("quota", shares(1)),
    of_tenant("quota", shares(1)),
    of_tenant("borrow", shares(0)),
    of_tenant("class", lambda chance: chance.choice(CLASSES)),
    of_tenant("environments", lambda chance: chance.sample(["main", "lab", "prod"], chance.randint(1, 3))),
    of_tenant("members", lambda chance: [f"oidc:{name}" for name in chance.sample(["a", "b:c", "四"], 2)]),
    of_tenant("admins", lambda chance: [f"oidc:lead-{chance.randint(1, 3)}"]),
    of_tenant("isolation", lambda chance: chance.choice([None, "namespace", "nodes"])),
    of_tenant("until", lambda chance: chance.choice([None, "2027-01-31"])),
    of_tenant("credit", lambda chance: chance.choice([None, "1000 CNY"])),
    of_tenant("title", lambda chance: chance.choice([None, "组 ' \" {{ x }}"])),
    come,
    go,
    serve,
    serve,
    weigh,
    guarantee,
    spare,
    entitle,
    of_cluster("cni", None, "calico", "cilium", "flannel"),
    of_cluster("images", None, ["registry.example/library"], ["registry.example/library", "mirror.example"]),
    of_cluster("queues", "0.18", "0.19"),
]


class Ground:
    """The site whose cluster is edited, and the preview, the run and the audit log of each edit."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cluster = Cluster(site.plane, OWN)
        self.spec = begin()

    def walk(self, seed: int, count: int) -> tuple[Counter[str], list[str]]:
        """So many edits, from the first centre on; what was counted, and what disagrees."""
        chance, counts, faults = Random(seed), Counter[str](edits=0), list[str]()
        self.spec = begin()
        self._write()
        self._settle()
        while counts["edits"] < count:
            before = copy.deepcopy(self.spec)
            what = self._by_hand(chance) if chance.random() < 0.3 else chance.choice(SPEC)(self.spec, chance)
            if not self._write():
                counts["refused"] += 1
                self.spec = before
                self._write()
                continue
            counts["edits"] += 1
            found = [f"seed {seed}, edit {counts['edits']} ({what}): {fault}" for fault in self._judge(counts)]
            if found:  # one fault is told once
                faults += found
                self.spec = before
                self._write()
                self._settle()
        return counts, faults

    def _write(self) -> bool:
        """Render what the spec says now; False when it is refused, and then nothing is rendered."""
        self.site.write(self.spec)
        return self.site.done("render", str(self.site.folder)).returncode == 0

    def _ask(self, verb: str, *words: str) -> tuple[int, dict[str, Any], str]:
        reach = ("--cluster", "cloud", "--kubeconfig", str(self.site.plane.kubeconfig), "--format", "json")
        done = self.site.done(verb, str(self.site.folder), *reach, *words)
        told = json.loads(done.stdout) if done.stdout.strip() else {}
        errors = " ".join(line for line in done.stderr.splitlines() if ": error[" in line)
        return done.returncode, told.get("clusters", {}).get("cloud", {}), errors

    def _settle(self) -> None:
        """The cluster as rendered, whatever it was before; a namespace on its way out is waited for."""
        code, _, complaint = self._ask("apply", *self._confirmed())
        assert code == 0, complaint
        wait_until(lambda: not self._leaving(), 60, "namespaces on their way out")

    def _leaving(self) -> list[str]:
        found = self.site.plane.read("namespaces", "-l", OURS)["items"]
        return [item["metadata"]["name"] for item in found if item["metadata"].get("deletionTimestamp")]

    def _confirmed(self) -> list[str]:
        _, told, _ = self._ask("diff")
        return confirming(told)

    def _judge(self, counts: Counter[str]) -> Iterator[str]:
        """Preview, run with what it asks to confirm, preview: what disagrees with the audit log."""
        if held := self._held():
            yield from self._refused(held)
            self._let_go(held)
        code, told, complaint = self._ask("diff")
        confirm = confirming(told)
        foretold = [as_write(step) for part in ("steps", "withheld") for step in told.get(part, ())]
        counts["previews"] += 1
        counts["objects"] += len(foretold)
        counts["deletions"] += sum(verb == "delete" for verb, *_ in foretold)
        if code != (2 if foretold else 0):
            yield f"diff ended with {code}: {complaint}"
        self.cluster.forget()
        code, said, complaint = self._ask("apply", *confirm)
        if code != 0:
            yield f"apply ended with {code}: {complaint}"
        written = self.cluster.writes()
        if sorted(foretold) != sorted(written):
            missing, more = Counter(foretold) - Counter(written), Counter(written) - Counter(foretold)
            yield f"foretold and not done: {sorted(missing)}; done and not foretold: {sorted(more)}"
        if sorted(map(as_write, said.get("steps", ()))) != sorted(foretold):
            yield "the report of the run is another one than the preview"
        wait_until(lambda: not self._leaving(), 60, "namespaces on their way out")
        code, left, _ = self._ask("diff")
        if code != 0:
            yield f"after the run, diff ends with {code}: {[as_write(step) for step in left.get('steps', ())]}"

    def _held(self) -> list[str]:
        """Flavors that somebody has deleted and that do not go, since a queue uses them."""
        flavors, queues = (
            self.site.plane.read(kind, "-l", OURS)["items"] for kind in ("resourceflavor", "clusterqueue")
        )
        groups = [group for queue in queues for group in queue["spec"].get("resourceGroups", ())]
        used = {flavor["name"] for group in groups for flavor in group["flavors"]}
        ending = {each["metadata"]["name"] for each in flavors if each["metadata"].get("deletionTimestamp")}
        return sorted(used & ending)

    def _refused(self, held: list[str]) -> Iterator[str]:
        """What does not go is named with what keeps it, and nothing is written."""
        self.cluster.forget()
        for verb in ("diff", "apply"):
            code, _, complaint = self._ask(verb)
            if code != 1 or not all(f"ResourceFlavor {name}:" in complaint for name in held) or IN_USE not in complaint:
                yield f"{verb} ended with {code} and said of {held}: {complaint}"
        if written := self.cluster.writes():
            yield f"{held} did not go, and yet this was written: {written}"

    def _let_go(self, held: list[str]) -> None:
        """As docs/delivery.md says."""
        nothing = json.dumps({"metadata": {"finalizers": None}})
        for name in held:
            self.site.plane.kubectl("patch", "resourceflavor", name, "--type", "merge", "--patch", nothing)

    def _by_hand(self, chance: Random) -> str:
        """What somebody does in the cluster, of which the preview has to know."""
        kinds = ["configmap", "resourcequota", "limitrange", "role", "rolebinding", "networkpolicy", "localqueue"]
        wide = ["clusterqueue", "cohort", "resourceflavor", "validatingadmissionpolicy", "workloadpriorityclass"]
        kind = chance.choice([*kinds, *wide])
        found = self._ours(kind)
        if not found:
            return "nothing"
        one = chance.choice(found)
        place = [f"--namespace={one['metadata']['namespace']}"] if "namespace" in one["metadata"] else []
        name = one["metadata"]["name"]
        action = chance.choice(["delete", "label", "our label", "copy"])
        try:
            match action:
                case "delete":
                    self.site.plane.kubectl("delete", kind, name, *place, "--wait=false")
                case "label":
                    self.site.plane.kubectl("label", kind, name, *place, "theirs=yes", "--overwrite")
                case "our label":
                    self.site.plane.kubectl("label", kind, name, *place, f"{OURS}-")
                case "copy":
                    self._copy(one)
        except KubectlError as error:
            return f"{action} of {kind} {name}, which was refused: {error}"
        return f"{action} of {kind} {name}"

    def _ours(self, kind: str) -> list[Body]:
        found: list[Body] = self.site.plane.read(kind, "-A", "-l", OURS)["items"]
        return [item for item in found if not item["metadata"].get("deletionTimestamp")]

    def _copy(self, one: Body) -> None:
        """Somebody's own object that looks like one of ours, label included: it is none of our business."""
        labels = one["metadata"].get("labels", {})
        where = {key: one["metadata"][key] for key in ("namespace",) if key in one["metadata"]}
        metadata = {"name": f"theirs-{one['metadata']['name']}"[:63].rstrip("-."), "labels": labels, **where}
        body = {key: value for key, value in one.items() if key not in ("metadata", "status")} | {"metadata": metadata}
        self.site.plane.kubectl("apply", "-f-", stdin=json.dumps(body))


@contextmanager
def started(folder: Path) -> Iterator[Ground]:
    """A control plane with Kueue, and with the kinds that routes of services need."""
    site = Site(folder, begin(), RESOURCES, NODES)
    with site.started():
        site.plane.kubectl("apply", "--server-side", f"--filename={build_tools().gateway_crds}")
        yield Ground(site)


def confirming(told: dict[str, Any]) -> list[str]:
    """The options that let a run delete what it would else hold back."""
    names = sorted({name for step in told.get("withheld", ()) for name in step["needs"]})
    return [word for name in names for word in ("--confirm", name)]


def as_write(step: dict[str, Any]) -> Write:
    """A step as the audit log would show it."""
    key = step["key"]
    return str(step["verb"]), plural(str(key["kind"])), str(key["namespace"]), str(key["name"])
