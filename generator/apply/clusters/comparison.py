"""A rendered tree against a living cluster: every step that an apply would take, found out without writing anything.

The server itself says what an apply would change (server-side apply as a dry run), so admission, defaults and the
fields of other managers count as they will. What a dry run cannot reach, because its namespace or its definition is a
part of the same tree and not there yet, is a creation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from generator.apply.clusters.differences import Field, changed_fields, is_applied, owned_fields
from generator.apply.clusters.kube import ApiError, Json, Kube, Resource, spread
from generator.apply.clusters.membership import INTENDED, LABEL, NAMESPACE, Key, Record, digest
from generator.problems import Position, Problem
from generator.text import visible

DEFINITION = "CustomResourceDefinition"
NOT_ABOUT_THE_OBJECT = frozenset({-1, 0, 401})
_CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
_MANAGER = re.compile(r'conflict with "(.*?)"')


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and the file that it stands in: of the tree, or of a part of others, which then is named."""

    path: str
    body: Json
    part: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one object.

    A change without fields makes us an owner of fields that already have our values. A step that `needs` names is taken
    only when each of them is confirmed.
    """

    verb: Literal["create", "change", "delete"]
    key: Key
    path: str = ""
    fields: tuple[Field, ...] = ()
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rendered object on its way to the server; `known` is false while its definition is not there yet."""

    key: Key
    path: str
    body: Json
    resource: Resource
    known: bool = True
    part: str = ""


@dataclass(slots=True)
class Comparison:
    """Everything that an apply must know, gathered by reading alone."""

    record: Record
    wanted: dict[Key, Wanted] = field(default_factory=dict)
    living: dict[Key, Json] = field(default_factory=dict)
    resources: dict[Key, Resource] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    withheld: list[Step] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def unchanged(self) -> int:
        return len(self.wanted) - sum(step.verb != "delete" for step in self.steps)


def compare(kube: Kube, record: Record, manifests: Sequence[Manifest], confirm: frozenset[str]) -> Comparison:
    """Compare a tree with a cluster; deletions whose names are not confirmed are withheld."""
    found = Comparison(record)
    _resolve(kube, found, manifests)
    _read_members(kube, found)
    # Cluster-wide objects first: they tell which namespaces are there.
    namespaces = {w.key.name: w for w in found.wanted.values() if w.key.kind == "Namespace" and not w.key.group}
    outcomes: dict[Key, Step | Problem | None] = {}
    for inside in (False, True):
        absent = {name for name, wanted in namespaces.items() if _creates(outcomes.get(wanted.key))}
        leaving = {name for name, wanted in namespaces.items() if isinstance(outcomes.get(wanted.key), Problem)}
        wave = [w for w in found.wanted.values() if bool(w.key.namespace) == inside and w.key.namespace not in leaving]

        def foresee(wanted: Wanted, absent: set[str] = absent) -> Step | Problem | None:
            if not wanted.known or wanted.key.namespace in absent:
                return Step("change" if wanted.key in found.living else "create", wanted.key, wanted.path)
            return _foresee(kube, wanted, found.living)

        outcomes |= dict(zip((wanted.key for wanted in wave), spread(foresee, wave), strict=True))
    for outcome in outcomes.values():
        if isinstance(outcome, Problem):
            found.problems.append(outcome)
        elif outcome:
            found.steps.append(outcome)
    if not manifests and record.members:
        message = f'the tree holds no object for cluster "{record.cluster}", which has {len(record.members)} members'
        hint = "an empty tree deletes nothing; remove the objects of a cluster before its last file"
        found.problems.append(Problem("cluster.empty-tree", message, hint=hint))
    else:
        _find_deletions(kube, found, {Key.of(manifest.body) for manifest in manifests}, confirm)
    return found


def expected_record(found: Comparison, uids: dict[Key, str]) -> Record:
    """The record once everything is done: what is rendered, and what is still there for want of a confirmation.

    What a run meant to create when it was cut off stays known, too: its last request may still be on its way.
    """
    held, gone = ({step.key for step in steps if step.verb == "delete"} for steps in (found.withheld, found.steps))
    staying = {key.name for key in held if _is_namespace(key)}
    members = {
        key: uid
        for key, uid in found.record.members.items()
        if key in held or key.namespace in staying or (uid == INTENDED and key not in gone)
    }
    for key in found.wanted:
        living = found.living.get(key)
        members[key] = uids.get(key) or (living["metadata"]["uid"] if living else INTENDED)
    tree = digest(wanted.body for wanted in found.wanted.values())
    return Record(found.record.centre, found.record.cluster, tree, members)


def fault(rule: str, error: str, wanted: Wanted, hint: str | None = None) -> Problem:
    """A finding about one rendered object, at the file it stands in."""
    return Problem(rule, f"{wanted.key}: {error}", hint=hint, position=Position(wanted.path, 1, 1))


def rejection(wanted: Wanted, error: ApiError) -> Problem:
    """The server's refusal of one object as a finding; raises the error again if it is not about the object."""
    if error.status in NOT_ABOUT_THE_OBJECT:
        raise error
    if error.conflicts:
        said = ", ".join(
            f'{where} (by "{match[1] if (match := _MANAGER.search(who)) else who}")' for where, who in error.conflicts
        )
        hint = "let go of the field there, or leave it out of the tree"
        return fault("cluster.conflict", f"managed by somebody else: {said}", wanted, hint)
    if error.status == 404 and error.subject == "namespaces":
        message = f'namespace "{wanted.key.namespace}" is neither in the tree nor in the cluster'
        return fault("cluster.no-namespace", message, wanted)
    return fault("cluster.rejected", error.message, wanted)


def _creates(outcome: Step | Problem | None) -> bool:
    return isinstance(outcome, Step) and outcome.verb == "create"


def _resolve(kube: Kube, found: Comparison, manifests: Sequence[Manifest]) -> None:
    """Find out how the server serves each object; what it does not serve is one finding a kind."""
    defined = _definitions(manifests)
    missing: dict[tuple[str, str], list[Manifest]] = {}
    for manifest in manifests:
        body = manifest.body
        api_version, kind = body["apiVersion"], body["kind"]
        resource = kube.resource(api_version, kind)
        if not (served := resource or defined.get((api_version, kind))):
            missing.setdefault((api_version, kind), []).append(manifest)
            continue
        labels = body["metadata"].get("labels") or {}
        marked = {**body["metadata"], "labels": {**labels, LABEL: found.record.centre}}
        ours, known = {**body, "metadata": marked}, resource is not None
        wanted = Wanted(Key.of(body), manifest.path, ours, served, known, manifest.part)
        if served.namespaced != bool(wanted.key.namespace):
            message = "needs a namespace" if served.namespaced else "is cluster-wide, but has a namespace"
            found.problems.append(fault("cluster.namespace", message, wanted))
        elif first := found.wanted.get(wanted.key):
            found.problems.append(fault("cluster.twice", f'is also in "{first.path}"', wanted))
        else:
            found.wanted[wanted.key] = wanted
    for (api_version, kind), manifests_of_kind in missing.items():
        found.problems.append(_not_served(kube, found.record.cluster, api_version, kind, manifests_of_kind))


def _not_served(kube: Kube, cluster: str, api_version: str, kind: str, users: list[Manifest]) -> Problem:
    group = api_version.rpartition("/")[0]
    message = f'cluster "{cluster}" does not serve {api_version} {kind} ({len(users)} of them rendered)'
    if other := kube.preferred(group, kind):
        hint = f"it serves version {visible(other.version)}"
    else:
        hint = f"install {group.partition('.')[0]} (what defines {group or 'this kind'}) in the cluster first"
    return Problem("cluster.not-served", message, hint=hint, position=Position(users[0].path, 1, 1))


def _definitions(manifests: Iterable[Manifest]) -> dict[tuple[str, str], Resource]:
    """The kinds that the tree itself defines."""
    kinds = {}
    for manifest in manifests:
        if manifest.body["kind"] == DEFINITION:
            spec = manifest.body["spec"]
            kind, plural = spec["names"]["kind"], spec["names"]["plural"]
            for version in spec["versions"]:
                resource = Resource(spec["group"], version["name"], kind, plural, spec["scope"] == "Namespaced")
                kinds[f"{resource.group}/{resource.version}", kind] = resource
    return kinds


def _read_members(kube: Kube, found: Comparison) -> None:
    """Read every living object with our label, of the kinds that are rendered or recorded, in a few requests."""
    spoken = {(w.key.group, w.key.kind): w.resource for w in found.wanted.values() if w.known}
    for key in found.record.members:
        if (key.group, key.kind) not in spoken and (resource := kube.preferred(key.group, key.kind)):
            spoken[key.group, key.kind] = resource
    selector = f"{LABEL}={found.record.centre}"

    def read(resource: Resource) -> list[tuple[Key, Resource, Json]]:
        said = {"apiVersion": f"{resource.group}/{resource.version}".lstrip("/"), "kind": resource.kind}
        bodies = [{**body, **said} for body in kube.every(resource, selector=selector)]
        return [(Key.of(body), resource, body) for body in bodies]

    for members in spread(read, sorted(set(spoken.values()))):
        for key, resource, body in members:
            found.living[key], found.resources[key] = body, resource


def _foresee(kube: Kube, wanted: Wanted, living: dict[Key, Json]) -> Step | Problem | None:
    """Find out what an apply of the object would do, from the server unless it is plain; None if nothing."""
    if (known := living.get(wanted.key)) and is_applied(wanted.body, known):
        return None
    try:
        created, then = kube.apply(wanted.resource, wanted.body, dry_run=True)
        if created:
            return Step("create", wanted.key, wanted.path)
        now = living.get(wanted.key)
        if now is None or _read_as(now) != _read_as(then):
            now = kube.get(wanted.resource.item(wanted.key.namespace, wanted.key.name))
        if now is None:
            return Step("create", wanted.key, wanted.path)
    except ApiError as error:
        return rejection(wanted, error)
    if _is_ending(now):
        return _leaving(wanted, now)
    living[wanted.key] = now
    fields = changed_fields(now, then)
    if fields or owned_fields(now) != owned_fields(then):
        return Step("change", wanted.key, wanted.path, fields)
    return None


def _read_as(body: Json) -> tuple[object, object]:
    """In which version of its kind an object was read, and at which of its own versions."""
    return body["apiVersion"], body["metadata"]["resourceVersion"]


def _find_deletions(kube: Kube, found: Comparison, rendered: set[Key], confirm: frozenset[str]) -> None:
    """Find members that are not rendered any more; a namespace that leaves takes along everything in it.

    Its network policies and quotas are left to the server, which ends the pods first: deleted one by one they would
    leave pods that are still ending open to everybody.
    """
    gone = [
        key
        for key, uid in sorted(found.record.members.items())
        if key not in rendered and key.place != NAMESPACE and _is_ours(found.living.get(key), uid)
    ]
    ending = {key.name for key, body in found.living.items() if _is_namespace(key) and _is_ending(body)}
    leaving = ending | {key.name for key in gone if _is_namespace(key)}
    for key in gone:
        if key.namespace not in leaving:
            needs = _needs(kube, key, found.living[key])
            (found.steps if needs <= confirm else found.withheld).append(Step("delete", key, needs=needs))


def _is_namespace(key: Key) -> bool:
    return (key.group, key.kind) == ("", "Namespace")


def _is_ending(body: Json) -> bool:
    return bool(body["metadata"].get("deletionTimestamp"))


def _leaving(wanted: Wanted, living: Json) -> Problem:
    """What is on its way out cannot be changed; who keeps it from going is told by name."""
    if not (held := ", ".join(visible(each) for each in living["metadata"].get("finalizers") or ())):
        return fault("cluster.leaving", "is being deleted", wanted, "run again when it is gone")
    hint = "it goes when what it is for has let go; if that is in the tree, take the finalizer away and apply at once"
    return fault("cluster.leaving", f'is being deleted, and the finalizer "{held}" keeps it', wanted, hint)


def _is_ours(living: Json | None, uid: str) -> bool:
    """Say whether the living object with our label is the one that was recorded, not one of the same name."""
    if living is None or _is_ending(living):
        return False
    if uid == INTENDED:  # a killed run may have created it: only then are there fields that we applied
        return bool(owned_fields(living))
    return bool(living["metadata"]["uid"] == uid)


def _needs(kube: Kube, key: Key, living: Json) -> frozenset[str]:
    """The names that must be confirmed before the object is deleted, because data or other objects go with it."""
    match (key.group, key.kind):
        case ("", "Namespace"):
            claims = kube.every(_CLAIMS, namespace=key.name)
            return frozenset({key.name, *(f"{key.name}/{visible(claim['metadata']['name'])}" for claim in claims)})
        case ("", "PersistentVolume" | "PersistentVolumeClaim") | (_, "CustomResourceDefinition"):
            return frozenset({key.place})
        case ("apps", "StatefulSet"):
            policy = living.get("spec", {}).get("persistentVolumeClaimRetentionPolicy") or {}
            return frozenset({key.place}) if policy.get("whenDeleted") == "Delete" else frozenset()
    return frozenset()
