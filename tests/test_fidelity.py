"""Eight hosts: a second apply changes nothing, and previews name what runs then do; a sample of the campaign."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from bench.hosts import COUNTING
from tests.campaign import witness
from tests.campaign.kinds import fidelity
from tests.campaign.witness import HostState, Told
from tests.obstacles import give_way_to
from tests.quad import Quad, booted
from tests.rig.base import obstacle
from tests.rig.hosts import FileState

WORKERS = 6
EDITS = 6


@pytest.fixture(scope="module")
def quad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quad]:
    give_way_to(obstacle())
    with booted(tmp_path_factory.mktemp("fidelity"), WORKERS) as made:
        assert made.render().returncode == 0
        first = made.center("apply", "--hosts")
        assert first.returncode == 0, first.stdout + first.stderr
        yield made


@pytest.mark.hosts
def test_a_second_apply_to_eight_hosts_touches_nothing(quad: Quad) -> None:
    """No file (content, mode, owner, time), no unit; Ansible is not even begun."""
    before = quad.everywhere(lambda name: witness.look(quad, name))
    counts = quad.folder.parent / "counts"
    done = quad.center("apply", "--hosts", program=COUNTING, extra={"COUNTS": str(counts)})
    assert done.returncode == 0 and "8 hosts: 8 unchanged" in done.stdout
    assert counts.read_text() == '{"runs": 0, "tasks": 0, "changed": 0}'
    after = quad.everywhere(lambda name: witness.look(quad, name))
    nothing = Told.nothing()
    for name in quad.hosts.addresses:
        assert list(witness.differences(name, nothing, before[name], after[name])) == []


@pytest.mark.hosts
def test_previews_of_a_sample_of_edits_are_true(quad: Quad) -> None:
    outcome = fidelity.walk(quad, 1, EDITS)
    assert outcome.failures == ()
    assert outcome.counts["edits"] == EDITS and outcome.counts["files"] > 0


# What the witness would notice

FILE = FileState("file", "aa", "0644", "root", "root", 1)
HOST = HostState({"/etc/a": FILE}, {"a.service": ("active", "enabled", "1")}, frozenset({"base"}), frozenset())
NOTHING = Told.nothing()


def other_file(name: str, value: object) -> FileState:
    return FileState(**{**dataclasses.asdict(FILE), name: value})


@pytest.mark.parametrize(
    ("after", "noticed"),
    [
        ({"files": {}}, "remove of /etc/a"),
        ({"files": {"/etc/a": FILE, "/etc/b": FILE}}, "create of /etc/b"),
        *(
            ({"files": {"/etc/a": other_file(name, value)}}, "update of /etc/a")
            for name, value in {"digest": "b", "mode": "0600", "owner": "a", "group": "a", "changed_ns": 2}.items()
        ),
        ({"units": {"a.service": ("active", "enabled", "2")}}, "a.service started again"),
        ({"units": {"a.service": ("failed", "enabled", "1")}}, "a.service was stopped"),
        ({"units": {"a.service": ("active", "disabled", "1")}}, "a.service was enabled and is disabled"),
        ({"packages": frozenset({"base", "more"})}, "packages that nobody foretold"),
    ],
)
def test_the_witness_notices_what_nobody_foretold(after: dict[str, object], noticed: str) -> None:
    changed = dataclasses.replace(HOST, **after)  # type: ignore[arg-type]
    assert [fault for fault in witness.differences("x", NOTHING, HOST, changed) if noticed in fault]


@pytest.mark.parametrize(
    "told",
    [
        {"files": {"/etc/a": "update"}},
        {"files": {"/etc/b": "create"}},
        {"packages": frozenset({"more"})},
        {"begun": frozenset({"a.service"})},
        {"ended": frozenset({"a.service"})},
    ],
)
def test_the_witness_notices_what_did_not_happen(told: dict[str, object]) -> None:
    said = dataclasses.replace(NOTHING, **told)  # type: ignore[arg-type]
    assert list(witness.differences("x", said, HOST, HOST)) != []


def test_the_witness_sees_a_folder_that_was_foretold() -> None:
    told = dataclasses.replace(NOTHING, files={"/etc/d": "create"})
    made = dataclasses.replace(HOST, folders=frozenset({"/etc/d", "/etc/e"}))
    assert list(witness.differences("x", told, HOST, made)) == []
    assert list(witness.differences("x", told, made, made)) != []
