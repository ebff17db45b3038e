"""Texts of an enemy, a sample of the campaign, and some of them on a booted host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign.kinds import injection
from tests.campaign.payloads import CANARY, KINDS, payloads
from tests.obstacles import give_way_to
from tests.quad import HEAD, Quad, booted, worker
from tests.rig.base import obstacle

SAMPLE, GROUPS = 60, 6
# What a site may say in its own words, and what reaches a host of it.
HOSTILE = [
    "{{ lookup('pipe', 'touch /run/executed') }}",
    "$(touch /run/executed)",
    "`touch /run/executed`",
    "; touch /run/executed",
    "x\nExecStartPre=/bin/touch /run/executed",
    "%n $HOME ${PATH}",
    "-oProxyCommand=touch /run/executed",
    "' \" \\ # ; | & < > *",
    "@{node.name} @{secret.munge}",
    "中心 😀",
]


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_sample_of_texts_is_refused_or_carried_as_it_is(group: int) -> None:
    known = payloads(injection.COUNT)
    outcome = injection.attack([*known[group:SAMPLE:GROUPS]])
    assert outcome.failures == ()
    assert outcome.counts["texts"] == SAMPLE // GROUPS
    assert outcome.counts["carried"] > 0 and outcome.counts["refused"] > 1_000


def test_texts_are_many_and_each_is_new() -> None:
    known = payloads(injection.COUNT)
    assert len(set(known)) == len(known) == injection.COUNT == 500
    assert all(len({*texts}) == len(texts) for texts in KINDS.values())
    assert sum(CANARY in text for text in known) > 200


def test_what_differs_is_noticed(tmp_path: Path) -> None:
    """The comparison of trees, with trees in which something is wrong."""
    token, text = injection.TOKEN, "a: b\nc: d"
    carried = {"x.json": json.dumps({"a": text}).encode(), "x.yaml": json.dumps({"a": text}).encode()}
    before = {"x.json": json.dumps({"a": token}).encode(), "x.yaml": json.dumps({"a": token}).encode()}
    assert list(injection.altered(before, carried, text)) == []
    for wrong in (
        {**carried, "x.yaml": b"a: a: b"[3:] + b"\nc: d\n"},
        {**carried, "x.json": b'{"a": "a: b"}'},
        {**carried, "y": b""},
    ):
        assert list(injection.altered(before, wrong, text)) != []
    unit = {"u.service": f"[Unit]\nDescription={token}\n".encode()}
    assert list(injection.altered(unit, {"u.service": b"[Unit]\nDescription=a\n"}, "a")) == []
    assert list(injection.altered(unit, {"u.service": b"[Unit]\nDescription=a\nExecStart=b\n"}, "a\nExecStart=b")) != []


@pytest.fixture(scope="module")
def quad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quad]:
    give_way_to(obstacle())
    with booted(tmp_path_factory.mktemp("injection"), workers=1) as made:
        yield made


@pytest.mark.hosts
def test_on_a_host_they_are_only_text(quad: Quad) -> None:
    """In the words of the spec and in the commands of a site's own checks; systemd reads every unit of ours."""
    words = quad.spec
    words["metadata"] |= {"title": " ".join(HOSTILE), "description": HOSTILE[0]}
    words["site"]["region"] = HOSTILE[1]
    checks = quad.folder / "catalog/checks"
    checks.mkdir(parents=True)
    for number, text in enumerate(HOSTILE):
        command = ["/usr/bin/test", text, "=", text]
        check = {"kind": "check", "name": f"own-{number}", "title": text, "why": text, "argv": command}
        (checks / f"own-{number}.yaml").write_text(json.dumps(check, ensure_ascii=False))
        wrong = {**check, "name": f"wrong-{number}", "argv": ["/bin/sh", "-c", 'echo "$1"; exit 1', "sh", text]}
        (checks / f"wrong-{number}.yaml").write_text(json.dumps(wrong, ensure_ascii=False))
    done = quad.render()
    assert done.returncode == 0, done.stderr
    limits = ("--limit", HEAD, "--limit", worker(1))
    done = quad.center("apply", "--hosts", *limits)
    assert done.returncode == 0, done.stdout + done.stderr
    assert quad.center("diff", "--hosts", *limits).returncode == 0
    accepted = quad.center("accept", "--limit", worker(1), "--format", "json")
    assert accepted.returncode == 1, accepted.stderr
    failed = {found["check"] for found in json.loads(accepted.stdout)["findings"] if found["severity"] == "error"}
    assert {f"wrong-{number}" for number in range(len(HOSTILE))} <= {name.rpartition(".")[2] for name in failed}
    assert not {f"own-{number}" for number in range(len(HOSTILE))} & {name.rpartition(".")[2] for name in failed}
    for name in (HEAD, worker(1)):
        assert "executed" not in quad.hosts.run(name, ["ls", "/run"])
        units = quad.hosts.run(
            name, ["sh", "-c", "ls /etc/systemd/system/center-*.service 2>/dev/null || true"]
        ).split()
        for unit in units:
            quad.hosts.run(name, ["systemd-analyze", "verify", "--man=no", unit])
    assert not Path("/run/executed").exists()
