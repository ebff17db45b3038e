"""What stands beside a spec: included files, public files and the site's own catalogue, each hostile in its way."""

from __future__ import annotations

from collections.abc import Mapping

from tests.hostile import texts
from tests.hostile.case import NOTHING, Case, Content, folder, link, pipe, place, sparse, starter, unreadable

# What cannot be the spec itself is not looked into: the folder is no centre, which is wrong usage.
NO_CENTRE = 64

SPEC = {
    "nothing": Case("error[usage.no-center]", {"other.yaml": "a: 1\n"}, NO_CENTRE),
    "a folder": Case("error[usage.no-center]", {"center.yaml": folder}, NO_CENTRE),
    "a pipe": Case("error[usage.no-center]", {"center.yaml": pipe}, NO_CENTRE),
    "an endless device": Case("error[usage.no-center]", {"center.yaml": link("/dev/zero")}, NO_CENTRE),
    "a link to nothing": Case("error[usage.no-center]", {"center.yaml": link("missing.yaml")}, NO_CENTRE),
    "a link to itself": Case("error[usage.no-center]", {"center.yaml": link("center.yaml")}, NO_CENTRE),
    "a link out": Case("center.yaml:1:1: error[source.unreadable]", {"center.yaml": link("../secret.yaml")}),
    "a link within": Case(
        "center.yaml:1:1: error[source.unreadable]", {"center.yaml": link("b.yaml"), "b.yaml": "a: 1\n"}
    ),
    "10 GB": Case("center.yaml:1:1: error[source.size]", {"center.yaml": sparse(10 * 1024**3)}),
}


Files = Mapping[str, Content]
NO_FILES: Files = {}


def including(finds: str, names: str, files: Files = NO_FILES) -> Case:
    return Case(finds, {"center.yaml": f"include: {names}\nmain: 1\n", **files})


def refused(names: str, files: Files = NO_FILES) -> Case:
    return including("center.yaml:1:11: error[source.unreadable]", names, files)


INCLUDE = {
    "upwards": refused("[../secret.yaml]"),
    "upwards through a folder": refused("[sub/../../secret.yaml]", {"sub/b.yaml": "b: 1\n"}),
    "upwards through itself": refused("[center.yaml/../../secret.yaml]"),
    "upwards in the middle": refused("[./sub/./../../secret.yaml]", {"sub": folder}),
    "absolute": refused("[/etc/passwd]"),
    "absolute twice": refused("[//etc/passwd]"),
    "home": refused("[~root/.bashrc]"),
    "address": refused('["file:///etc/passwd"]'),
    "escaped dots": refused('["%2e%2e/secret.yaml"]'),
    "a variable": refused('["${HOME}/secret.yaml"]'),
    "a pattern": refused('["*.yaml"]'),
    "link out": refused("[b.yaml]", {"b.yaml": link("../secret.yaml")}),
    "link within": refused("[b.yaml]", {"b.yaml": link("c.yaml"), "c.yaml": "c: 1\n"}),
    "link of a folder": refused("[sub/secret.yaml]", {"sub": link("..")}),
    "link to a device": refused("[b.yaml]", {"b.yaml": link("/dev/zero")}),
    "link to memory": refused("[b.yaml]", {"b.yaml": link("/proc/self/environ")}),
    "link to itself": refused("[b.yaml]", {"b.yaml": link("b.yaml")}),
    "pipe": refused("[b.yaml]", {"b.yaml": pipe}),
    "folder": refused("[b.yaml]", {"b.yaml": folder}),
    "this folder": refused("[.]"),
    "no name": refused('[""]'),
    "blank": refused('[" "]'),
    "missing": refused("[b.yaml]"),
    "unreadable": refused("[b.yaml]", {"b.yaml": unreadable}),
    "long name": refused(f"[{'x' * 5_000}.yaml]"),
    "long path": refused(f"[{'x/' * 9_990}b.yaml]"),
    "10 GB": including("center.yaml:1:11: error[source.size]", "[b.yaml]", {"b.yaml": sparse(10 * 1024**3)}),
    "NUL in the name": including("center.yaml:1:11: error[source.character]", '["b\\0.yaml"]'),
    "itself": including("center.yaml:1:11: error[source.include]", "[center.yaml]"),
    "itself, in disguise": including("center.yaml:1:11: error[source.include]", "[.//./center.yaml]"),
    "one file twice": including("center.yaml:1:19: error[source.include]", "[b.yaml, b.yaml]", {"b.yaml": "b: 1\n"}),
    "in a circle": including(
        "b.yaml:1:1: error[source.include]", "[b.yaml]", {"b.yaml": "include: [center.yaml]\n"}
    ),
    "in a chain": including(
        "b.yaml:1:1: error[source.include]", "[b.yaml]", {"b.yaml": "include: [c.yaml]\n", "c.yaml": "c: 1\n"}
    ),
    "10,000 names": including("center.yaml:1:1: error[source.include]", f"[{', '.join(['b.yaml'] * 10_000)}]"),
    "200 large files": including(
        "center.yaml:1:",
        f"[{', '.join(f'b{n}.yaml' for n in range(200))}]",
        {f"b{n}.yaml": f"b{n}: 1\n#{'x' * 20_000}\n" for n in range(200)},
    ),
    "a name": including("center.yaml:1:10: error[source.include]", "b.yaml"),
    "a number": including("center.yaml:1:1: error[source.include]", "[1]"),
    "a mapping": including("center.yaml:1:1: error[source.include]", "{a: b}"),
    "a list in a list": including("center.yaml:1:1: error[source.include]", "[[b.yaml]]"),
}  # fmt: skip

PUBLIC = "ssh_ca.pub"
AUTHORITY = f'"path:{PUBLIC}"'


def public(content: Content) -> Case:
    """The file with the public half of the SSH authority; the finding stands where the spec names it."""
    return starter(f"{place(AUTHORITY)}: error[reference.file]", **{PUBLIC: content})


def reference(value: str) -> Case:
    return starter(f"{place(AUTHORITY)}: error[", (AUTHORITY, f'"{value}"'))


PATHS = {
    "a pipe": public(pipe),
    "a folder": public(folder),
    "a link out": public(link("../secret.yaml")),
    "a link to a device": public(link("/dev/zero")),
    "a link to memory": public(link("/proc/self/environ")),
    "a link to itself": public(link(PUBLIC)),
    "unreadable": public(unreadable),
    "empty": public(b""),
    "blank": public(b" \n\n"),
    "10 GB": public(sparse(10 * 1024**3)),
    "300 kB": public(b"ssh-ed25519 " + b"A" * 300_000),
    "binary": public(bytes(range(256))),
    "text of another encoding": public("密钥\n".encode("gbk")),
    "NUL": public(b"ssh-ed25519 AAAA\0\n"),
    "escape": public(b"ssh-ed25519 AAAA \x1b[2Jroot\n"),
    "carriage return": public(b"ssh-ed25519 AAAA\rssh-ed25519 BBBB\n"),
    "a private key": public(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
    "upwards": reference("path:../secret.yaml"),
    "upwards in the middle": reference("path:a/../../secret.yaml"),
    "absolute": reference("path:/etc/passwd"),
    "no name": reference("path:"),
    "a long path": reference(f"path:{'a/' * 9_990}b"),
    "a long name": reference(f"path:{'a/' * 9_000}\u00e9"),
    "no reference": reference("ssh_ca.pub"),
}

KNOWN = "known_hosts"


def known(finds: str, content: Content) -> Case:
    """The file of recorded host keys in place of the authority."""
    return starter(finds, (f"authority: {AUTHORITY}", f'known-hosts: "path:{KNOWN}"'), **{KNOWN: content})


LINE = "known_hosts:1:1: error[access.known-hosts]"
NAMED = f"{place(f'authority: {AUTHORITY}').rpartition(':')[0]}:22: error[reference.file]"
KNOWN_HOSTS = {
    "a pipe": known(NAMED, pipe),
    "a folder": known(NAMED, folder),
    "a link out": known(NAMED, link("../secret.yaml")),
    "10 GB": known(NAMED, sparse(10 * 1024**3)),
    "text of another encoding": known(NAMED, "密钥\n".encode("gbk")),
    "NUL": known(LINE, b"a ssh-ed25519 AAAA\0\n"),
    "escape": known(LINE, b"\x1b[2J ssh-ed25519 AAAA\n"),
    "a private key": known(LINE, b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"),
    "30 MB of nothing": known(LINE, b"x" * 30_000_000),
    "a million lines": known(LINE, b"x\n" * 1_000_000),
}

OWN = """\
kind: coolant
name: own-mix
title: The mixture of this site
density: {value: 1030, status: V, sources: [sheet]}
heat-capacity: {value: 3.8, status: V, sources: [sheet]}
boiling-point: {value: null, status: N}
sources: {sheet: {grade: A, locator: data sheet of the vendor}}
"""
FILE = "catalog/coolants/own-mix.yaml"
USES = ("coolant: pg25", "coolant: own-mix")


def own(finds: str, content: Content) -> Case:
    return starter(finds, USES, **{FILE: content})


def named_1_000_times() -> Case:
    """A faulty file is read once."""
    loop = "{kind: cold-plate, coolant: own-mix, supply: 36 °C, rise: 10 K, from: fws-1}"
    loops = "".join(f"    l{number}: {loop}\n" for number in range(1_000))
    faulty = OWN.replace("1030", "no")
    return starter(f"{FILE}:4:18: error[catalog.value]", ("  loops:\n", f"  loops:\n{loops}"), USES, **{FILE: faulty})


def unknown(**files: Content) -> Case:
    """What may not be looked into is not there."""
    return starter(f"{place('pg25')}: error[reference.catalog]", USES, **files)


UNREAD = f"{FILE}:1:1: error[catalog.file]"
CATALOGUE = {
    "all is well": own(NOTHING, OWN),
    "a pipe": own(UNREAD, pipe),
    "a folder": unknown(**{FILE: folder}),
    "a link out": own(UNREAD, link("../../../secret.yaml")),
    "a link to a device": own(UNREAD, link("/dev/zero")),
    "folder of the kind is a link": unknown(**{"catalog/coolants": link("../..")}),
    "folder of the kind is a pipe": unknown(**{"catalog/coolants": pipe}),
    "catalogue is a link": unknown(catalog=link("..")),
    "catalogue is a link to itself": unknown(catalog=link("catalog")),
    "catalogue is a file": unknown(catalog=b"a: 1\n"),
    "10 GB": own(f"{FILE}:1:1: error[catalog.unreadable]", sparse(10 * 1024**3)),
    "1 MB of comment": own(f"{FILE}:1:1: error[catalog.unreadable]", OWN + "#" + "x" * 1_048_576),
    "10,000 files": starter(
        "catalog/coolants:1:1: error[catalog.unreadable]", **{f"catalog/coolants/c{n}.yaml": "" for n in range(10_000)}
    ),
    "names of an enemy": unknown(**{f"catalog/coolants/own-{name}.yaml": OWN for name in ("\x1b[2J", "\udcff", "\n")}),
    "another name": own(f"{FILE}:2:7: error[catalog.name]", OWN.replace("own-mix", "own-mist")),
    "another kind": own(f"{FILE}:1:7: error[catalog.value]", OWN.replace("kind: coolant", "kind: server")),
    "a number without end": own(f"{FILE}:4:18: error[catalog.value]", OWN.replace("1030", "9" * 5_000)),
    "not a number": own(f"{FILE}:4:18: error[catalog.value]", OWN.replace("1030", ".nan")),
    "infinite": own(f"{FILE}:4:18: error[catalog.value]", OWN.replace("1030", "1e999")),
    "named 1,000 times": named_1_000_times(),
}  # fmt: skip


def included(case: Case) -> Case:
    """The text of a case as a second file."""
    return including(f"b.yaml:{case.finds.partition(':')[2]}", "[b.yaml]", {"b.yaml": case.files["center.yaml"]})


# Whatever the reader refuses in a spec it refuses at the same place of other files; only limits are shared among them.
SHARED = {
    name: case
    for name, case in texts.CASES.items()
    if "[source." in case.finds and "[source.size]" not in case.finds and "MB" not in name and "U+" not in name
}
CASES = {
    **{f"spec: {name}": case for name, case in SPEC.items()},
    **{f"include: {name}": case for name, case in INCLUDE.items()},
    **{f"path: {name}": case for name, case in PATHS.items()},
    **{f"known hosts: {name}": case for name, case in KNOWN_HOSTS.items()},
    **{f"catalogue: {name}": case for name, case in CATALOGUE.items()},
    **{f"included text: {name}": included(case) for name, case in SHARED.items()},
    **{
        f"text of the catalogue: {name}": own(f"{FILE}:{case.finds.partition(':')[2]}", case.files["center.yaml"])
        for name, case in SHARED.items()
        if len(case.files["center.yaml"]) < 1_000_000  # type: ignore[arg-type]
    },
}  # fmt: skip
