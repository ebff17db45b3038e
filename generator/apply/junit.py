"""Reports of hosts as JUnit: a test for each host, which fails for what fails the run."""

from __future__ import annotations

from xml.etree import ElementTree

from generator.apply.report import HostsReport


def as_junit(report: HostsReport, name: str) -> str:
    """One suite called `name`; a host that would change is told in what its test printed, like a warning."""
    suite = ElementTree.Element("testsuite", name=f"center {name}")
    failures = 0
    for host in report.hosts.values():
        case = ElementTree.SubElement(suite, "testcase", classname=f"{name}.{host.block}", name=host.node)
        said = "\n".join([f"{deed} ({needs})" for deed, needs in host.deeds()] + [*host.waiting])
        if host.state in ("failed", "pending", "skipped"):
            failures += 1
            ElementTree.SubElement(case, "failure", type=host.state, message=host.reason).text = said
        elif said:
            ElementTree.SubElement(case, "system-out").text = said
    for fault in report.faults:
        failures += 1
        case = ElementTree.SubElement(suite, "testcase", classname=name, name="run")
        ElementTree.SubElement(case, "failure", type="run", message=fault)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", "0")
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
