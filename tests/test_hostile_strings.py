"""Strings of an enemy through every syntax: the program that reads the file gets the same string, or we refuse it.

Each reader here is the real one where it exists on a Debian machine; slurm.conf is read as its manual says.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from control_plane.tools import MODULES, go
from generator.artifact import Artifact, Json, TextTemplate, Xml, YamlTemplate
from generator.emit import emit_json
from generator.markup import Element
from generator.render import Renderer, RenderError
from generator.syntax import kubernetes_text, prometheus_text

FRAGMENTS = [
    *("", " ", "  ", "\n", "\t", "\r", "\x00", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "\ud800"),
    *("\ue000", '"', "'", "`", "\\", "\\n", "\\x41", "#", " #", ";", " ;", "//", "%", "%h", "%%", "$", "$$", "${HOME}"),
    *("$HOME", "$(id)", "`id`", "=", ":", ": ", ",", "/", "-", "--", "- ", "+", "*", "_", "~", "!", "@", "&", "&amp;"),
    *("|", ">", "<", "<b>", "^", ".", "{", "}", "[", "]", "(", ")", "{{ u }}", "{% x %}", "@{node.name}", "%(x)s"),
    *("[x](http://e)", "http://e.x", "www.e.x", "<script>", "![i](j)", "1. ", "0", "yes", "null", "~root", "/bin/sh"),
    *("; rm -rf /", "a b", "x:~root", "é", "中心", "😀", "x", "b-1"),
]  # fmt: skip
hostile = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=6).map("".join)


def enemies(seed: int, count: int) -> list[str]:
    """Strings for the readers that cost a process: seeded, so that a failure can be looked at."""
    chance = Random(seed)
    letters = [*FRAGMENTS, *FRAGMENTS, *map(chr, chance.sample(range(1, 0x2FFFF), 50))]
    return [*FRAGMENTS, *("".join(chance.choices(letters, k=chance.randint(1, 6))) for _ in range(count))]


TEMPLATES = {
    "tree.yaml": 'a: {{ u }}\nb: "x{{ u }}y"\n"k-{{ u }}": [{{ u }}, "{{ u }}", {c: {{ u }}}]\n'
    "d: |\n  one\n  {{ u }}\n  two\n"
    "e: >-\n  {{ u }}\nf: {{ [u, {u: u}] }}\n{% for i in [u, u] %}g{{ loop.index }}: '{{ i }}'\n{% endfor %}last: 1\n",
    "value.ini": "[s]\nk = {{ u }}\n\n[t]\nlast=1\n",
    "name.ini": "[{{ u }}]\n{{ u }} = 1\n",
    "t.toml": 'a = "{{ u }}"\nb = "x {{ u }} y {{ u }}"\n[t]\nlast = 1\n',
    "bare.toml": "a = {{ u }}\n",
    "t.sh": "A={{ u }}\nB=\"pre {{ u }} post\"\nC='pre {{ u }} post'\nlast=1\n",
    "word.sh": "A=pre{{ u }}\nlast=1\n",
    "name.sh": "{{ u }}=1\n",
    "slurm.conf": 'A={{ u }} B=1\nC="{{ u }}" D=2\nE=pre{{ u }}\n',
    "name.conf": "{{ u }}=1\n",
    "sysctl.conf": "kernel.hostname = {{ u }}\nkernel.domainname = 1\n",
    "ssh_config": "Host alias\n  HostName last\n  HostKeyAlias {{ u }}\n  User last\n",
    "hosts": "10.0.0.1 {{ u }} last\n",
    "table.nft": "add element inet t s { {{ u }}, 10.9.9.9 }\n",
    "include.nft": 'include "{{ u }}"\n',
    "exports": "{{ u }} 10.0.0.0/8(rw,root_squash)\n",
    "client": "/data {{ u }}(ro)\n",
    "plain": "x {{ u }} y\n",
    "comment": "# {{ u }}\nlast=1\n",
    "t.md": "## {{ u }}\n\n| a | b |\n|---|---|\n| {{ u }} | last |\n\nx {{ u }}\n\n{{ u }}\n\n- {{ u }}\n- last\n",
    "code.md": "| a | b |\n|---|---|\n| `{{ u }}` | last |\n\nx `{{ u }}` y\n",
    "description": "Description={{ u }}\n",
    "argument": 'ExecStart=/bin/echo {{ u }} "--name={{ u }} {{ u }}" last\n',
    "environment": 'Environment="A={{ u }}" last=1\n',
    "command": "ExecStart={{ u }}\n",
    "spaced": "ExecStart = {{ u }}\n",
    "word": "PAMName={{ u }}\n",
    "t.xml": '<r a="x {{ u }}"><t>{{ u }}</t><last/></r>\n',
}


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    folder = tmp_path_factory.mktemp("templates")
    for name, text in TEMPLATES.items():
        (folder / name).write_text(text)
    return Renderer(folder)


def fill(renderer: Renderer, template: str, syntax: str, value: object) -> str | None:
    """The text, or None when the value is refused."""
    try:
        return renderer.render(Artifact("x", TextTemplate(template, {"u": value}, syntax), ())).decode()
    except RenderError:
        return None


@given(hostile)
def test_yaml_trees(renderer: Renderer, u: str) -> None:
    try:
        text = renderer.render(Artifact("x", YamlTemplate("tree.yaml", {"u": u}), ())).decode()
    except RenderError:
        assert re.search("[\ud800-\udfff\ue000]|@{", u)
        return
    wanted: dict[str, object] = {
        "a": u,
        "b": f"x{u}y",
        f"k-{u}": [u, u, {"c": u}],
        "d": f"one\n{u}\ntwo\n",
        "e": u,
        "f": [u, {u: u}],
    }
    wanted |= {"g1": u, "g2": u, "last": 1}
    assert yaml.load(text, yaml.CSafeLoader) == YAML(typ="safe", pure=True).load(text) == wanted


@given(hostile)
def test_ini(renderer: Renderer, u: str) -> None:
    if text := fill(renderer, "value.ini", "ini", u):
        for reader in (
            configparser.ConfigParser(),
            configparser.RawConfigParser(inline_comment_prefixes=("#", ";"), strict=True),
            configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation()) if "$" not in u else None,
        ):
            if reader is not None:
                reader.read_string(text)
                assert {name: dict(reader[name]) for name in reader.sections()} == {"s": {"k": u}, "t": {"last": "1"}}
    if text := fill(renderer, "name.ini", "ini", u):
        raw = configparser.RawConfigParser()
        raw.optionxform = str  # type: ignore[assignment, method-assign]
        raw.read_string(text)
        assert {name: dict(raw[name]) for name in raw.sections()} == {u: {u: "1"}}


@given(hostile)
def test_toml(renderer: Renderer, u: str) -> None:
    if text := fill(renderer, "t.toml", "toml", u):
        assert tomllib.loads(text) == {"a": u, "b": f"x {u} y {u}", "t": {"last": 1}}
    assert fill(renderer, "bare.toml", "toml", u) in (None, f"a = {u}\n")


def test_shell(renderer: Renderer) -> None:
    script, wanted = "", []
    for u in enemies(1, 2_000):
        for template, expected in (
            ("t.sh", [u, f"pre {u} post", f"pre {u} post"]),
            ("word.sh", [f"pre{u}", "", ""]),
        ):
            if text := fill(renderer, template, "shell", u):
                script += f'A= B= C= last=\n{text}printf "%s\\0" "$A" "$B" "$C" "$last"\n'
                wanted += [*expected, "1"]
        assert fill(renderer, "name.sh", "shell", u) in (None, f"{u}=1\n")
        assert fill(renderer, "name.sh", "shell", u) is None or re.fullmatch("[A-Za-z_]\\w*", u, re.ASCII)
    environment = {"HOME": "/EXPANDED", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True, env=environment)
    assert done.stderr == b""
    assert done.stdout.decode().split("\0")[:-1] == wanted


def read_slurm(text: str) -> list[dict[str, str]]:
    """slurm.conf(5): `#` begins a comment, pairs are separated by blanks, double quotes hold one value."""
    lines = []
    for line in text.splitlines():
        assert not line.endswith("\\")
        line = re.sub("#.*", "", line)
        pairs = re.findall(r'([\w.]+)=(?:"([^"]*)"|([^\s"]+))(?=\s|$)', line)
        assert re.sub(r'[\w.]+=(?:"[^"]*"|[^\s"]+)(?=\s|$)', "", line).strip() == "", line
        lines.append({name: quoted or bare for name, quoted, bare in pairs})
    return lines


@given(hostile)
def test_slurm(renderer: Renderer, u: str) -> None:
    if text := fill(renderer, "slurm.conf", "slurm", u):
        assert read_slurm(text) == [{"A": u, "B": "1"}, {"C": u, "D": "2"}, {"E": f"pre{u}"}]
    if text := fill(renderer, "name.conf", "slurm", u):
        assert read_slurm(text) == [{u: "1"}]


def test_sysctl(renderer: Renderer) -> None:
    carried = [(u, text) for u in enemies(2, 2_000) if (text := fill(renderer, "sysctl.conf", "sysctl", u))]
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(text for _, text in carried))
        file.flush()
        done = subprocess.run(["/usr/sbin/sysctl", "--dry-run", "-p", file.name], capture_output=True, text=True)
    wanted = [line for u, _ in carried for line in (f"kernel.hostname = {u}", "kernel.domainname = 1")]
    assert done.stdout.splitlines() == wanted


def test_ssh_config(renderer: Renderer) -> None:
    for u in [*enemies(3, 500), "n-1.example.org", "10.1.2.3", "fe80::1"]:
        if text := fill(renderer, "ssh_config", "ssh_config", u):
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(text)
                file.flush()
                done = subprocess.run(
                    ["ssh", "-G", "-F", file.name, "alias"], capture_output=True, text=True, check=True
                )
            options = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
            assert (options["hostname"], options["hostkeyalias"], options["user"]) == ("last", u, "last")


NETWORKS = ["10.1.0.0/16", "0.0.0.0/0", "10.255.255.255", "192.0.2.0/31"]


def test_nft(renderer: Renderer) -> None:
    """Asked of nft itself, in a network of its own: what it lists is what was given, and nothing else."""
    carried = [u for u in [*enemies(5, 3_000), *NETWORKS] if fill(renderer, "table.nft", "nft", u)]
    assert carried == NETWORKS
    if os.geteuid() != 0 or not Path("/usr/sbin/nft").exists():
        pytest.skip("nft needs root")
    table = "add table inet t\nadd set inet t s { type ipv4_addr; flags interval; auto-merge; }\n"
    for u in NETWORKS:
        text = table + str(fill(renderer, "table.nft", "nft", u))
        command = ["unshare", "--net", "sh", "-c", "nft -f - && nft --json list set inet t s"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        [elements] = [part["set"]["elem"] for part in json.loads(done.stdout)["nftables"] if "set" in part]
        address, _, length = u.partition("/")
        wanted: object = {"prefix": {"addr": address, "len": int(length)}} if length else u
        assert elements == ([wanted] if u == "0.0.0.0/0" else sorted(["10.9.9.9", wanted], key=elements.index))


def test_included_files_and_exports(renderer: Renderer) -> None:
    """exports(5): a line is a folder without blanks or quotes, then clients with options in brackets."""
    for u in [*enemies(6, 3_000), "/srv/data", "/etc/center/firewall.d"]:
        included, text = fill(renderer, "include.nft", "nft", u), fill(renderer, "exports", "exports", u)
        assert (included is None) == (text is None) == (re.fullmatch(r"(/\w[\w.-]*)+", u, re.ASCII) is None)
        assert text is None or text.split() == [u, "10.0.0.0/8(rw,root_squash)"]
    for u in [*enemies(7, 3_000), *NETWORKS]:
        assert (fill(renderer, "client", "exports", u) is not None) == (u in NETWORKS)


@given(hostile)
def test_hosts_and_plain_lines(renderer: Renderer, u: str) -> None:
    if text := fill(renderer, "hosts", "hosts", u):
        assert "#" not in text
        assert text.split() == ["10.0.0.1", u, "last"]
        assert text.count("\n") == 1
    if text := fill(renderer, "plain", "plain", u):
        assert text.splitlines() == [f"x {u} y"]
    for syntax in ("ini", "shell", "slurm", "sysctl", "systemd", "words", "toml", "plain"):
        if text := fill(renderer, "comment", syntax, u):
            assert text.splitlines() == [f"# {u}", "last=1"]
            assert not u.endswith("\\") or syntax == "plain"


@given(hostile)
def test_markdown(renderer: Renderer, u: str) -> None:
    reader = MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"])
    if text := fill(renderer, "t.md", "markdown", u):
        tokens = reader.parse(text)
        inlines = [token for token in tokens if token.type == "inline"]
        said = u.strip()
        paragraphs = [said, said] if said else []
        wanted = [said, "a", "b", said, "last", f"x {u}".strip(), *paragraphs, "last"]
        assert [plain_text(token).strip() for token in inlines] == wanted
        structure = [token.type for token in tokens if token.nesting == 1]
        assert structure.count("tr_open") == 2
        assert structure.count("list_item_open") == 2
        assert not {token.type for token in tokens} & {"html_block", "fence", "code_block", "blockquote_open", "hr"}
    if text := fill(renderer, "code.md", "markdown", u):
        cells = [token for token in reader.parse(text) if token.type == "inline"]
        codes = [child.content for token in cells for child in token.children or () if child.type == "code_inline"]
        assert len(cells) == 5
        assert len(codes) == 2


def plain_text(inline: object) -> str:
    children = getattr(inline, "children", None) or []
    assert {child.type for child in children} <= {"text"}, children
    return "".join(child.content for child in children)


@given(hostile)
def test_xml(renderer: Renderer, u: str) -> None:
    """What a template writes, and what a tree of elements becomes."""
    tree = Element("r", {"a": f"x {u}"}, (Element("t", {}, u), Element("last")))
    try:
        emitted = renderer.render(Artifact("x", Xml(tree), ())).decode()
    except RenderError:
        emitted = None
    text = fill(renderer, "t.xml", "xml", u)
    assert (text is None) == (emitted is None)
    for document in filter(None, (text, emitted)):
        root = ElementTree.fromstring(document)
        assert [(part.tag, part.attrib, part.text or "") for part in root.iter() if part.tag != "r"] == [
            ("t", {}, u),
            ("last", {}, ""),
        ]
        assert root.attrib == {"a": f"x {u}"}


@pytest.fixture(scope="module")
def unit_folder() -> Iterator[Path]:
    """A folder that a user without rights can read, because systemd refuses to test as root."""
    with tempfile.TemporaryDirectory(prefix="units-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "run").mkdir(mode=0o777)
        (folder / "run").chmod(0o777)
        (folder / "units").mkdir()
        yield folder


def load_units(folder: Path) -> dict[str, dict[str, list[str]]]:
    """What systemd makes of each unit: its own dump, by the name of the unit and of the property."""
    environment = {
        "XDG_RUNTIME_DIR": f"{folder}/run",
        "SYSTEMD_UNIT_PATH": f"{folder}/units:",
        "HOME": "/",
        "LC_ALL": "C.UTF-8",
    }
    command = ["/lib/systemd/systemd", "--test", "--user", "--unit=main.target"]
    nobody = {"user": "nobody", "extra_groups": []} if os.getuid() == 0 else {}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, **nobody)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    units: dict[str, dict[str, list[str]]] = {}
    for line in (done.stdout + done.stderr).decode().split("\n"):
        if found := re.fullmatch(r"\t-> Unit (.+):", line):
            unit = units.setdefault(found[1], {})
        elif found := re.fullmatch(r"\t+(Description|Environment|Command Line|PAMName): (.*)", line):
            unit.setdefault(found[1], []).append(found[2])
    return units


def words_of(command_line: str) -> list[str]:
    """The dump puts double quotes around words, and backslashes before what they would not hide."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"(?= |$)|([^ "]+)(?= |$)', command_line)
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else bare for quoted, bare in found]


def test_systemd(renderer: Renderer, unit_folder: Path) -> None:
    wanted: dict[str, tuple[str, str]] = {}
    for number, u in enumerate([*enemies(4, 300), "x", "a b"]):
        for template in ("description", "argument", "environment", "command", "spaced", "word"):
            if (text := fill(renderer, template, "systemd", u)) is None:
                continue
            name = f"t{number}-{template}.service"
            section = "Unit" if template == "description" else "Service"
            ending = "" if template in ("argument", "command", "spaced") else "[Service]\nExecStart=/bin/true\n"
            (unit_folder / "units" / name).write_text(f"[{section}]\n{text}{ending}")
            wanted[name] = (template, u)
    names = " ".join(wanted)
    (unit_folder / "units" / "main.target").write_text(f"[Unit]\nWants={names}\nRequires=basic.target\n")
    units = load_units(unit_folder)
    for name, (template, u) in wanted.items():
        unit = units[name]
        if template == "description":
            assert unit["Description"] == [u or name]
        elif template == "environment":
            assert unit["Environment"] == [f"A={u}", "last=1"]
        elif template == "word":
            assert unit["PAMName"] == [u]
        elif template in ("command", "spaced"):
            # A folder is no program: systemd refuses such a unit as a whole.
            assert (
                u.endswith("/")
                if "Command Line" not in unit
                else words_of(unit["Command Line"][0]) == [re.sub("/+", "/", u)]
            )
        else:
            # systemd undoes the doubling of $ only when it starts the command.
            words = words_of(unit["Command Line"][0])
            assert not re.search(r"(?<!\$)\$(\$\$)*(?!\$)", "".join(words))
            assert [word.replace("$$", "$") for word in words] == ["/bin/echo", u, f"--name={u} {u}", "last"]


@pytest.mark.parametrize(
    ("template", "syntax", "values"),
    [
        ("value.ini", "ini", ["x", "a b", "", "dc=example,dc=org", "https://a.example/b?c=d", "it's", "中心", "a;b#c"]),
        ("name.ini", "ini", ["server", "log.level", "a-b"]),
        ("t.toml", "toml", ["", "a b", "C:\\x", '5" pipe', "中心", "# ;", 5]),
        ("bare.toml", "toml", [5, -1, 0.5, "true"]),
        ("t.sh", "shell", ["x", "a-b_c.d/e:f", "--flag=1", "a b", 8]),
        ("word.sh", "shell", ["x", "a/b", "", 8]),
        ("slurm.conf", "slurm", ["gpu:h100:8", "node-a[01-24]-[1-4],x", "/var/log/slurm.log", 64, "CPU=1.0,Mem=0.25G"]),
        ("sysctl.conf", "sysctl", ["1", "4096 87380 6291456", "fq", -1]),
        ("ssh_config", "ssh_config", ["node-1.example.org", "10.0.0.1", "2001:db8::1"]),
        ("hosts", "hosts", ["node-1", "node-1.example.org"]),
        ("plain", "plain", ["anything; $goes \"here\" 'too' `x` 中心 😀", 5, 0.5]),
        ("t.md", "markdown", ["a b", "中心", "<b>", "| x |", "# h", "[x](y)", 5]),
        ("code.md", "markdown", ["train-h-a05-2", "a|b", "<b>"]),
        ("description", "systemd", ["Training 中心, 50 % full", ""]),
        ("argument", "systemd", ["a b", "50%", "$HOME", '5" pipe', "back\\slash", ";", "--x=y", ""]),
        ("environment", "systemd", ["a b", "50%", "$HOME", ""]),
        ("command", "systemd", ["/usr/bin/true"]),
        ("word", "systemd", ["slurm", "50%"]),
    ],
)  # fmt: skip
def test_what_is_harmless_is_carried(renderer: Renderer, template: str, syntax: str, values: list[object]) -> None:
    assert [value for value in values if fill(renderer, template, syntax, value) is None] == []


@pytest.mark.parametrize(
    ("template", "syntax", "values"),
    [
        ("value.ini", "ini", [" a", "a ", "a #b", "a ;b", "#", '"a"', "a\\", "100%", "${x}"]),
        ("name.ini", "ini", ["a]", "a b", "[a", "a=b", ""]),
        ("t.sh", "shell", ["a'b", 'a"b', "$(id)'"]),
        ("word.sh", "shell", ["a b", "$HOME", "~root"]),
        ("name.sh", "shell", ["a b", "1a", "a=b", "export a"]),
        ("slurm.conf", "slurm", ['a"b', "a#b", "a b", "a\\"]),
        ("name.conf", "slurm", ["a b", "Include /etc/shadow\nA"]),
        ("sysctl.conf", "sysctl", ["a  b", "#", "-a", ""]),
        ("ssh_config", "ssh_config", ["-oProxyCommand=x", "a b", "%h", "=a", "*", ""]),
        ("hosts", "hosts", ["a b", "#", ""]),
        ("command", "systemd", ["-/bin/sh", "+/bin/sh", "sh", "/bin/a b"]),
        ("spaced", "systemd", ["-/bin/sh", "+/bin/sh", "sh"]),
        ("word", "systemd", ["a b", '"a"', "a\\"]),
        ("code.md", "markdown", ["`", ""]),
    ],
)  # fmt: skip
def test_what_a_format_cannot_hold_there_is_refused(
    renderer: Renderer, template: str, syntax: str, values: list[str]
) -> None:
    assert [value for value in values if fill(renderer, template, syntax, value) is not None] == []


@pytest.mark.parametrize(
    "syntax", sorted({"ini", "toml", "shell", "slurm", "sysctl", "ssh_config", "hosts", "systemd", "plain"})
)
@pytest.mark.parametrize(
    "value", [True, None, [1], {"a": 1}, float("nan"), b"x", "@{node.name}", "a\nb", "\x00", "\u202e"]
)
def test_what_no_text_format_carries(renderer: Renderer, syntax: str, value: object) -> None:
    for template in ("plain", "t.toml", "comment"):
        assert fill(renderer, template, syntax, value) is None


def test_ansible_reads_back_what_an_inventory_holds(tmp_path: Path) -> None:
    """Ours hold no free text; if one ever does, it must not turn the file into something else."""
    chance = Random(1)
    usual = [fragment for fragment in FRAGMENTS if not re.search("[\ud800-\udfff]", fragment)]
    values = {f"v{i}": "".join(chance.choices(usual, k=chance.randint(0, 6))) for i in range(500)}
    inventory = {"all": {"children": {"rack_a01": {"hosts": {"train-h-a01-[1:4]": {}}, "vars": values}}}}
    path = tmp_path / "inventory.json"
    path.write_bytes(emit_json(inventory, 3))
    environment = {**os.environ, "ANSIBLE_INVENTORY_ENABLED": "yaml", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1"}
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(path), "--list", "--export"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rack_a01"]["vars"] == values
    assert found["rack_a01"]["hosts"] == [f"train-h-a01-{number}" for number in range(1, 5)]


@pytest.mark.cluster
def test_texts_that_are_expanded_a_second_time(tmp_path: Path) -> None:
    """Through the code of Prometheus' templates and of the kubelet itself."""
    (kubernetes,) = (module for module in MODULES if module.name == "kubernetes")
    go(kubernetes, "build", "-o", str(tmp_path / "expand"), str(Path(__file__).with_name("expand.go")))
    chance = Random(2)
    usual = [fragment for fragment in FRAGMENTS if not re.search("[\ud800-\udfff]", fragment)]
    usual += ["{{", "}}", "{{-", "-}}", "{{/*", "*/}}", "{{ .X }}", '{{ "', "$(X)", "$$(X)", "$", "("] * 3
    values = ["".join(chance.choices(usual, k=chance.randint(0, 8))) for _ in range(5_000)]
    # What follows must not join the last brace of a value.
    pairs = [[prometheus_text(value) + "{", kubernetes_text(value)] for value in values]
    done = subprocess.run([tmp_path / "expand"], input=json.dumps(pairs), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[value + "{", value] for value in values]


def test_json_bodies_are_read_strictly(renderer: Renderer) -> None:
    value = {fragment: fragment for fragment in FRAGMENTS if not re.search("[\ud800-\udfff]", fragment)}
    assert json.loads(renderer.render(Artifact("x", Json(value), ()))) == value
