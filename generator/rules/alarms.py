"""Alarms: limits that exist, people who hear them, detectors that can be asked."""

from __future__ import annotations

from collections.abc import Iterator

from generator import limits
from generator.catalog.alarm_models import LEVELS
from generator.model import Center
from generator.problems import did_you_mean
from generator.rules import Finding, rule

MOST_POINTS = 4_000
"""Points of about 230 bytes that stay below the 1 MiB of a ConfigMap."""


@rule("cooling.limit")
def limits_of_a_loop_exist_and_fit(center: Center) -> Iterator[Finding]:
    """An unknown name or another unit would leave the limit of the catalogue in force without a word."""
    if not any(loop.spec.limits for loop in center.loops.values()):
        return  # the catalogue's limits are many, and reading them takes time
    known = limits.by_name(center.alarms.limits)
    for loop in center.loops.values():
        for name, text in loop.spec.limits.items():
            path = (*loop.path, "limits", name)
            limit = known.get(name)
            if limit is None:
                hint = did_you_mean(name, known) or '"center catalog limits" lists them; add -warning or -critical'
                yield Finding(path, f'no alarm has a limit "{name}"', hint, at_key=True)
            elif limit.kinds and loop.spec.kind not in limit.kinds:
                meant = " and ".join(limit.kinds)
                message = f'limit "{name}" is for loops of {meant}, loop "{loop.name}" is {loop.spec.kind}'
                yield Finding(path, message, at_key=True)
            elif limits.read(text, limit) is None:
                unit = (
                    "a number"
                    if limit.unit in ("x", "pH")
                    else f'a number in {limit.unit} such as "{limits.example(limit)}"'
                )
                yield Finding(path, f'limit "{name}" needs {unit}, got "{text[:60]}"')


@rule("cooling.limit-order")
def warnings_come_before_alarms(center: Center) -> Iterator[Finding]:
    """A warning behind its alarm warns nobody: it may only fire when the alarm already does."""
    for loop in center.loops.values():
        if not loop.spec.limits:
            continue
        found = {(bound.limit.name, bound.device, bound.level): bound for bound in limits.bounds(center, loop)}
        for (name, device, level), bound in found.items():
            graver = found.get((name, device, "critical"))
            if level != "warning" or graver is None:
                continue
            late = bound.value > graver.value if bound.limit.side == "above" else bound.value < graver.value
            said = [f"{name}-{each}" for each in LEVELS if f"{name}-{each}" in loop.spec.limits]
            if late and said:
                unit = "" if bound.limit.unit == "x" else f" {bound.limit.unit}"
                at = f"warns at {bound.value:.4g}{unit} and alarms at {graver.value:.4g}{unit}"
                message = f'limit "{name}" of loop "{loop.name}" {at}'
                yield Finding((*loop.path, "limits", said[0]), message)


@rule("cooling.trays")
def trays_can_be_asked(center: Center) -> Iterator[Finding]:
    """Leaks inside servers are told by their management controllers, which need addresses and a profile of servers."""
    for loop in center.loops.values():
        if loop.trays is None:
            continue
        path = (*loop.path, "trays")
        if center.bmc_offset is None:
            message = f'loop "{loop.name}" asks management controllers for leaks, which have no addresses'
            yield Finding(path, message, 'say "network.plans.bmc"')
        if loop.trays.form != "server":
            message = (
                f'device "{loop.trays.name}" is a {loop.trays.form}; trays are read by a device of the form server'
            )
            yield Finding((*path, "device"), message)


@rule("monitoring.unknown-receiver")
def receivers_exist(center: Center) -> Iterator[Finding]:
    """An alarm that is sent to a name that nobody has reaches nobody."""
    words = center.spec.monitoring
    for level in LEVELS:
        for number, name in enumerate(getattr(words, level)):
            if name not in words.receivers:
                hint = did_you_mean(name, words.receivers)
                yield Finding(("monitoring", level, number), f'no receiver is called "{name}"', hint)
    used = {*words.critical, *words.warning}
    for name in words.receivers:
        if name not in used:
            message = f'receiver "{name}" is told nothing: neither "critical" nor "warning" names it'
            yield Finding(("monitoring", "receivers", name), message, at_key=True)


@rule("monitoring.nobody", severity="warning")
def somebody_hears_alarms(center: Center) -> Iterator[Finding]:
    """A leak at three in the morning that only a page shows is found at nine."""
    if not center.spec.monitoring.critical and center.has_cooling_devices:
        message = "critical alarms of cooling reach nobody"
        yield Finding(("cooling", "loops"), message, 'say "monitoring" with "receivers" and "critical"', at_key=True)


@rule("monitoring.exporter")
def the_exporter_can_run_as_a_pod(center: Center) -> Iterator[Finding]:
    """A pod needs a Kubernetes cluster; it gets its logins from the environment and its devices in one small object."""
    words = center.spec.monitoring.exporter
    if words is None:
        return
    cluster = center.clusters.get(words.cluster)
    if cluster is None or cluster.kind != "kubernetes":
        what = "no cluster" if cluster is None else "no Kubernetes cluster"
        hint = did_you_mean(words.cluster, [name for name, one in center.clusters.items() if one.kind == "kubernetes"])
        yield Finding(("monitoring", "exporter", "cluster"), f'"{words.cluster}" is {what}', hint)
    read = [*center.devices(), *center.trays()]
    for device in {device.path: device for device in read}.values():
        if device.credentials and not device.credentials.startswith("env:"):
            message = f'the pod that reads "{device.name}" cannot read the file "{device.credentials}"'
            yield Finding(
                (*device.path, "credentials"), message, 'use "env:NAME", a key of the Secret "cooling-logins"'
            )
    points = sum(len(device.device.points) for device in read)
    if points > MOST_POINTS:
        message = f"{len(read)} devices with {points:,} points do not fit into one ConfigMap; {MOST_POINTS:,} points do"
        yield Finding(("monitoring", "exporter"), message, "read them from monitor nodes")
