"""Texts of an enemy through every text and name of a spec, its table of machines, its checks and the operator's file.

A text is refused, or it is data: the tree differs from that of a harmless text in that text alone, inventories do not
differ at all, Ansible reads them without running anything, and no file appears in the folder that each text wants to
write to.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock
from xml.etree import ElementTree

import yaml
from markdown_it import MarkdownIt

from generator import assets, catalog, source, spec
from generator.apply.operator import operator
from generator.apply.secrets import Secrets
from generator.catalog.check import Check
from generator.problems import Refused
from tests import test_fields as sample
from tests.campaign.base import ROOT, Outcome
from tests.campaign.payloads import CANARY, payloads

# Not the templates: each of them meets the same syntax; the everyday sample goes through all.
SUBJECT = (
    "generator/source.py",
    "generator/syntax.py",
    "generator/emit.py",
    "generator/skeleton.py",
    "generator/render.py",
    "generator/assets.py",
    "generator/spec/*.py",
    "generator/catalog/check.py",
    "generator/apply/operator.py",
    "generator/apply/secrets.py",
    "playbooks/ansible.cfg",
    "tests/campaign/payloads.py",
    "tests/campaign/kinds/injection.py",
)
COUNT, CHUNK, BRIEF = 500, 25, 1
TOKEN = "Harmless7text"
"""Stands where a text of an enemy will stand, to see what else there is."""
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
PRINT_ALL = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.debug:
        msg: "{{ hostvars[inventory_hostname] | to_json }} {{ groups | to_json }}"
"""
OPERATOR_FIELDS = ("reference", "use", "vault", "file", "password-file", "store", "command", "key-file", "ssh-key")


def units() -> list[str]:
    return [f"texts-{first}-{first + CHUNK - 1}" for first in range(1, COUNT + 1, CHUNK)]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    first = int(unit.split("-")[1])
    return attack(payloads(COUNT)[first - 1 : first - 1 + (BRIEF if brief else CHUNK)])


def summary(counts: Counter[str]) -> list[str]:
    return [
        f"{counts['texts']} texts in {counts['places']:,} places: {counts['refused']:,} refused, "
        f"{counts['carried']:,} carried as they are; nothing was run, nothing altered."
    ]


@dataclass
class Attack:
    """What became of all texts so far; `trap` is the folder that they want to write to."""

    folder: Path
    public: Path
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def trap(self) -> Path:
        return self.folder / "trap"

    def refused(self, count: int = 1) -> None:
        self.counts["places"] += count
        self.counts["refused"] += count

    def carried(self) -> None:
        self.counts["places"] += 1
        self.counts["carried"] += 1


def attack(texts: list[str]) -> Outcome:
    """All of these texts everywhere."""
    with tempfile.TemporaryDirectory(prefix="center-injection-") as name:
        made = Attack(Path(name), Path(name) / "public")
        for folder in (made.trap, made.public, made.folder / "desk"):
            folder.mkdir()
        sample.with_public_files(made.public)
        tree: dict[str, bytes] = {}
        for number, text in enumerate(texts):
            text = text.replace(CANARY, str(made.trap / str(number)))
            made.counts["texts"] += 1
            tree = through_the_spec(made, text) or tree
            through_names(made, text)
            through_the_table(made, text)
            through_the_operator(made, text)
            through_the_catalogue(made, text)
        read_by_ansible(made, tree or rendered(made, sample.DUO) or {})
        if written := sorted(path.name for path in made.trap.iterdir()):
            made.failures.append(f"texts were executed: {written}")
        return Outcome(dict(made.counts), tuple(made.failures[:20]))


# The spec


@cache
def places() -> tuple[tuple[sample.Place, bool], ...]:
    """Where a text stands in the sample, once for each field of the language, and whether it is a list of texts."""
    found: dict[str, tuple[sample.Place, bool]] = {}
    for one in sample.FIELDS:
        value = sample.get(sample.DUO, one.place)
        listed = isinstance(value, list) and bool(value) and isinstance(value[0], str)
        if isinstance(value, str) or listed:
            found.setdefault(one.name, (one.place, listed))
    return tuple(found.values())


def through_the_spec(made: Attack, text: str) -> dict[str, bytes] | None:
    """Each place for itself must be refused or carry the text; those that do make one tree, if they can together."""
    taken = [one for one in places() if speaks(made, put(sample.DUO, *one, text))]
    if (after := carried(made, taken, text)) is None:  # a rule minds it at one of them, or that two are the same
        found = {one: carried(made, [one], text) for one in taken}
        taken = [one for one, tree in found.items() if tree is not None]
        after = next((tree for tree in found.values() if tree is not None), None)
    made.counts["carried"] += len(taken)
    made.refused(len(places()) - len(taken))
    made.counts["places"] += len(taken)
    return after


def carried(made: Attack, taken: list[tuple[sample.Place, bool]], text: str) -> dict[str, bytes] | None:
    """The tree with the text at these places, compared with one of a harmless text; None where it is refused."""
    after = rendered(made, everywhere(taken, text))
    before = rendered(made, everywhere(taken, TOKEN)) if after else None
    if before is None or after is None:
        # What only this text may be, such as one of a few words, says nothing by being there.
        return after
    made.failures += [f"{text!r} alters {fault}" for fault in altered(before, after, text)]
    return after


def everywhere(taken: list[tuple[sample.Place, bool]], text: str) -> Any:
    data = sample.DUO
    for place, listed in taken:
        data = put(data, place, listed, text)
    return data


def put(data: Any, place: sample.Place, listed: bool, text: str) -> Any:
    return sample.put(data, place, [text] if listed else text)


def speaks(made: Attack, data: Any) -> bool:
    """Whether the language takes these words."""
    try:
        spec.read(words(made, data))
    except Refused:
        return False
    return True


def words(made: Attack, data: Any) -> source.Source:
    read = source.Source(data=data)
    read.root = made.public
    return read


def rendered(made: Attack, data: Any) -> dict[str, bytes] | None:
    """The tree of a spec, read from text as that of a person is; None where it is refused."""
    try:
        found = sample.outcome(data, made.public)
    except Refused:
        return None
    return {path: content for path, (content, _) in found.files.items()} if found and found.files else None


def altered(before: dict[str, bytes], after: dict[str, bytes], text: str) -> Iterator[str]:
    """Files that differ in more than the text that was put there."""
    for path in sorted(before.keys() ^ after.keys()):
        yield f"which files there are: {path}"
    for path in sorted(before.keys() & after.keys() - {"index.json"}):
        old, new = before[path].decode("utf-8"), after[path].decode("utf-8")
        if path.endswith(".json"):
            same = exchanged(json.loads(old), text) == json.loads(new)
        elif path.endswith(".yaml"):
            wanted = exchanged(documents(old), text)
            same = wanted in (documents(new), expanded(documents(new)) if "/services/" in path else None)
        elif path.endswith(".md"):
            (parts, letters), (other_parts, other_letters) = outline(old), outline(new)
            same = parts == other_parts and letters.replace(TOKEN, unspaced(text)) == other_letters
        elif path.endswith(".svg") and TOKEN in old:  # longer words move others, are cut, and stay nothing but letters
            same = marks(new) <= marks(old) and unspaced(text)[:8] in letters_of(new)
        else:
            same = old == new if TOKEN not in old else around(old, new)
        if not same:
            yield path


def marks(picture: str) -> set[tuple[str, ...]]:
    """Every element of a picture with the names of its attributes."""
    return {(element.tag, *sorted(element.attrib)) for element in ElementTree.fromstring(picture).iter()}


def letters_of(picture: str) -> str:
    """What a picture says, without spaces."""
    return unspaced("".join(ElementTree.fromstring(picture).itertext()))


def exchanged(value: Any, text: str) -> Any:
    """A value with the text in the place of the harmless one."""
    if isinstance(value, dict):
        return {exchanged(key, text): exchanged(part, text) for key, part in value.items()}
    if isinstance(value, list):
        return [exchanged(part, text) for part in value]
    return value.replace(TOKEN, text) if isinstance(value, str) else value


def expanded(value: Any) -> Any:
    """What the kubelet makes of it, by its manual: two dollars are one; there is no variable to put anywhere."""
    if isinstance(value, dict):
        return {key: expanded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [expanded(part) for part in value]
    return value.replace("$$", "$") if isinstance(value, str) else value


def documents(text: str) -> list[Any]:
    return list(yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def outline(text: str) -> tuple[list[str], str]:
    """What a reader of Markdown gets: the parts that it has, and its letters; spaces at the ends of texts get lost."""
    parts = [token for block in MARKDOWN.parse(text) for token in (block, *(block.children or ()))]
    kinds = [token.type for token in parts if token.type not in ("text", "inline", "softbreak")]
    return kinds, unspaced("".join(token.content for token in parts if not token.children))


def unspaced(text: str) -> str:
    return "".join(text.split())


def around(old: str, new: str) -> bool:
    """Whether a file has as many lines as before, and each is as before but for the text in it."""
    lines = old.split("\n"), new.split("\n")
    return len(lines[0]) == len(lines[1]) and all(
        mine == theirs if TOKEN not in mine else _framed(mine, theirs) for mine, theirs in zip(*lines, strict=True)
    )


def _framed(mine: str, theirs: str) -> bool:
    return theirs.startswith(mine.partition(TOKEN)[0]) and theirs.endswith(mine.rpartition(TOKEN)[2])


HARMLESS = "harmless-7"
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/-]{0,62}")
"""What a name or a serial number may look like; nothing that a shell, a template or a format gives a meaning to."""
NAMES = (
    ("pools", "science"), ("clusters", "hpc"), ("halls", "east-hall"), ("power", "feeds", "west"),
    ("organizations", "startups"), ("organizations", "startups", "tenants", "rain-nowcast"),
    ("services", "nowcast"), ("storage", "home"), ("fabrics", "eth"), ("cooling", "loops", "plate-1"),
    ("network", "repositories", "nvidia"), ("network", "registries", "docker.io"), ("no-such-subject",),
)  # fmt: skip


def through_names(made: Attack, text: str) -> None:
    """Keys that somebody chose: each is refused, or it is a plain name that every reader takes for a text."""
    for place in NAMES:
        hostile = rendered(made, renamed(place, text))
        if hostile is None:
            made.refused()
            continue
        made.carried()
        harmless = rendered(made, renamed(place, HARMLESS)) or {}
        if not PLAIN.fullmatch(text):
            made.failures.append(f"{text!r} is a name at {'.'.join(place)}")
        elif spelled(harmless, HARMLESS) > spelled(hostile, text):
            made.failures.append(f"{text!r} is no text everywhere as a name at {'.'.join(place)}")


def renamed(place: tuple[str, ...], name: str) -> Any:
    data = json.loads(json.dumps(sample.DUO))
    parent: Any = data
    for part in place[:-1]:
        parent = parent[part]
    parent[name] = parent.pop(place[-1], "x")
    return data


def spelled(tree: dict[str, bytes], name: str) -> int:
    """How often a name is a whole text or key of the structured files."""
    files = [(path, content.decode()) for path, content in tree.items() if path.endswith((".json", ".yaml"))]
    return sum(_count(json.loads(text) if path.endswith(".json") else documents(text), name) for path, text in files)


def _count(value: Any, name: str) -> int:
    if isinstance(value, dict):
        return sum((key == name) + _count(part, name) for key, part in value.items())
    if isinstance(value, list):
        return sum(_count(part, name) for part in value)
    return int(isinstance(value, str) and value == name)


# The table of machines, the catalogue and the operator's own file


def through_the_table(made: Attack, text: str) -> None:
    for column in range(5):
        cells = ["train-h-a01-1", "SN1", "0c:42:a1:00:00:01", "0c:42:a1:00:00:02", "in-service"]
        cells[column] = '"' + text.replace('"', '""') + '"'
        raw = f"node,serial,mac,bmc-mac,state\n{','.join(cells)}\n".encode("utf-8", "surrogatepass")
        table = assets.read(raw, "assets.csv")
        said = [asset for asset in table.assets if text in (asset.serial, asset.mac, asset.bmc_mac, asset.node)]
        if table.problems or not said or not text:
            made.refused()
        else:
            (made.public / "assets.csv").write_bytes(raw)
            if rendered(made, sample.DUO) is not None and not PLAIN.fullmatch(text):
                made.failures.append(f"{text!r} is taken from column {column + 1} of the table of machines")
            else:
                made.carried()
            (made.public / "assets.csv").write_text(sample.PUBLIC["assets.csv"] + "\n")


def through_the_catalogue(made: Attack, text: str) -> None:
    """A site's own checks: what is run there stands in them, and nothing else becomes a command."""
    folder = made.folder / "site" / "catalog" / "checks"
    folder.mkdir(parents=True, exist_ok=True)
    entry: dict[str, Any] = {
        "kind": "check", "name": "own", "title": text, "why": text, "argv": ["/bin/echo", text], "seconds": 5,
    }  # fmt: skip
    (folder / "own.yaml").write_text(json.dumps(entry), "utf-8", errors="surrogatepass")
    try:
        found = catalog.of(made.folder / "site").get(Check, "own")
    except Refused:
        made.refused()
        return
    if found is None or found.argv is None or (found.argv[-1], found.title, found.why) != (text, text, text):
        made.failures.append(f"{text!r} is another text in a check of a site")
    made.carried()


def through_the_operator(made: Attack, text: str) -> None:
    """The operator's own file: what it names is looked for and never run, but for the command of a store."""
    for place in OPERATOR_FIELDS:
        said = {name: text if name == place else harmless for name, harmless in _HARMLESS.items()}
        allow = [{"reference": said["reference"], "use": [said["use"]]}]
        secrets: dict[str, Any] = {
            "allow": allow,
            "vaults": {said["vault"]: {"file": said["file"], "password-file": said["password-file"]}},
            "stores": {said["store"]: {"command": [said["command"], "{key}"]}},
        }
        content = {"secrets": secrets, "key-file": said["key-file"], "ssh": {"key": said["ssh-key"]}}
        file = made.folder / "desk" / "operator.yaml"
        file.write_text(json.dumps(content), "utf-8", errors="surrogatepass")
        file.chmod(0o600)
        with mock.patch.dict(os.environ, {"CENTER_OPERATOR": str(file)}):
            try:
                asked = Secrets(operator())
            except Refused:
                made.refused()
                continue
        for reference in ("vault:hpc#x", f"store:safe#{text}", f"file:{text}", f"vault:{text}#x", f"env:{text}"):
            with suppress(Refused):
                asked.resolve(reference, "slurm-munge")
                made.failures.append(f"{reference!r} is a secret")
        made.carried()


_HARMLESS = {
    "reference": "vault:hpc#*", "use": "slurm-munge", "vault": "hpc", "file": "hpc.yml", "password-file": "password",
    "store": "safe", "command": "/bin/false", "key-file": "key", "ssh-key": "login",
}  # fmt: skip


# Ansible itself


def read_by_ansible(made: Attack, tree: dict[str, bytes]) -> None:
    """Inventories with all texts in the spec behind them: Ansible lists them, and a playbook prints every variable."""
    for path, content in tree.items():
        file = made.folder / "tree" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    playbook = made.folder / "print.yml"
    playbook.write_text(PRINT_ALL)
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "playbooks/ansible.cfg"), "LC_ALL": "C.UTF-8"}
    inventories = sorted((made.folder / "tree/hosts").glob("*/inventory.json"))
    listing = [word for file in inventories for word in ("-i", str(file))]
    for words in (["inventory", *listing, "--list", "--export"], ["playbook", *listing, str(playbook)]):
        command = [sys.executable, "-m", "ansible", *words]
        done = subprocess.run(command, env=environment, cwd=made.folder, capture_output=True, text=True, timeout=300)
        made.counts["reads by Ansible"] += 1
        if done.returncode != 0:
            made.failures.append(f"ansible {words[0]} ended with {done.returncode}: {done.stderr[-300:]}")
