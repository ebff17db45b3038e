"""Dates and credits with an actor: queues are held and given back, work goes on, and an apply minds its own fields."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.processes import wait_until
from tests.queue_site import ROOT, SECONDS, Site, centre, tenant

cluster = pytest.mark.cluster

MODELS, RESOURCES, NODES = {"train": "simulated-8"}, {"train": "center.internal/accelerator"}, {"train": 4}
LAST, AFTER = "2027-01-31", "2027-02-01"


def spec(until: str = LAST) -> dict[str, Any]:
    """Eight accelerators: a course that ends, a firm on credit, and one tenant that may borrow all the rest."""
    tenants = {
        "course": tenant({"train": 2}, until=until),
        "firm": tenant({"train": 2}, credit="1000 CNY"),
        "lab": tenant({"train": 2}, {"train": 6}),
    }
    return {**centre(MODELS, NODES, {"campus": {"tenants": tenants}}), "prices": {"plan": "standard-cny"}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("enforce") / "site", spec(), RESOURCES, NODES)
    with site.started():
        yield site


def enforce(site: Site, day: str, *words: str, exits: int = 0) -> list[tuple[str, str]]:
    """What the verb says that it did, or would do."""
    said = json.loads(site.in_cluster("enforce", "--as-of", day, "--format", "json", *words, exits=exits))
    assert said["exit_code"] == exits
    return [(deed["verb"], deed["queue"]) for deed in said["clusters"]["cloud"]["deeds"]]


def spent(site: Site, **amounts: str) -> tuple[str, str]:
    file = site.folder / "spent.csv"
    file.write_text("tenant,amount\n" + "".join(f"{name},{amount}\n" for name, amount in amounts.items()))
    return "--spent", str(file)


def writes(site: Site) -> int:
    """Requests of the product that could have changed something."""
    changing = ("create", "update", "patch", "delete")
    events = [event for event in site.plane.audit_events() if event.get("userAgent") == "center"]
    return sum(event["verb"] in changing and "dryRun=All" not in event["requestURI"] for event in events)


def policy(site: Site, queue: str) -> str:
    return str(site.plane.read("clusterqueue", queue)["spec"].get("stopPolicy", "None"))


def holds(site: Site, name: str) -> int:
    return site.used()[name, "train"]


@cluster
def test_an_ended_course_admits_nothing_new_and_keeps_what_it_has(site: Site) -> None:
    site.plane.kubectl("create", "configmap", "homework", "--from-literal=a=b", "-n", "course--main")
    site.submit("course", "train", "running")
    wait_until(lambda: holds(site, "course") == 1 and list(site.places()), SECONDS, "a job of the course")
    assert enforce(site, LAST) == []

    before = writes(site)
    hold = [("hold", "course.train")]
    assert enforce(site, AFTER, "--check", exits=2) == hold
    assert writes(site) == before
    assert policy(site, "course.train") == "None"
    assert enforce(site, AFTER) == hold
    held = site.plane.read("clusterqueue", "course.train")["metadata"]["annotations"]
    assert held["center.internal/held"] == f"its last day was {LAST}"
    assert held["center.internal/held-since"] == AFTER

    before = writes(site)
    assert enforce(site, "2027-02-02T03:00") == []
    assert writes(site) == before

    site.submit("course", "train", "late")
    for number in range(8):
        site.submit("lab", "train", f"other-{number}")
    # What the course leaves idle is lent, what it still uses counts.
    wait_until(lambda: holds(site, "lab") == 7, SECONDS, "work of somebody else, asked for later")
    assert site.plane.read("job", "late", "-n", "course--main")["spec"]["suspend"]
    assert site.plane.read("job", "running", "-n", "course--main")["status"]["active"] == 1
    assert site.plane.read("configmap", "homework", "-n", "course--main")["data"] == {"a": "b"}

    # Whoever applies the tree neither sees nor undoes it.
    site.in_cluster("diff")
    site.in_cluster("apply")
    assert policy(site, "course.train") == "Hold"

    site.write(spec(until="2027-06-30"))
    assert enforce(site, AFTER) == [("give back", "course.train")]
    wait_until(lambda: holds(site, "course") == 2 and holds(site, "lab") == 6, SECONDS, "the job that waited")
    found = site.plane.read("clusterqueue", "course.train", "--show-managed-fields")["metadata"]
    assert "center.internal/held" not in found.get("annotations", {})
    assert "center-enforce" not in {entry["manager"] for entry in found["managedFields"]}
    site.write(spec())


@cluster
def test_a_credit_binds_at_its_last_cent_and_stays_when_nobody_counts(site: Site) -> None:
    day = "2027-01-01"
    assert enforce(site, day, *spent(site, firm="999.99")) == []
    assert enforce(site, day, *spent(site, firm="1000.00", stranger="5")) == [("hold", "firm.train")]
    assert enforce(site, day, *spent(site, firm="1200")) == []
    # Neither a run without sums nor sums that leave the firm out say that it may go on.
    assert enforce(site, day) == []
    assert enforce(site, day, *spent(site, lab="7")) == []
    assert policy(site, "firm.train") == "Hold"
    assert enforce(site, day, *spent(site, firm="0")) == [("give back", "firm.train")]
    assert policy(site, "firm.train") == "None"


@cluster
def test_a_person_may_stop_more_but_not_less(site: Site) -> None:
    def stop(word: str) -> None:
        patch = json.dumps({"spec": {"stopPolicy": word}})
        site.plane.kubectl("patch", "clusterqueue", "course.train", "--type=merge", f"-p={patch}")

    stop("HoldAndDrain")
    assert enforce(site, AFTER) == []
    assert policy(site, "course.train") == "HoldAndDrain"
    # Whoever lets it run again by hand has not changed its last day.
    stop("None")
    assert enforce(site, AFTER) == [("hold", "course.train")]
    stop("None")
    assert enforce(site, AFTER) == [("hold", "course.train")]
    assert enforce(site, LAST) == [("give back", "course.train")]


@cluster
def test_the_rights_of_the_documented_timer_suffice(site: Site) -> None:
    [rights] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/enforce.md").read_text("utf-8"), re.DOTALL)
    roles = list(yaml.safe_load_all(rights))
    group = "rbac.authorization.k8s.io"
    for role in roles:
        meta, kind = role["metadata"], role["kind"]
        site.plane.apply(
            role,
            {
                "apiVersion": f"{group}/v1",
                "kind": f"{kind}Binding",
                "metadata": meta,
                "roleRef": {"apiGroup": group, "kind": kind, "name": meta["name"]},
                "subjects": [{"apiGroup": group, "kind": "User", "name": "timer"}],
            },
        )
    timer = str(site.plane.kubeconfig_for("timer", []))
    said = site.run("enforce", str(site.folder), "--as-of", AFTER, "--kubeconfig", timer)
    assert said.splitlines() == [f'cloud: hold "course.train": its last day was {LAST}', "cloud: 1 changed, 1 held"]
    assert enforce(site, LAST) == [("give back", "course.train")]


@cluster
def test_nobody_writes_beside_an_apply(site: Site) -> None:
    now = datetime.now(UTC)
    times = [(now + timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for s in (0, 0)]
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "center", "namespace": "center-system"},
        "spec": {
            "holderIdentity": "somebody@else/1",
            "leaseDurationSeconds": 600,
            "acquireTime": times[0],
            "renewTime": times[1],
        },
    }
    site.plane.kubectl("delete", "lease", "center", "-n", "center-system", "--ignore-not-found")
    site.plane.apply(lease)
    assert enforce(site, AFTER, exits=1) == []
    assert policy(site, "course.train") == "None"
    assert enforce(site, AFTER, "--check", exits=2) == [("hold", "course.train")]
    site.plane.kubectl("delete", "lease", "center", "-n", "center-system")


@pytest.mark.parametrize(
    ("text", "shows"),
    [
        ("", "first line"),
        ("tenant;amount\n", "first line"),
        ("tenant,amount\nfirm\n", "line 2"),
        ("tenant,amount\nfirm,1e3\n", "line 2"),
        ("tenant,amount\nfirm,-5\n", "line 2"),
        ("tenant,amount\nfirm,NaN\n", "line 2"),
        ("tenant,amount\nfirm,1.2.3\n", "line 2"),
        ("tenant,amount\nfirm,5\nfirm,6\n", "line 3"),
        ('tenant,amount\n"firm,5\n', "no|not|line"),
    ],
)
def test_sums_that_cannot_be_read_hold_nobody(text: str, shows: str, tmp_path: Path) -> None:
    file = tmp_path / "spent.csv"
    file.write_text(text)
    command = [sys.executable, "-m", "generator", "enforce", "starter", "--as-of", AFTER, "--spent", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "enforce.spent" in done.stderr
    assert re.search(shows, done.stderr)
