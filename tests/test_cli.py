"""The command as people and scripts meet it: real processes, their exit codes, their streams, their files."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from generator import rules
from tests import reports

ROOT = Path(__file__).parent.parent
CENTER = str(Path(sys.executable).with_name("center"))
STARTER = ROOT / "inventories/starter"
Done = subprocess.CompletedProcess[str]


def center(*arguments: str, cwd: Path = ROOT, command: tuple[str, ...] = (CENTER,), **environment: str) -> Done:
    surroundings = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [*command, *arguments], cwd=cwd, env=surroundings, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a copy of the starter centre in it."""
    shutil.copytree(STARTER, tmp_path / "inventories/mine", ignore=shutil.ignore_patterns("generated"))
    return tmp_path


def edit(site: Path, old: str, new: str) -> None:
    file = site / "inventories/mine/center.yaml"
    assert old in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")


def files(tree: Path) -> dict[str, bytes]:
    return {str(file.relative_to(tree)): file.read_bytes() for file in tree.rglob("*") if file.is_file()}


# Exit codes


def test_0_when_nothing_is_wrong(site: Path) -> None:
    done = center("validate", "mine", cwd=site)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 errors, 0 warnings\n")
    assert center("-q", "validate", "mine", cwd=site).stderr == ""


@pytest.mark.parametrize("where", ["./inventories/mine/", "inventories/mine/center.yaml"])
def test_a_centre_is_a_name_a_folder_or_a_file(where: str, site: Path) -> None:
    assert center("validate", where, cwd=site).returncode == 0


def test_without_a_name_it_is_the_folder_one_stands_in(site: Path) -> None:
    assert center("validate", cwd=site / "inventories/mine").returncode == 0
    assert center("validate", cwd=site).returncode == 64


def test_1_for_findings_on_the_stream_that_programs_read(site: Path) -> None:
    edit(site, "slot: 2", "slot: 1")
    done = center("validate", "mine", cwd=site)
    assert done.returncode == 1
    assert done.stdout.startswith("center.yaml:41:") and "error[address.slot-shared]" in done.stdout
    assert done.stderr == "1 error, 0 warnings\n"
    for verb in ("render", "apply"):
        refused = center(verb, "mine", cwd=site)
        assert (refused.returncode, refused.stdout) == (1, "") and "error[address.slot-shared]" in refused.stderr
    assert not (site / "inventories/mine/generated").exists()


def test_warnings_are_errors_when_asked(site: Path) -> None:
    edit(site, ", ratings: {capacity: 60 kW}", "")
    assert center("validate", "mine", cwd=site).returncode == 0
    assert center("validate", "mine", "--strict", cwd=site).returncode == 1


def test_2_when_the_tree_differs(site: Path) -> None:
    tree = site / "inventories/mine/generated"
    assert center("render", "mine", "--check", cwd=site).returncode == 2
    assert not tree.exists()
    assert center("render", "mine", cwd=site).returncode == 0
    assert center("render", "mine", "--check", cwd=site).returncode == 0
    (tree / "summary.md").write_text("edited\n")
    (tree / "extra.txt").write_text("x")
    (tree / "hosts/hall-1/nodes.json").unlink()
    done = center("render", "mine", "--check", cwd=site)
    assert done.returncode == 2
    assert "-edited" in done.stdout
    assert {"missing: hosts/hall-1/nodes.json", "changed: summary.md", "extra: extra.txt"} <= set(
        done.stdout.split("\n")
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", "nowhere"),
        ("validate", "x" * 300),
        ("validate", "mine", "--no-such-option"),
        ("validate", "mine", "--format", "docx"),
        ("no-such-verb",),
        ("explain", "no.such-rule"),
        ("catalog", "poems"),
        ("catalog", "racks", "rack-43u"),
        ("new", "rule", "Rack.Mass"),
        ("new", "service", "a", "--in", "mine"),
        ("init", "Bad Name"),
        ("init", "a-" * 20 + "a"),
        ("init", "a--b"),
        (),
    ],
)
def test_64_for_wrong_usage(arguments: tuple[str, ...], site: Path) -> None:
    done = center(*arguments, cwd=site)
    assert (done.returncode, done.stdout) == (64, "") and done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in site.iterdir()) == ["inventories"]


def test_70_for_a_defect_of_ours(site: Path) -> None:
    """An installation without its templates."""
    shutil.copytree(ROOT / "generator", site / "generator", ignore=shutil.ignore_patterns("_data", "__pycache__"))
    broken = (sys.executable, "-m", "generator")
    done = center("render", "mine", cwd=site, command=broken)
    assert done.returncode == 70
    [line] = done.stderr.strip().split("\n")
    assert "a defect of this program" in line and 'no folder "templates"' in line
    told = center("-v", "render", "mine", cwd=site, command=broken)
    assert told.returncode == 70 and "Traceback" in told.stderr


FAULT = """
import sys
from generator import cli, source
source.load = lambda file, into: {}["gone"]
sys.argv = ["center", "validate", "mine", "--format", sys.argv[1]]
cli.main()
"""


@pytest.mark.parametrize(("form", "told"), [("json", "defect"), ("sarif", "executionSuccessful"), ("junit", "<error"),
                                            ("github", "::error"), ("text", "")])  # fmt: skip
def test_a_defect_leaves_a_report_too(form: str, told: str, site: Path) -> None:
    """Else the step that uploads it would fail in its place."""
    done = center(form, cwd=site, command=(sys.executable, "-c", FAULT))
    assert done.returncode == 70 and "a defect of this program: KeyError" in done.stderr
    assert told in done.stdout and bool(done.stdout) == (form != "text")
    valid(form, done.stdout)


@pytest.mark.parametrize("form", ["json", "sarif", "junit", "github"])
def test_a_centre_that_is_not_there_leaves_a_report_too(form: str, site: Path) -> None:
    done = center("validate", "nowhere", "--format", form, cwd=site)
    assert done.returncode == 64 and "nowhere" in done.stdout and "nowhere" in done.stderr
    valid(form, done.stdout)


def valid(form: str, text: str) -> None:
    match form:
        case "json":
            reports.JSON.validate(json.loads(text))
        case "sarif":
            reports.SARIF.validate(json.loads(text))
        case "junit":
            reports.JUNIT.validate(text)


@pytest.mark.parametrize(
    ("old", "new", "complete"),
    [
        ("timezone", "timezoon", False),
        ("cluster: cloud, slot: 2}", "cluster: clout, slot: 2}", False),
        ("slot: 2", "slot: 1", True),
        ("site: {", "site {", False),
    ],
)
def test_checks_that_wait_are_counted(old: str, new: str, complete: bool, site: Path) -> None:
    """Findings of the text, of the words and of the names each hide those of the rules."""
    edit(site, old, new)
    told = center("validate", "mine", cwd=site)
    waiting = re.findall(r"^(\d+) checks wait until these are fixed$", told.stderr, re.M)
    assert (told.returncode, waiting) == (1, [] if complete else [str(len(rules.rules()))])
    assert json.loads(center("validate", "mine", "--format", "json", cwd=site).stdout)["complete"] is complete
    assert "checks wait" not in center("-q", "validate", "mine", cwd=site).stderr
    assert ("checks wait" in center("render", "mine", cwd=site).stderr) is not complete


def test_apply_and_diff_refuse_a_tree_that_is_not_what_the_spec_says(site: Path) -> None:
    for verb in ("diff", "apply"):
        done = center(verb, "mine", cwd=site)
        assert done.returncode == 1 and "error[tree.stale]" in done.stderr


# Words


VERBS = [
    *(
        "accept",
        "apply",
        "catalog",
        "completion",
        "diff",
        "docs",
        "enforce",
        "explain",
        "fetch",
        "init",
        "new",
        "preflight",
        "rehearse",
        "render",
    ),
    *("schema", "show", "status", "trust", "unlock", "validate"),
]


def test_these_are_the_verbs() -> None:
    listed = center("--help").stdout.partition("Commands:\n")[2]
    assert [line.split()[0] for line in listed.rstrip().split("\n")] == VERBS


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_there_for_every_verb(verb: str) -> None:
    done = center(*filter(None, [verb, "-h" if verb == "diff" else "--help"]))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: center {verb}".strip()) and len(done.stdout.split("\n")) > 5
    assert max(map(len, done.stdout.split("\n"))) <= 80


def test_the_version_is_that_of_the_package() -> None:
    assert center("--version").stdout.strip() == "center, version 0.1.0"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = center("completion", shell)
    assert done.returncode == 0 and "_CENTER_COMPLETE" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True, timeout=60)


def test_completion_completes() -> None:
    done = center(_CENTER_COMPLETE="bash_complete", COMP_WORDS="center va", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,validate"]


def test_every_format_is_for_its_reader(site: Path) -> None:
    edit(site, "slot: 2", "slot: 1")
    shown = {
        form: center("validate", "mine", "--format", form, cwd=site) for form in ("json", "sarif", "junit", "github")
    }
    assert {done.returncode for done in shown.values()} == {1}
    assert {done.stderr for done in shown.values()} == {""}
    [problem] = json.loads(shown["json"].stdout)["problems"]
    assert (problem["rule"], problem["file"], problem["line"]) == (
        "address.slot-shared",
        "inventories/mine/center.yaml",
        41,
    )
    [result] = json.loads(shown["sarif"].stdout)["runs"][0]["results"]
    assert result["ruleId"] == "address.slot-shared"
    assert ElementTree.fromstring(shown["junit"].stdout).get("failures") == "1"
    assert shown["github"].stdout.startswith("::error file=inventories/mine/center.yaml,line=41,col=")


def test_reports_name_files_as_seen_from_where_the_command_runs(site: Path) -> None:
    edit(site, "slot: 2", "slot: 1")
    folder = site / "inventories/mine"

    def file(cwd: Path, *where: str) -> str:
        printed = center("validate", *where, "--format", "json", cwd=cwd).stdout
        return str(json.loads(printed)["problems"][0]["file"])

    assert file(site, "mine") == file(site, str(folder)) == "inventories/mine/center.yaml"
    assert file(folder) == file(folder, ".") == "center.yaml"
    assert file(ROOT, str(folder)) == str(folder / "center.yaml")


def test_no_colour_where_no_terminal_is(site: Path) -> None:
    edit(site, "slot: 2", "slot: 1")
    done = center("validate", "mine", cwd=site)
    assert "\x1b" not in done.stdout + done.stderr


# init


def test_init_makes_a_centre_that_validates_and_renders(tmp_path: Path) -> None:
    done = center("init", "first-light", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "first-light"
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "center.yaml", "ssh_ca", "ssh_ca.pub"]
    assert (folder / "ssh_ca").stat().st_mode & 0o777 == 0o600
    assert "ssh_ca\n" in (folder / ".gitignore").read_text()
    assert "starter" not in (folder / "center.yaml").read_text()
    made = subprocess.run(
        ["ssh-keygen", "-lf", folder / "ssh_ca.pub"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "first-light host authority" in made.stdout and "ED25519" in made.stdout
    assert center("validate", "first-light", "--strict", cwd=tmp_path).returncode == 0
    assert center("render", "first-light", cwd=tmp_path).returncode == 0
    assert center("render", "first-light", "--check", cwd=tmp_path).returncode == 0


def test_init_goes_below_inventories_or_where_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "inventories").mkdir()
    assert center("init", "one", cwd=tmp_path).returncode == 0
    assert center("init", "two", "--in", "elsewhere/deep", cwd=tmp_path).returncode == 0
    assert (tmp_path / "inventories/one/center.yaml").is_file()
    assert (tmp_path / "elsewhere/deep/two/center.yaml").is_file()


def test_init_touches_nothing_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("mine", "file", "link"):
        done = center("init", name, cwd=tmp_path)
        assert done.returncode == 64 and "there already" in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "link", "mine", "notes.txt"]


# A disk that is full, a reader that is gone


def limited(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def on_a_small_disk(size: int, *arguments: str, cwd: Path) -> Done:
    """No file can grow beyond so many bytes; Python turns that into an error of the write."""
    return subprocess.run(
        [CENTER, *arguments], cwd=cwd, preexec_fn=lambda: limited(size), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("size", [0, 2000])
def test_a_full_disk_leaves_nothing_half_written(size: int, site: Path) -> None:
    assert center("render", "mine", "--out", "wanted", cwd=site).returncode == 0
    wanted, tree = files(site / "wanted"), site / "tree"
    done = on_a_small_disk(size, "render", "mine", "--out", "tree", cwd=site)
    assert done.returncode == 1 and "error[write.refused]" in done.stderr, done.stderr
    found = {path: content for path, content in files(tree).items() if path != ".center-journal"}
    assert {path for path in found if found[path] != wanted[path]} == set()
    assert center("render", "mine", "--out", "tree", cwd=site).returncode == 0
    assert files(tree) == wanted


@pytest.mark.parametrize("size", [0, 100])
def test_init_on_a_full_disk_leaves_nothing(size: int, tmp_path: Path) -> None:
    done = on_a_small_disk(size, "init", "mine", cwd=tmp_path)
    assert "cannot be made" in done.stderr and done.returncode == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("schema",), ("validate", "mine"), ("--help",)])
def test_a_reader_that_has_gone_is_no_error(arguments: tuple[str, ...], site: Path) -> None:
    edit(site, "slot: 2", "slot: 1")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [CENTER, *arguments], cwd=site, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writing)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert done.returncode in (0, 1)


def test_an_interrupt_ends_quietly(site: Path) -> None:
    """The key that a person presses, at the moment when the spec is read."""
    code = """
import os, signal, sys
from generator import cli, source
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
source.load = lambda file, into: os.kill(os.getpid(), signal.SIGINT)
sys.argv = ["center", "validate", "mine"]
cli.main()
"""
    done = center(cwd=site, command=(sys.executable, "-c", code))
    assert done.returncode == 128 + signal.SIGINT and "Traceback" not in done.stderr


def test_findings_of_the_text_itself_are_shown_beside_their_line(site: Path) -> None:
    edit(site, "site: {timezone: Europe/Zurich}", "site:\n\ttimezone: Europe/Zurich")
    assert "| \ttimezone".expandtabs(1) in center("validate", "mine", cwd=site).stdout.expandtabs(1)


def test_text_of_several_lines_is_text(site: Path) -> None:
    edit(site, "title: My first centre}", 'title: "My\\nfirst centre\\n"}')
    assert center("render", "mine", cwd=site).returncode == 0
    assert (site / "inventories/mine/generated/summary.md").read_text("utf-8").startswith("# My first centre\n")


def test_a_folder_that_nobody_can_make_is_a_finding(site: Path) -> None:
    done = center("render", "mine", "--out", "/proc/center", cwd=site)
    assert done.returncode == 1 and 'error[write.refused]: "/proc/center"' in done.stderr


def test_without_ssh_no_host_is_reached(site: Path) -> None:
    center("render", "mine", cwd=site)
    done = center("diff", "mine", "--hosts", cwd=site, PATH=str(site))
    assert done.returncode == 1 and "error[hosts.no-ssh]" in done.stderr


def test_a_cluster_that_cannot_be_asked_is_not_called_unchanged(site: Path) -> None:
    center("render", "mine", cwd=site)
    for verb in ("diff", "status"):
        done = center(verb, "mine", "--cluster", "cloud", "--kubeconfig", "/nowhere", cwd=site)
        assert (done.returncode, done.stdout) == (1, "cloud: not compared\n")
        assert 'kubeconfig "/nowhere": cannot be read: No such file' in done.stderr


def test_each_cluster_has_its_own_kubeconfig_or_context(site: Path) -> None:
    second = '  second: {kind: kubernetes, version: "1.36", pods: 10.129.0.0/16, services: 10.97.0.0/16}\n\naccess:'
    edit(site, "\naccess:", second)
    edit(site, "cluster: cloud}", "clusters: [cloud, second]}")
    edit(
        site,
        "cluster: cloud, slot: 2}",
        "cluster: cloud, slot: 2}\n  more: {server: generic-1u, cluster: second, racks: a01, per-rack: 1, slot: 9}",
    )
    assert center("render", "mine", cwd=site).returncode == 0
    both = ("diff", "mine", "--cluster", "cloud", "--cluster", "second")
    done = center(*both, "--kubeconfig", "/nowhere", cwd=site)
    assert done.returncode == 1 and done.stderr.count("nothing says how to reach cluster") == 2
    assert "give --kubeconfig second=FILE or a file with a context second" in done.stderr
    done = center(*both, "--kubeconfig", "second=/nowhere", cwd=site)
    assert done.returncode == 1 and 'nothing says how to reach cluster "cloud"' in done.stderr
    assert 'kubeconfig "/nowhere": cannot be read' in done.stderr
    contexts = [{"name": name, "context": {"cluster": name}} for name in ("cloud", "second")]
    servers = [{"name": name, "cluster": {"server": f"http://{name}.invalid"}} for name in ("cloud", "second")]
    (site / "both").write_text(json.dumps({"contexts": contexts, "clusters": servers, "users": []}))
    done = center(*both, KUBECONFIG=f"/nowhere:{site}/both", cwd=site)
    assert done.returncode == 1 and done.stderr.count("does not verify the API server") == 2
    done = center(*both, "--kubeconfig", "secnod=/nowhere", cwd=site)
    assert done.returncode == 64 and 'did you mean "second"?' in done.stderr


def test_a_cluster_that_is_said_not_to_be_there_is_one_of_the_tree(site: Path) -> None:
    center("render", "mine", cwd=site)
    done = center("diff", "mine", "--hosts", "--no-cluster", "clodu", cwd=site)
    assert done.returncode == 64 and 'did you mean "cloud"?' in done.stderr


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")])
def test_a_terminal_may_ask_for_no_colour(variable: str, value: str, site: Path) -> None:
    edit(site, "timezone", "timezoon")
    said = subprocess.run(
        ["script", "-qec", f"{CENTER} validate {site / 'inventories/mine'}", "/dev/null"],
        env={"PATH": os.environ["PATH"], "TERM": "xterm", variable: value},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == 1 and ("\x1b[" in said.stdout) == (value == "xterm")


@pytest.mark.parametrize(("user", "root"), [("center", "no"), ("root", "prohibit-password")])
def test_hosts_let_in_whom_apply_logs_in_as(user: str, root: str, site: Path) -> None:
    edit(site, 'authority: "path:ssh_ca.pub"', f'authority: "path:ssh_ca.pub", user: {user}')
    assert center("render", "mine", cwd=site).returncode == 0
    [daemon] = (site / "inventories/mine/generated").rglob("00-center.conf")
    assert f"\nPermitRootLogin {root}\n" in daemon.read_text("utf-8")
