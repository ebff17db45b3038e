"""What was found on nodes, told once for all nodes that it is true of: for people, and as JSON and JUnit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree

from generator.text import visible

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
SHOWN_NODES, SHOWN_DETAILS = 20, 3


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about one node; `detail` is what differs from node to node with the same message."""

    check: str
    severity: Severity
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The same remark about several nodes of one pool; what was special about each of them."""

    pool: str
    remark: Remark
    nodes: dict[str, str]


@dataclass
class Report:
    """All nodes that were asked, by pool, and the remarks about each; `done` is what else a run has to say."""

    verb: str
    pools: dict[str, list[str]]
    remarks: dict[str, list[Remark]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    @property
    def nodes(self) -> list[str]:
        return [node for nodes in self.pools.values() for node in nodes]

    @property
    def exit_code(self) -> int:
        """0 nothing wrong, 1 an error or nobody to ask; warnings and notes are no errors."""
        return 1 if not self.nodes or any(self.fails(node) for node in self.nodes) else 0

    def fails(self, node: str) -> bool:
        return any(remark.severity == "error" for remark in self.remarks.get(node, ()))

    def findings(self) -> Iterator[Finding]:
        """Errors first; within a severity by pool, in the order in which they were made."""
        found: dict[tuple[str, str, str, str], Finding] = {}
        for pool, nodes in self.pools.items():
            for node in nodes:
                for remark in self.remarks.get(node, ()):
                    key = (pool, remark.check, remark.severity, remark.message)
                    found.setdefault(key, Finding(pool, remark, {})).nodes[node] = remark.detail
        return iter(sorted(found.values(), key=lambda finding: SEVERITIES.index(finding.remark.severity)))

    def lines(self) -> Iterator[tuple[str, str]]:
        """What people read: a severity (or nothing) and a line."""
        for finding in self.findings():
            remark, count = finding.remark, len(self.pools[finding.pool])
            share = f"{len(finding.nodes)} of {count} node{'' if count == 1 else 's'}"
            words = f"{finding.pool}: {share}: {remark.message}: {listed(finding.nodes)}"
            yield remark.severity, f"{remark.severity}[{remark.check}]: {visible(words, None)}"
        yield from (("", visible(line, None)) for line in self.done)
        yield "", self._sum()

    def _sum(self) -> str:
        counts = {"with errors": sum(map(self.fails, self.nodes))}
        warned = [n for n in self.nodes if any(r.severity == "warning" for r in self.remarks.get(n, ()))]
        counts["with warnings"] = len([node for node in warned if not self.fails(node)])
        counts["fine"] = len(self.nodes) - sum(counts.values())
        told = ", ".join(f"{number} {words}" for words, number in reversed(counts.items()) if number)
        return f"{len(self.nodes)} node{'' if len(self.nodes) == 1 else 's'}: {told or 'none matched'}"

    def as_json(self) -> str:
        """docs/nodes.schema.json describes it."""
        report = {
            "version": 1,
            "verb": self.verb,
            "exit_code": self.exit_code,
            "nodes": {
                node: {"pool": pool, "state": "error" if self.fails(node) else "fine"}
                for pool, nodes in self.pools.items()
                for node in nodes
            },
            "findings": [
                {
                    "pool": finding.pool,
                    "check": finding.remark.check,
                    "severity": finding.remark.severity,
                    "message": visible(finding.remark.message),
                    "nodes": {node: visible(detail) for node, detail in finding.nodes.items()},
                }
                for finding in self.findings()
            ],
            "done": [visible(line, None) for line in self.done],
        }
        return json.dumps(report, ensure_ascii=False, indent=2)

    def as_junit(self) -> str:
        """A suite for each pool; a test for each remark, and one that passed for each node without any."""
        suites = ElementTree.Element("testsuites")
        for pool, nodes in self.pools.items():
            suite = ElementTree.SubElement(suites, "testsuite", name=f"center.{self.verb}.{pool}")
            for node in nodes:
                self._cases(suite, pool, node)
            suite.set("tests", str(len(suite)))
            suite.set("failures", str(len(suite.findall("testcase/failure"))))
            suite.set("errors", "0")
        return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)

    def _cases(self, suite: ElementTree.Element, pool: str, node: str) -> None:
        for remark in self.remarks.get(node, ()) or (Remark(self.verb, "note", ""),):
            case = ElementTree.SubElement(suite, "testcase", classname=f"{pool}.{remark.check}", name=node)
            if remark.severity == "error":
                failure = ElementTree.SubElement(case, "failure", type="error", message=visible(remark.message))
                failure.text = visible(remark.detail)
            elif remark.message:
                words = ": ".join(filter(None, (remark.severity, remark.message, remark.detail)))
                ElementTree.SubElement(case, "system-out").text = visible(words)


def listed(nodes: dict[str, str]) -> str:
    """Names of nodes with what is special about each, as far as a person would read it."""
    details = set(nodes.values())
    if len(details) == 1 and (only := details.pop()):
        return f"{enumerated(list(nodes))} ({only})"
    if len(nodes) <= SHOWN_DETAILS:
        return ", ".join(f"{node} ({detail})" if detail else node for node, detail in nodes.items())
    first = next(iter(nodes.values()))
    return enumerated(list(nodes)) + (f" (the first: {first})" if first else "")


def enumerated(nodes: list[str]) -> str:
    more = len(nodes) - SHOWN_NODES
    return ", ".join(nodes[:SHOWN_NODES]) + (f" and {more} more" if more > 0 else "")
