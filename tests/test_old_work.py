"""Work that was there before a rule became stricter: it ends, gives back what it borrowed, and is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from control_plane.processes import wait_until
from tests.queue_site import QUEUE, SECONDS, Site, centre, job, tenant

pytestmark = pytest.mark.cluster

POOL, RESOURCE = "p0", "center.internal/accelerator"
GUEST = ("--namespace", "guest--main")
ORGANIZATIONS = {
    "east": {"tenants": {"owner": tenant({POOL: 2})}},
    "west": {"tenants": {"guest": tenant({POOL: 2}, {POOL: 2})}},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("old")
    spec = centre({POOL: "simulated-8"}, {POOL: 2}, ORGANIZATIONS)
    site = Site(folder / "site", spec, {POOL: RESOURCE}, {POOL: 2})
    with site.started():
        for number in range(4):
            site.submit("guest", POOL, f"old-{number}")
        wait_until(lambda: site.used()["guest", POOL] == 4, SECONDS, "two of its own and two on loan")
        wait_until(lambda: len(list(site.places())) == 4, SECONDS, "their pods")
        spec["clusters"]["cloud"]["images"] = ["registry.example"]
        site.write(spec)
        site.run("render", str(site.folder))
        site.in_cluster("apply")
        stricter = {**job("new", POOL, RESOURCE), "metadata": {"name": "new", "labels": {QUEUE: POOL}}}
        wait_until(lambda: "come from registry.example" in site.ask("guest", stricter).text, SECONDS, "policies")
        yield site


def names(site: Site) -> set[str]:
    return {each["metadata"]["name"] for each in site.plane.read("jobs", *GUEST)["items"]}


def allowed(name: str) -> dict[str, Any]:
    made = job(name, POOL, RESOURCE)
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/main:1"
    return made


def test_old_work_gives_back_what_it_has_on_loan(site: Site) -> None:
    for number in range(2):
        assert site.ask("owner", allowed(f"mine-{number}")).is_success
    wait_until(lambda: site.used() == {("owner", POOL): 2, ("guest", POOL): 2}, SECONDS, "the owner's own")


def test_old_work_can_be_taken_away(site: Site) -> None:
    """The way of deletion in which the pods go first needs a change of the job itself."""
    before = names(site)
    site.plane.kubectl("delete", "job", "old-0", *GUEST, "--cascade=foreground", "--wait=false")
    wait_until(partial(lambda: names(site) == before - {"old-0"}), SECONDS, "the job gone")
