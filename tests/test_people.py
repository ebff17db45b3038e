"""Quota, dates and prices as a process says them: units, ties and days that the lessons of the rules leave out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
STARTER = ROOT / "inventories/starter"
VISION = "quota: {train: 16 accelerators}}"
GUEST = '      {name}: {{class: research, admins: ["oidc:{name}"], {words}}}\n'

Edits = tuple[tuple[str, str], ...]


def center(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "generator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def written(folder: Path, edits: Edits) -> Path:
    """The starter centre with some of its text replaced."""
    shutil.copytree(STARTER, folder, ignore=shutil.ignore_patterns("generated"), dirs_exist_ok=True)
    text = (folder / "center.yaml").read_text("utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "center.yaml").write_text(text, "utf-8")
    return folder


def findings(folder: Path, edits: Edits, *options: str) -> list[dict[str, Any]]:
    done = center("validate", str(written(folder, edits)), "--format", "json", *options)
    problems: list[dict[str, Any]] = json.loads(done.stdout)["problems"]
    assert done.returncode == any(problem["severity"] == "error" for problem in problems)
    return problems


def tenants(**words: str) -> Edits:
    """More tenants of the one organization."""
    lines = "".join(GUEST.format(name=name, words=words[name]) for name in words)
    return (("    tenants:\n", f"    tenants:\n{lines}"),)


# Quota


@pytest.mark.parametrize(
    ("others", "largest"),
    [
        ({"atoms": "quota: {train: 9 accelerators}"}, "vision-lab"),
        ({"atoms": "quota: {train: 17 accelerators}"}, "atoms"),
        ({"atoms": "quota: {train: 3 nodes}"}, "atoms"),
        ({"atoms": "quota: {train: 2 nodes}"}, "vision-lab"),
        ({"waves": "quota: {train: 16 accelerators}"}, "waves"),
    ],
)
def test_a_pool_that_is_promised_twice_points_at_the_largest_share(
    others: dict[str, str], largest: str, tmp_path: Path
) -> None:
    [problem] = findings(tmp_path, tenants(**others))
    assert problem["rule"] == "quota.exceeds"
    assert problem["path"] == f"organizations.university.tenants.{largest}.quota.train"


def test_spares_are_not_promised(tmp_path: Path) -> None:
    edits = (("slot: 2}", "slot: 2, spares: 1}"),)
    assert findings(tmp_path, edits) == []
    [problem] = findings(tmp_path, (*edits, ("train: 16 accelerators", "train: 17 accelerators")))
    assert problem["message"].endswith('promised 17 accelerators of pool "train", it has 16 without 1 spare node')


@pytest.mark.parametrize(
    ("guarantee", "rules"),
    [
        ("train: 16 accelerators", []),
        ("train: 2 nodes", []),
        ("train: 3 nodes", ["quota.guarantee"]),
        ("control: 1 node", ["quota.guarantee", "quota.not-worker"]),
        ("control: 1 accelerator", ["quota.guarantee", "quota.not-worker", "quota.unit"]),
    ],
)
def test_guarantees_in_either_unit(guarantee: str, rules: list[str], tmp_path: Path) -> None:
    found = findings(tmp_path, (("  university:\n", f"  university:\n    guarantee: {{{guarantee}}}\n"),))
    assert sorted(problem["rule"] for problem in found) == rules


@pytest.mark.parametrize(
    ("borrow", "hint"),
    [("1 node", None), ("2 nodes", 'at most "8 accelerators" can be borrowed')],
)
def test_what_is_left_can_be_borrowed_in_either_unit(borrow: str, hint: str | None, tmp_path: Path) -> None:
    found = findings(tmp_path, ((VISION, f"quota: {{train: 16 accelerators}}, borrow: {{train: {borrow}}}}}"),))
    assert [(problem["rule"], problem["hint"]) for problem in found] == ([("quota.borrow-more", hint)] if hint else [])


def test_an_organization_borrows_what_it_keeps_itself(tmp_path: Path) -> None:
    """Its guarantee holds against others only."""
    edits = (
        ("  university:\n", "  university:\n    guarantee: {train: 24 accelerators}\n"),
        (VISION, "quota: {train: 16 accelerators}, borrow: {train: 8 accelerators}}"),
        *tenants(atoms="quota: {train: 8 accelerators}"),
    )
    assert findings(tmp_path, edits) == []


# Dates

[DEVICES] = re.findall(r"^ +devices: \{nvidia: .*?\}\}.*?\n", (STARTER / "center.yaml").read_text("utf-8"), re.M | re.S)
DATED: Edits = (
    ("class: research", "class: research, until: 2027-01-31"),
    ("accelerator: nvidia-h100-sxm5-80gb", "accelerator: ascend-310p"),
    ("repositories: {nvidia: ", "repositories: {ascend: "),
    (DEVICES, ""),
    (
        "inputs: {nodes: 1}}",
        "inputs: {nodes: 1}}\n\naccepted:\n  accelerator.not-installed: {why: it comes as an installer}"
        "\n  accelerator.not-offered: {why: the vendor does}"
        "\n  power.unknown: {why: the vendor measures, until: 2027-01-31}",
    ),
)


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ((), set()),
        (("--as-of", "2027-01-31"), set()),
        (("--as-of", "2027-02-01"), {"tenant.ended", "accepted.ended", "power.unknown"}),
        (("--as-of", "2027-05-31"), {"tenant.ended", "accepted.ended", "power.unknown"}),
    ],
)
def test_days_pass_only_when_a_day_is_given(options: tuple[str, ...], rules: set[str], tmp_path: Path) -> None:
    assert {problem["rule"] for problem in findings(tmp_path, DATED, *options)} == rules


def test_a_day_that_is_past_is_a_failure_only_when_asked(tmp_path: Path) -> None:
    folder = str(written(tmp_path, DATED))
    assert center("validate", folder, "--strict").returncode == 0
    assert center("validate", folder, "--as-of", "2027-02-01").returncode == 0
    assert center("validate", folder, "--as-of", "2027-02-01", "--strict").returncode == 1
    assert center("validate", folder, "--as-of", "next week").returncode == 64


def test_what_is_explained_says_the_day() -> None:
    told = center("explain", "tenant.ended").stdout
    assert "\nThe finding with --as-of 2027-02-01:\n" in told
    assert "--as-of 2" not in center("explain", "tenant.no-end").stdout


# Prices

OWN_PLAN = """\
kind: price-plan
name: ours
title: Our prices
currency: EUR
rounding: minute
accelerators: {nvidia-h100-sxm5-80gb: 2.50 EUR}
nodes: {generic-1u: 0 EUR}
storage: 10 EUR
"""


def priced(folder: Path, plan: str) -> Edits:
    (folder / "catalog/prices").mkdir(parents=True)
    (folder / "catalog/prices/ours.yaml").write_text(plan)
    return (("inputs: {nodes: 1}}", "inputs: {nodes: 1}}\n\nprices: {plan: ours}"),)


def test_a_plan_of_the_centres_own(tmp_path: Path) -> None:
    assert findings(tmp_path, priced(tmp_path, OWN_PLAN)) == []


@pytest.mark.parametrize(
    ("old", "new", "rule", "shows"),
    [
        ("2.50 EUR", "18 CNY", "price.currency", 'is in EUR, its price of "nvidia-h100-sxm5-80gb" is 18 CNY'),
        ("0 EUR", "0 USD", "price.currency", 'its price of "generic-1u" is 0 USD'),
        ("10 EUR", "10 CHF", "price.currency", "its price of storage is 10 CHF"),
        ("storage", "free: 1 CHF\nstorage", "price.currency", "its free amount is 1 CHF"),
        ("nvidia-h100-sxm5-80gb", "nvidia-b200-sxm", "price.missing", 'no price for accelerator "nvidia-h100'),
        ("nvidia-h100-sxm5-80gb", "nvidia-h1000", "reference.catalog", 'has a price for "nvidia-h1000"'),
    ],
)
def test_a_plan_with_a_fault(old: str, new: str, rule: str, shows: str, tmp_path: Path) -> None:
    assert OWN_PLAN.count(old) >= 1
    plan = re.sub(rf"(?<![0-9]){re.escape(old)}", new, OWN_PLAN, count=1)
    [problem] = findings(tmp_path, priced(tmp_path, plan))
    assert problem["rule"] == rule and shows in problem["message"]
    assert problem["path"] == "prices.plan"


def test_nodes_without_accelerators_are_paid_by_the_node(tmp_path: Path) -> None:
    edits: Edits = (
        ("{control: 1, train: 3}", "{control: 1, train: 3, science: 2}"),
        ("slot: 2}", "slot: 2}\n  science: {server: generic-1u, cluster: cloud, slot: 10}"),
        (VISION, "quota: {train: 16 accelerators, science: 1 node}}"),
    )
    assert findings(tmp_path, (*priced(tmp_path, OWN_PLAN), *edits)) == []
    own = tmp_path / "catalog/prices/ours.yaml"
    own.write_text(OWN_PLAN.replace("nodes: {generic-1u: 0 EUR}", "nodes: {}"))
    done = center("validate", str(tmp_path))
    assert 'has no price for server "generic-1u" of pool "science"' in done.stdout
