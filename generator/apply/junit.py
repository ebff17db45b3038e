"""Outcomes as JUnit: a test for each host and each object that differs, which fails for what fails the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from generator.apply.report import HostsReport
from generator.problems import Problem


@dataclass(frozen=True, slots=True)
class Case:
    """One test: what it is about, what it printed, and of what kind its failure is and why, if it failed."""

    group: str
    name: str
    said: str = ""
    failure: str = ""
    reason: str = ""


def of_hosts(report: HostsReport) -> Iterator[Case]:
    """A host that would change is told in what its test printed, like a warning."""
    for host in report.hosts.values():
        said = "\n".join([f"{deed} ({needs})" for deed, needs in host.deeds()] + [*host.waiting])
        failed = host.state in ("failed", "pending", "skipped")
        yield Case(host.block, host.node, said, host.state if failed else "", host.reason if failed else "")
    yield from (Case("", "run", failure="run", reason=fault) for fault in report.faults)


def of_problem(problem: Problem) -> Case:
    return Case("", problem.rule, failure="error", reason=problem.message)


def suite(name: str, cases: Iterable[Case]) -> str:
    """One suite, "center NAME"."""
    root = ElementTree.Element("testsuite", name=f"center {name}")
    failures = 0
    for case in cases:
        group = f"{name}.{case.group}" if case.group else name
        test = ElementTree.SubElement(root, "testcase", classname=group, name=case.name)
        if case.failure:
            failures += 1
            ElementTree.SubElement(test, "failure", type=case.failure, message=case.reason).text = case.said
        elif case.said:
            ElementTree.SubElement(test, "system-out").text = case.said
    root.set("tests", str(len(root)))
    root.set("failures", str(failures))
    root.set("errors", "0")
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
