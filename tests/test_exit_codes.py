"""What the exit code of every verb means, as one table: the situation, the command, the code and what is said.

Scripts and CI trust nothing else. Ansible's own codes are no contract (0 when nothing matched, 4 for a typing error as
for a dead host), so each of its situations is here as well, with our code for it. What needs living hosts is in the
second table, whose rows are one story on booted hosts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import quad

ROOT = Path(__file__).parents[1]
STARTER = ROOT / "inventories/starter"
# The command with something of the program's own surroundings taken away or broken.
WITHOUT_ANSIBLE = "import sys; sys.modules['ansible_runner'] = None; from generator.cli import main; main()"
WITHOUT_HTTPX = "import sys; sys.modules['httpx'] = None; from generator.cli import main; main()"
WITH_A_DEFECT = (
    "from generator import folders; folders.spec_file = lambda where: 1 / 0; from generator.cli import main; main()"
)
Done = subprocess.CompletedProcess[str]


@dataclass
class Desk:
    """A folder with a copy of the starter centre, `mine`, and one whose hosts need a secret, `quad`."""

    folder: Path

    @property
    def spec(self) -> Path:
        return self.folder / "inventories/mine/center.yaml"

    @property
    def tree(self) -> Path:
        return self.folder / "inventories/mine/generated"

    def edit(self, old: str, new: str) -> None:
        text = self.spec.read_text("utf-8")
        assert old in text
        self.spec.write_text(text.replace(old, new), "utf-8")

    def writes(self, name: str, text: str, mode: int = 0o600) -> None:
        file = self.folder / name
        file.write_text(text, "utf-8")
        file.chmod(mode)

    def run(self, *words: str, program: str = "", **environment: str) -> Done:
        command = [sys.executable, "-c", program] if program else [sys.executable, "-m", "generator"]
        surroundings = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(ROOT), **environment}
        return subprocess.run(
            [*command, *words], cwd=self.folder, env=surroundings, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    shutil.copytree(STARTER, tmp_path / "inventories/mine", ignore=shutil.ignore_patterns("generated"))
    return made


@pytest.fixture(scope="session")
def rendered_trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both centres rendered once; situations that need a tree copy it."""
    made = Desk(tmp_path_factory.mktemp("rendered"))
    shutil.copytree(STARTER, made.spec.parent, ignore=shutil.ignore_patterns("generated"))
    other = made.folder / "inventories/quad"
    other.mkdir()
    words = quad.spec(2)
    words["network"]["mirror"] = {"url": "http://10.16.255.254"}
    (other / "center.yaml").write_text(json.dumps(words), "utf-8")
    shutil.copyfile(STARTER / "ssh_ca.pub", other / "ssh_ca.pub")
    for name in ("mine", "quad"):
        assert made.run("render", name).returncode == 0
    return made.folder


def rendered(desk: Desk) -> None:
    """Replaced by the fixture's trees before the command runs."""


def stale(desk: Desk) -> None:
    desk.edit("Europe/Zurich", "Europe/Paris")


def without_inventory(desk: Desk) -> None:
    (desk.tree / "hosts/hall-1/inventory.json").unlink()


def broken_inventory(desk: Desk) -> None:
    (desk.tree / "hosts/hall-1/inventory.json").write_text("{ not: json")


def edited_file(desk: Desk) -> None:
    [file, *_] = desk.tree.glob("hosts/groups/*/files/etc/chrony/chrony.conf")
    file.write_text("server 192.0.2.1\n")


def an_error(desk: Desk) -> None:
    desk.edit("slot: 2", "slot: 1")


def an_unknown_coolant(desk: Desk) -> None:
    desk.edit("coolant: pg25", "coolant: pg52")


def no_water(desk: Desk) -> None:
    text = desk.spec.read_text("utf-8").replace(", loop: plate-1", "")
    desk.spec.write_text(re.sub(r"^cooling:\n(?:  .*\n)*", "", text, flags=re.M), "utf-8")


def a_warning(desk: Desk) -> None:
    desk.edit(", ratings: {capacity: 60 kW}", "")


def of_duo(desk: Desk) -> None:
    shutil.copy(ROOT / "inventories/duo/center.yaml", desk.spec)


def of_mingyue(desk: Desk) -> None:
    shutil.rmtree(desk.spec.parent)
    shutil.copytree(ROOT / "inventories/chaohu-mingyue", desk.spec.parent)


def only_slurm(desk: Desk) -> None:
    text = desk.spec.read_text("utf-8")
    kubernetes = re.search(r"\{kind: kubernetes.*?services: 10\.96\.0\.0/16\}", text, re.DOTALL)
    assert kubernetes
    desk.edit(kubernetes[0], '{kind: slurm, version: "22.05", munge: "vault:hpc#munge"}')
    desk.edit(
        "services:\n  first-training: {kind: training, tenant: vision-lab, pool: train, inputs: {nodes: 1}}\n", ""
    )


def broken_yaml(desk: Desk) -> None:
    desk.spec.write_text("a: [1, 2\n")


def open_key(desk: Desk) -> None:
    desk.writes("key", "a key", 0o644)


def garbage_plan(desk: Desk) -> None:
    desk.writes("plan", "{}")


def binary_plan(desk: Desk) -> None:
    (desk.folder / "plan").write_bytes(bytes(range(256)))


def old_plan(desk: Desk) -> None:
    desk.writes("plan", json.dumps({"version": 0, "tree": "", "hosts": {}, "leaving": []}))


def operator_without_permission(desk: Desk) -> None:
    desk.writes("operator.yaml", "ssh: {forks: 4}\n")


def operator_without_secret(desk: Desk) -> None:
    desk.writes("operator.yaml", 'secrets: {allow: [{reference: "file:munge", use: [slurm-munge]}]}\n')


def operator_with_open_secret(desk: Desk) -> None:
    operator_without_secret(desk)
    desk.writes("munge", "x" * 64, mode=0o644)


def operator_broken(desk: Desk) -> None:
    desk.writes("operator.yaml", "secrets: [1, 2\n")


def operator_with_unknown_key(desk: Desk) -> None:
    desk.writes("operator.yaml", "secret: {}\n")


def operator_open(desk: Desk) -> None:
    desk.writes("operator.yaml", "ssh: {forks: 4}\n", mode=0o666)


@dataclass(frozen=True)
class Situation:
    """A row: what is so, what is run, with which code it ends, and a fragment of what is said."""

    what: str
    words: str
    code: int
    says: str = ""
    so: tuple[Callable[[Desk], None], ...] = ()
    program: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


OPERATOR = {"CENTER_OPERATOR": "operator.yaml"}
TREE = (rendered,)
S = Situation
OFFLINE = [
    # Specs and trees
    S("a spec without faults", "validate mine", 0, "0 errors"),
    S("the same as JSON", "validate mine --format json", 0, '"problems": []'),
    S("an error", "validate mine", 1, "error[address.slot-shared]", (an_error,)),
    S("an error as JSON", "validate mine --format json", 1, "address.slot-shared", (an_error,)),
    S("an error as JUnit", "validate mine --format junit", 1, "<failure", (an_error,)),
    S("an error as SARIF", "validate mine --format sarif", 1, "address.slot-shared", (an_error,)),
    S("a warning", "validate mine", 0, "warning[", (a_warning,)),
    S("a warning that counts", "validate mine --strict", 1, "warning[", (a_warning,)),
    S("no YAML", "validate mine", 1, "error[source.syntax]", (broken_yaml,)),
    S("no such centre", "validate nowhere", 64, "nowhere"),
    S("no centre said, none here", "validate", 64),
    S("no such format", "validate mine --format docx", 64, "docx"),
    S("no such option", "validate mine --no-such-option", 64, "--no-such-option"),
    S("no such verb", "aply", 64, "aply"),
    S("a date that is none", "validate mine --as-of tomorrow", 64, "tomorrow"),
    S("a defect of ours", "validate mine", 70, "a defect of this program", program=WITH_A_DEFECT),
    S("a first render", "render mine", 0, " new"),
    S("a render of a wrong spec", "render mine", 1, "address.slot-shared", (an_error,)),
    S("nothing rendered, checked", "render mine --check", 2, "missing: "),
    S("rendered, checked", "render mine --check", 0, "as rendered", TREE),
    S("rendered, then edited, checked", "render mine --check", 2, "changed: hosts/groups", (*TREE, edited_file)),
    # Ansible's rows that never get as far as Ansible: the tree is not what the spec says
    S("nothing rendered", "diff mine --hosts", 1, "error[tree.stale]"),
    S("the spec has moved", "diff mine --hosts", 1, "error[tree.stale]", (*TREE, stale)),
    S("the spec has moved", "apply mine --hosts", 1, "error[tree.stale]", (*TREE, stale)),
    S("the spec has moved", "status mine --hosts", 1, "error[tree.stale]", (*TREE, stale)),
    S("the spec has moved", "preflight mine", 1, "error[tree.stale]", (*TREE, stale)),
    S("the spec has moved", "accept mine", 1, "error[tree.stale]", (*TREE, stale)),
    S("the inventory is missing", "apply mine --hosts", 1, "error[tree.stale]", (*TREE, without_inventory)),
    S("the inventory is broken", "apply mine --hosts", 1, "error[tree.stale]", (*TREE, broken_inventory)),
    S("somebody edited a rendered file", "apply mine --hosts", 1, "error[tree.stale]", (*TREE, edited_file)),
    S("a wrong spec", "apply mine --hosts", 1, "address.slot-shared", (*TREE, an_error)),
    S("no host matched", "apply mine --hosts --shard 2/2", 1, "no host matched", TREE),
    S("no host matched, as JSON", "apply mine --shard 2/2 --format json", 1, '"exit_code": 1', TREE),
    # Wrong usage
    S("no such node", "diff mine --limit train-a01-9", 64, 'no node is called "train-a01-9"', TREE),
    S("no such node", "apply mine --limit train-a01-9", 64, "did you mean", TREE),
    S("no such node", "preflight mine --limit train-a01-9", 64, "train-a01-9", TREE),
    S("no such node", "accept mine --limit train-a01-9", 64, "train-a01-9", TREE),
    S("no such node", "trust mine --limit train-a01-9", 64, "train-a01-9"),
    S("a pattern for a node", "apply mine --limit all", 64, 'no node is called "all"', TREE),
    S("no such pool", "accept mine --pool trian", 64, "trian", TREE),
    S("no such shard", "apply mine --shard 3/2", 64, "needs a part", TREE),
    S("no such class", "apply mine --up-to everything", 64, "everything", TREE),
    S("no time", "apply mine --wait soon", 64, "needs a time", TREE),
    S("no number of jobs", "apply mine --end-jobs -1", 64, "-1", TREE),
    S("no such plan", "apply mine --plan nowhere", 64, "cannot be read", TREE),
    S("a plan that is none", "apply mine --plan plan", 64, "is not a plan", (*TREE, garbage_plan)),
    S("a plan of bytes", "apply mine --plan plan", 64, "is not a plan", (*TREE, binary_plan)),
    S("a plan of another version", "apply mine --plan plan", 64, "is not a plan", (*TREE, old_plan)),
    S("no such key", "diff mine --hosts --ssh-key nowhere", 64, "cannot be read", TREE),
    S("a key open to others", "diff mine --hosts --ssh-key key", 64, "chmod 600", (*TREE, open_key)),
    S("a plan that is a device", "apply mine --plan /dev/zero", 64, "is not a plan", TREE),
    S("a kubeconfig without a name", "diff mine --kubeconfig cloud=", 64, "names no kubeconfig", TREE),
    S("a kubeconfig that is a device", "diff mine --cluster cloud --kubeconfig /dev/zero", 1, "is no file", TREE),
    S("no file for a cluster", "diff mine --kubeconfig clud=x", 64, "did you mean", TREE),
    S("a cluster that nobody has", "diff mine --hosts --no-cluster clud", 64, "did you mean", TREE),
    S("keys to record without a file", "trust mine --record", 64, "known-hosts"),
    S("no such cluster", "diff mine --cluster clud", 64, "clud", TREE),
    S("no such rule", "explain no.such-rule", 64, "no.such-rule"),
    S("unlock without an id", "unlock", 64),
    S("no such page", "show cooking mine", 64, "cooking"),
    S("a page to where no file can be", "show cooling mine --out /proc/picture.svg", 1, "error[write.refused]"),
    S("a page of a spec with holes", "show cooling mine", 1, "error[reference.catalog]", (an_unknown_coolant,)),
    S("a page of a design that is refused", "show cooling mine", 1, "error[address.slot-shared]", (an_error,)),
    S("a page without anything on it", "show cooling mine", 1, "error[show.nothing]", (no_water,)),
    S("a page", "show cooling mine", 0, "loop plate-1: cold-plate"),
    S("a rehearsal of no such cluster", "rehearse mine --cluster clud", 64, 'did you mean "cloud"?'),
    S("a rehearsal of a Slurm cluster", "rehearse mine --cluster hpc", 64, "is one of Slurm", (of_duo,)),
    S("a rehearsal without a cluster of Kubernetes", "rehearse mine", 64, "no cluster of Kubernetes", (only_slurm,)),
    S("a rehearsal of either", "rehearse mine", 64, "has 2 clusters of Kubernetes, name one", (of_mingyue,)),
    S("a rehearsal with no nodes", "rehearse mine --nodes 0", 64, "--nodes"),
    S("a rehearsal of a wrong spec", "rehearse mine", 1, "address.slot-shared", (an_error,)),
    # What is not there
    S("a rehearsal without its libraries", "rehearse mine", 1, "center-generator[rehearse]", program=WITHOUT_HTTPX),
    S("a rehearsal without unshare", "rehearse mine", 1, "error[rehearse.machine]", environment={"PATH": "/nowhere"}),
    S("no way to the cluster", "diff mine --cluster cloud", 1, "error[cluster.kubeconfig]", TREE),
    S("no SSH", "diff mine --hosts", 1, "error[hosts.no-ssh]", TREE, environment={"PATH": "/nowhere"}),
    # Secrets
    S("nobody allowed a secret", "diff quad --hosts", 1, "error[hosts.secret-not-allowed]", TREE),
    S(
        "the operator allows others", "apply quad --hosts", 1, "error[hosts.secret-not-allowed]",
        (*TREE, operator_without_permission), environment=OPERATOR,
    ),
    S(
        "the secret is not there", "apply quad --hosts", 1, "error[hosts.secret-missing]",
        (*TREE, operator_without_secret), environment=OPERATOR,
    ),
    S(
        "the secret is open to others", "apply quad --hosts", 1, "error[hosts.secret-unreadable]",
        (*TREE, operator_with_open_secret), environment=OPERATOR,
    ),
    S("no such operator's file", "apply quad --hosts", 1, "error[operator.unreadable]", TREE, environment=OPERATOR),
    S(
        "the operator's file is no YAML", "apply quad --hosts", 1, "error[source.syntax]", (*TREE, operator_broken),
        environment=OPERATOR,
    ),
    S(
        "the operator's file says what nobody knows", "apply quad --hosts", 1, "error[operator.",
        (*TREE, operator_with_unknown_key), environment=OPERATOR,
    ),
    S(
        "anybody could change the operator's file", "apply quad --hosts", 1, "error[operator.unsafe]",
        (*TREE, operator_open), environment=OPERATOR,
    ),
]  # fmt: skip


def named(situation: Situation) -> str:
    return f"{situation.what}: {situation.words}"


@pytest.mark.parametrize("situation", OFFLINE, ids=named)
def test_a_situation_without_hosts(situation: Situation, desk: Desk, rendered_trees: Path) -> None:
    if rendered in situation.so:
        shutil.rmtree(desk.folder / "inventories")
        shutil.copytree(rendered_trees / "inventories", desk.folder / "inventories")
    for make_so in situation.so:
        make_so(desk)
    done = desk.run(*situation.words.split(), program=situation.program, **situation.environment)
    said = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in said) == (situation.code, False), said[-3000:]
    assert situation.says in said
    if "--format json" in situation.words:
        json.loads(done.stdout)
    if "--format junit" in situation.words:
        ElementTree.fromstring(done.stdout)


def test_there_are_enough_situations() -> None:
    assert len({named(situation) for situation in OFFLINE}) == len(OFFLINE) > 40
