"""What becomes of running work when a tenant comes, grows, shrinks, loses a pool and goes, as docs/tenants.md says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from control_plane.processes import wait_until
from tests.queue_site import SECONDS, Site, centre, tenant

pytestmark = pytest.mark.cluster

MODELS = {"p0": "simulated-8", "p1": "metax-c500"}
RESOURCES = {"p0": "center.internal/accelerator", "p1": "metax-tech.com/gpu"}
NODES = {"p0": 4, "p1": 1}


def spec(**quota: int) -> dict[str, Any]:
    """Tenants with so many of the eight accelerators of p0; who has none there has one of p1. Two organizations."""
    red = {name: tenant({"p0": n} if n else {"p1": 1}) for name, n in quota.items() if name == "vision"}
    blue = {name: tenant({"p0": n}) for name, n in quota.items() if name != "vision"}
    return centre(MODELS, NODES, {"red": {"tenants": red}, "blue": {"tenants": blue}})


class Day:
    def __init__(self, site: Site) -> None:
        self.site = site

    def say(self, *words: str, exits: int = 0, **quota: int) -> str:
        """Another spec, rendered and applied."""
        self.site.write(spec(**quota))
        self.site.run("render", str(self.site.folder))
        return self.site.in_cluster("apply", *words, exits=exits)

    def work(self, who: str, count: int) -> None:
        begun = len(self.jobs(who))
        for number in range(begun, begun + count):
            self.site.submit(who, "p0", f"{who}-{number}")

    def jobs(self, who: str) -> list[Any]:
        found: list[Any] = self.site.plane.read("jobs", "-n", f"{who}--main")["items"]
        return found

    def run(self, **counts: int) -> None:
        """Wait until so many accelerators of each are at work."""

        def held() -> dict[str, int]:
            used = self.site.used()
            return {who: used[who, "p0"] for who in counts}

        wait_until(lambda: held() == counts, SECONDS, f"{counts}, not {held()}")

    def pods(self, who: str) -> list[str]:
        found = self.site.plane.read("pods", "-n", f"{who}--main")["items"]
        return sorted(pod["metadata"]["uid"] for pod in found if pod["status"]["phase"] == "Running")


def test_the_days_of_a_tenant(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", spec(vision=2, course=2), RESOURCES, NODES)
    with site.started():
        day = Day(site)
        day.work("vision", 5)
        day.run(vision=2)

        day.say(vision=2, course=2, guest=1)  # one comes
        day.work("guest", 1)
        day.run(vision=2, guest=1)

        day.say(vision=4, course=2, guest=1)  # one grows
        day.run(vision=4)
        wait_until(lambda: len(day.pods("vision")) == 4, SECONDS, "pods")
        begun = day.pods("vision")

        day.say(vision=1, course=2, guest=1)  # and shrinks: what runs goes on while nobody else claims it
        day.work("course", 2)
        day.run(course=2, vision=4)
        assert day.pods("vision") == begun

        day.say(vision=1, course=6, guest=1)  # an owner claims it, and gets it
        day.work("course", 4)
        day.run(course=6, vision=1)
        wait_until(lambda: len(day.pods("vision")) == 1, SECONDS, "pods")
        [left] = day.pods("vision")
        assert left in begun, "what is within the quota is not disturbed"

        day.say(vision=0, course=6, guest=1)  # a pool is taken away: what runs there ends by itself, nothing new begins
        assert day.pods("vision") == [left]
        answer = site.plane.read("localqueues", "-n", "vision--main")["items"]
        assert [queue["metadata"]["name"] for queue in answer] == ["p1"]
        site.plane.kubectl("delete", "jobs", "--all", "-n", "vision--main")
        wait_until(partial(gone, site, "clusterqueue", "vision.p0"), SECONDS, "the queue of the pool")

        told = day.say(vision=0, course=6, exits=2)  # one goes: only when it is named, with all that it has
        assert "delete Namespace guest--main waits for --confirm guest--main" in told
        assert len(day.pods("guest")) == 1
        day.say("--confirm", "guest--main", vision=0, course=6)
        wait_until(partial(gone, site, "namespace", "guest--main"), SECONDS, "the namespace")
        assert "0 objects differ" in site.in_cluster("diff")


def gone(site: Site, kind: str, name: str) -> bool:
    return not site.plane.kubectl("get", kind, name, "--ignore-not-found")
