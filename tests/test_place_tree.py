"""The module that places a node's files, run by the real ansible-playbook below a temporary root."""

from __future__ import annotations

import errno
import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trees import HostTree

PLAYBOOKS = Path(__file__).parents[1] / "playbooks"
BIN = Path(sys.executable).parent
# Below a temporary root anybody may run this, as long as the files belong to him.
OWNER = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}
HOSTILE = """{{ lookup('pipe', 'touch %s') }} {%% set x = 1 %%} {# gone? #} $(touch %s) @{node.name} \\ü "'\n"""
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Place
      center_tree:
        root: {root}
      register: result
      ignore_errors: true
    - name: Tell
      ansible.builtin.copy:
        content: "{{{{ result | to_json }}}}"
        dest: {answer}
        mode: "0600"
      check_mode: false
"""


class Centre:
    """A hand-written tree for one node, and the folder that stands for the node's root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self.tree = HostTree(folder / "generated", {"train-1": "10.16.1.1"}, {"pool_train": ["train-1"]})

    def gives(self, path: str, content: str | bytes, **properties: Any) -> None:
        self.tree.gives(path, content, **{**OWNER, **properties})

    def run(self, *options: str) -> dict[str, Any]:
        """Place the tree once and return what the module answered."""
        inventory = self.folder / "generated/hosts/hall-1/inventory.json"
        play, answer = self.folder / "play.yml", self.folder / "answer.json"
        play.write_text(PLAY.format(root=self.root, answer=answer))
        answer.unlink(missing_ok=True)
        done = subprocess.run(
            [BIN / "ansible-playbook", "-c", "local", "-i", inventory, "--diff", *options, play],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg")}
            | {"LC_ALL": "C.UTF-8", "ANSIBLE_HOME": str(self.folder / "ansible")},
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.output = done.stdout + done.stderr
        assert answer.exists(), self.output
        result: dict[str, Any] = json.loads(answer.read_text())
        return result

    def disk(self) -> dict[str, tuple[int, int, bytes]]:
        """Everything below the root: mode, time of change, content."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            state = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path.relative_to(self.root))] = (state.st_mode, state.st_mtime_ns, content)
        return found


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return Centre(tmp_path)


def names(units: list[dict[str, str]]) -> list[str]:
    return [unit["name"] for unit in units]


def changed_paths(result: dict[str, Any]) -> dict[str, str]:
    return {change["path"]: change["action"] for change in result["changes"]}


def test_check_names_exactly_what_placing_does_and_a_second_run_does_nothing(centre: Centre) -> None:
    centre.gives("/etc/chrony/chrony.conf", "server 10.16.0.1\n", units=["chrony.service"])
    centre.gives("/etc/key", b"\x00\xff\x01", mode="0600")
    centre.tree.wants("directories", {"path": "/var/spool/x", "mode": "0750", **OWNER})
    centre.tree.wants("units", {"name": "chrony.service", "class": "restart"})

    foretold = centre.run("--check")
    assert centre.disk() == {}
    done = centre.run()

    assert changed_paths(done) == changed_paths(foretold)
    assert changed_paths(done) == {"/etc/chrony/chrony.conf": "create", "/etc/key": "create", "/var/spool/x": "create"}
    assert done["diff"] == foretold["diff"]
    assert names(foretold["stale"]) == names(done["restart"]) == ["chrony.service"]
    assert foretold["restart"] == []
    after = centre.disk()
    assert after["etc/chrony/chrony.conf"][2] == b"server 10.16.0.1\n"
    assert (after["etc/key"][0] & 0o777, after["var/spool/x"][0] & 0o777) == (0o600, 0o750)

    note_start(centre, "chrony.service")
    before = centre.disk()
    again = centre.run()
    assert (again["changed"], again["changes"], again["restart"]) == (False, [], [])
    assert centre.disk() == before


def test_one_edit_names_one_file_and_its_unit(centre: Centre) -> None:
    for name in ("a", "b"):
        centre.gives(f"/etc/{name}.conf", "one\ntwo\n", units=[f"{name}.service"])
    centre.tree.wants("units", *({"name": f"{name}.service", "class": "restart"} for name in ("a", "b")))
    centre.run()
    for name in ("a", "b"):
        note_start(centre, f"{name}.service")

    centre.gives("/etc/b.conf", "one\nthree\n", units=["b.service"])
    foretold, done = centre.run("--check"), centre.run()

    for result in (foretold, done):
        assert changed_paths(result) == {"/etc/b.conf": "update"}
        assert names(result["stale"]) == ["b.service"]
    assert "-two\n+three\n" in foretold["diff"][0]["prepared"]


def test_a_note_that_changes_without_a_start_of_its_unit_is_named(centre: Centre) -> None:
    centre.gives("/etc/a.conf", "one\n", units=["a.service"])
    centre.tree.wants("units", {"name": "a.service", "class": "restart"})
    centre.run()
    note_start(centre, "a.service")
    note = "/etc/systemd/system/a.service.d/50-center.conf"
    (centre.root / note.lstrip("/")).unlink()
    foretold, done = centre.run("--check"), centre.run()
    for result in (foretold, done):
        assert (changed_paths(result), names(result["stale"])) == ({note: "create"}, [])
    assert centre.run()["changed"] is False


def test_a_unit_is_stale_until_it_was_started_with_the_files_on_disk(centre: Centre) -> None:
    centre.gives("/etc/a.conf", "one\n", units=["a.service"])
    centre.tree.wants("units", {"name": "a.service", "class": "restart"})
    centre.run()
    assert names(centre.run()["restart"]) == ["a.service"], "nobody has started it yet"
    note_start(centre, "a.service")
    assert centre.run()["restart"] == []

    # Somebody edits the file and restarts the unit with it: the repair has to restart it as well.
    (centre.root / "etc/a.conf").write_text("edited\n")
    repaired = centre.run()
    assert changed_paths(repaired) == {"/etc/a.conf": "update"}
    assert names(repaired["restart"]) == ["a.service"]
    # Had that run been killed before the restart, the next one would have to do it.
    assert names(centre.run()["restart"]) == ["a.service"]


@pytest.mark.parametrize(("kind", "where"), [("live", None), ("restart", "restart"), ("drain", "waiting")])
def test_the_class_of_a_unit_decides_what_its_change_means(centre: Centre, kind: str, where: str | None) -> None:
    centre.gives("/etc/a.conf", "one\n", units=["a.service"])
    centre.tree.wants("units", {"name": "a.service", "class": kind})
    result = centre.run()
    found = {name: names(result[name]) for name in ("restart", "waiting")}
    assert found == {name: ["a.service"] if name == where else [] for name in ("restart", "waiting")}


def test_holes_are_filled_where_they_are_declared_and_only_there(centre: Centre) -> None:
    text = "@{node.name} @{node.address} @{node.other}\n"
    centre.gives("/etc/both", text, holes=["name", "address"])
    centre.gives("/etc/one", text, holes=["name"])
    centre.gives("/etc/none", text)
    centre.run()
    assert (centre.root / "etc/both").read_text() == "train-1 10.16.1.1 @{node.other}\n"
    assert (centre.root / "etc/one").read_text() == "train-1 @{node.address} @{node.other}\n"
    assert (centre.root / "etc/none").read_text() == text

    centre.gives("/etc/one", text, holes=["rack"])
    refused = centre.run()
    assert refused["failed"] and '"node.rack"' in refused["msg"] and "/etc/one" in refused["msg"]


def test_text_that_looks_like_a_template_or_a_command_arrives_byte_for_byte(centre: Centre) -> None:
    trap = centre.folder / "trap"
    text = HOSTILE % (trap, trap)
    centre.gives("/etc/hostile", text)
    first = centre.run()
    assert (centre.root / "etc/hostile").read_text() == text
    centre.gives("/etc/hostile", text + "more\n")
    centre.run("-vvv")
    assert (centre.root / "etc/hostile").read_text() == text + "more\n"
    assert not trap.exists()
    assert "lookup('pipe'" in first["diff"][0]["prepared"]


def test_what_was_placed_and_is_not_wanted_any_more_goes_unless_somebody_edited_it(centre: Centre) -> None:
    for name in ("keep", "gone", "edited"):
        centre.gives(f"/etc/{name}", f"{name}\n")
    centre.run()
    (centre.root / "etc/foreign").write_text("not ours\n")
    (centre.root / "etc/edited").write_text("by hand\n")
    centre.tree.takes_back("/etc/gone")
    centre.tree.takes_back("/etc/edited")

    foretold = centre.run("--check")
    assert (centre.root / "etc/gone").exists()
    done = centre.run()

    for result in (foretold, done):
        assert changed_paths(result) == {"/etc/gone": "remove"}
        assert result["kept"] == ["/etc/edited"]
    assert {path.name for path in (centre.root / "etc").iterdir()} == {"keep", "foreign", "edited"}
    assert centre.run()["changed"] is False


def test_an_empty_tree_removes_nothing(centre: Centre) -> None:
    centre.gives("/etc/a", "a\n")
    centre.run()
    centre.tree.takes_back("/etc/a")
    refused = centre.run()
    assert refused["failed"] and "refused to remove all 1 files" in refused["msg"]
    assert (centre.root / "etc/a").exists()


def test_nothing_is_written_through_a_link_that_leads_out_or_that_a_stranger_could_make(centre: Centre) -> None:
    outside = centre.folder / "outside"
    outside.mkdir()
    (centre.root / "etc").mkdir()
    (centre.root / "etc/out").symlink_to(outside)
    centre.gives("/etc/out/file", "x\n")
    assert_refused(centre, "/etc/out", "symbolic link")

    centre.tree.takes_back("/etc/out/file")
    spool = centre.root / "spool"
    spool.mkdir()
    spool.chmod(0o777)
    (spool / "link").symlink_to("elsewhere")
    (spool / "elsewhere").mkdir()
    centre.gives("/spool/link/file", "x\n")
    assert_refused(centre, "/spool/link", "symbolic link")
    assert not list(outside.iterdir()) and not list((spool / "elsewhere").iterdir())


def test_links_of_the_system_are_followed_and_a_link_in_place_of_a_file_is_replaced(centre: Centre) -> None:
    (centre.root / "usr/lib").mkdir(parents=True)
    (centre.root / "lib").symlink_to("usr/lib")
    outside = centre.folder / "outside"
    outside.write_text("safe\n")
    (centre.root / "etc").mkdir()
    (centre.root / "etc/resolv.conf").symlink_to(outside)
    centre.gives("/lib/x.conf", "x\n")
    centre.gives("/etc/resolv.conf", "nameserver 10.0.0.1\n")
    centre.run()
    assert (centre.root / "usr/lib/x.conf").read_text() == "x\n"
    assert (centre.root / "etc/resolv.conf").read_text() == "nameserver 10.0.0.1\n"
    assert not (centre.root / "etc/resolv.conf").is_symlink()
    assert outside.read_text() == "safe\n"
    assert centre.run()["changed"] is False


def test_a_link_is_made_repaired_and_taken_back(centre: Centre) -> None:
    zone, place = "/usr/share/zoneinfo/Asia/Shanghai", centre.root / "etc/localtime"
    (centre.root / "etc").mkdir()
    place.write_text("a file from before\n")
    centre.gives("/etc/kept", "x\n")
    centre.tree.wants("links", {"path": "/etc/localtime", "target": zone})
    foretold, done = centre.run("--check"), centre.run()
    assert changed_paths(foretold) == changed_paths(done)
    assert changed_paths(done)["/etc/localtime"] == "update"
    assert str(place.readlink()) == zone
    assert centre.run()["changed"] is False

    place.unlink()
    place.symlink_to("/etc/elsewhere")
    assert changed_paths(centre.run()) == {"/etc/localtime": "update"}
    assert str(place.readlink()) == zone

    centre.tree.wants("links")
    assert changed_paths(centre.run()) == {"/etc/localtime": "remove"}
    assert not place.is_symlink()


def test_a_folder_in_place_of_a_file_and_a_missing_user_are_named_before_any_write(centre: Centre) -> None:
    (centre.root / "etc/b").mkdir(parents=True)
    centre.gives("/etc/a", "a\n")
    centre.gives("/etc/b", "b\n")
    assert_refused(centre, "/etc/b", "directory")
    centre.tree.takes_back("/etc/b")
    centre.gives("/etc/c", "c\n", owner="nobody-of-that-name")
    assert_refused(centre, "/etc/c", "nobody-of-that-name")
    assert not (centre.root / "etc/a").exists()


@pytest.mark.parametrize("path", ["/etc/../../escape", "etc/x", "//etc/x", "/etc//x", "/"])
def test_paths_that_are_not_plain_are_refused(centre: Centre, path: str) -> None:
    centre.gives("/etc/x", "x\n")
    centre.tree.wants("files", {**OWNER, "path": path, "mode": "0644"})
    assert centre.run()["failed"]
    assert centre.disk() == {}


def test_two_groups_may_not_give_the_same_file(centre: Centre) -> None:
    centre.gives("/etc/x", "x\n")
    centre.tree.gives("/etc/x", "y\n", to="pool_train", **OWNER)
    assert_refused(centre, "/etc/x", "two groups")


def test_files_not_everybody_may_read_are_named_but_not_shown(centre: Centre) -> None:
    centre.gives("/etc/secret", "hunter2\n", mode="0640")
    centre.run()
    centre.gives("/etc/secret", "hunter3\n", mode="0640")
    result = centre.run()
    assert changed_paths(result) == {"/etc/secret": "update"}
    assert "hunter" not in json.dumps(result)


def test_contents_do_not_travel_back_to_the_controller(centre: Centre) -> None:
    centre.gives("/etc/key", b"\x00\xff\x01", mode="0600")
    centre.run("-vvvv")
    assert "/etc/key" in centre.output
    assert "AP8B" not in centre.output


def test_a_full_disk_is_named_and_leaves_the_old_file_whole(centre: Centre) -> None:
    if os.geteuid() != 0:
        pytest.fail("this test mounts a small file system and needs root")
    centre.gives("/etc/x", "small\n")
    (centre.root / "etc").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", centre.root / "etc"], check=True)
    try:
        centre.run()
        centre.gives("/etc/x", "x" * 200_000)
        assert_refused(centre, "/etc/x", os.strerror(errno.ENOSPC))
        assert (centre.root / "etc/x").read_text() == "small\n"
        assert [path.name for path in (centre.root / "etc").iterdir()] == ["x"]
        subprocess.run(["mount", "-o", "remount,ro", centre.root / "etc"], check=True)
        centre.gives("/etc/x", "other\n")
        assert_refused(centre, "/etc/x", os.strerror(errno.EROFS))
    finally:
        subprocess.run(["umount", centre.root / "etc"], check=True)


def test_a_killed_run_leaves_no_trace_that_the_next_does_not_clear(centre: Centre) -> None:
    centre.gives("/etc/x", "x\n")
    (centre.root / "etc").mkdir()
    (centre.root / "etc/.x.center-new").write_text("half")
    centre.run()
    assert [path.name for path in (centre.root / "etc").iterdir()] == ["x"]


def test_missing_packages_come_before_the_files_that_need_them(centre: Centre) -> None:
    centre.tree.wants("packages", "chrony", "absent")
    database = centre.root / "var/lib/dpkg"
    database.mkdir(parents=True)
    (database / "status").write_text(
        "Package: chrony\nStatus: install ok installed\nVersion: 4.3-2\nArchitecture: amd64\n"
        "Maintainer: nobody\nDescription: x\n\n"
    )
    (database / "available").touch()
    centre.gives("/etc/apt/sources.list", "deb x\n", before_packages=True)
    centre.gives("/etc/slurm/slurm.conf", "x\n", owner="slurm-of-a-package")

    foretold = centre.run("--check")
    assert set(changed_paths(foretold)) == {"/etc/apt/sources.list", "/etc/slurm/slurm.conf"}
    done = centre.run()
    assert (done["complete"], done["packages"], done["package_manager"]) == (False, ["absent"], "apt")
    assert changed_paths(done) == {"/etc/apt/sources.list": "create"}
    assert not (centre.root / "etc/slurm").exists()

    centre.tree.wants("packages", "chrony=4.3-2")
    assert centre.run()["msg"].startswith("/etc/slurm/slurm.conf: no user")
    centre.gives("/etc/slurm/slurm.conf", "x\n")
    assert centre.run()["complete"] is True
    assert (centre.root / "etc/slurm/slurm.conf").exists()


def assert_refused(centre: Centre, *words: str) -> None:
    result = centre.run()
    assert result["failed"] is True
    for word in words:
        assert word in result["msg"]


def note_start(centre: Centre, unit: str) -> None:
    """Do what systemd does when it starts the unit: run the command of the drop-in, below the root of the test."""
    drop_in = (centre.root / f"etc/systemd/system/{unit}.d/50-center.conf").read_text()
    command = drop_in.split("ExecStartPre=+/bin/sh -c '", 1)[1].split("'", 1)[0]
    subprocess.run(["sh", "-c", command.replace("/run/", f"{centre.root}/run/")], check=True)
