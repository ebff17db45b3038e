"""The tree on a real disk: compared, replaced, pruned, never left; with real kills and a really full disk."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.diff import compare_tree
from generator.tree import WriteError
from generator.write import File, WriteReport, write_tree

FILES: list[File] = [
    ("hosts/a/nodes.json", b"{}\n", ("halls.a",)),
    ("hosts/a/inventory.json", b"[]\n", ("halls.a", "pools.x")),
    ("summary.md", b"# Centre\n", ("metadata",)),
]


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def marks(root: Path) -> dict[str, tuple[int, int]]:
    """What changes when a file is written again, even with the same bytes."""
    return {str(p.relative_to(root)): (p.stat().st_ino, p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}


def test_first_render_writes_all_and_an_index(tmp_path: Path) -> None:
    report = write_tree(tmp_path / "deep" / "generated", FILES)
    assert set(report.created) == {path for path, _, _ in FILES}
    root = tmp_path / "deep" / "generated"
    index = json.loads((root / "index.json").read_bytes())
    assert index == {
        "version": 1,
        "files": {
            path: {"sha256": hashlib.sha256(content).hexdigest(), "because": list(because)}
            for path, content, because in FILES
        },
    }
    assert contents(root) == {path: content for path, content, _ in FILES} | {
        "index.json": (root / "index.json").read_bytes()
    }
    assert len((root / "index.json").read_text().splitlines()) == len(FILES) + 5  # a file a line


def test_second_render_writes_nothing(tmp_path: Path) -> None:
    write_tree(tmp_path, FILES)
    before = marks(tmp_path)
    assert write_tree(tmp_path, reversed(FILES)) == WriteReport(unchanged=len(FILES))
    assert marks(tmp_path) == before


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    write_tree(tmp_path, FILES)
    before = marks(tmp_path)
    report = write_tree(tmp_path, [*FILES[:2], ("summary.md", b"# New\n", ("metadata",))])
    assert report == WriteReport(changed=("summary.md",), unchanged=2)
    after = marks(tmp_path)
    assert {path for path in before if before[path] != after[path]} == {"summary.md", "index.json"}


def test_orphans_go_with_their_empty_folders_unless_edited(tmp_path: Path) -> None:
    extra: list[File] = [("old/deep/a.txt", b"a", ()), ("old/b.txt", b"b", ()), ("gone/c/d.txt", b"d", ())]
    write_tree(tmp_path, [*FILES, *extra])
    (tmp_path / "old/b.txt").write_bytes(b"edited by the user")
    (tmp_path / "gone/notes.txt").write_bytes(b"of the user")
    report = write_tree(tmp_path, FILES)
    assert report.removed == ("gone/c/d.txt", "old/deep/a.txt")
    assert report.kept == ("old/b.txt",)
    assert not (tmp_path / "old/deep").exists()
    assert not (tmp_path / "gone/c").exists()
    assert (tmp_path / "old/b.txt").read_bytes() == b"edited by the user"
    assert (tmp_path / "gone/notes.txt").read_bytes() == b"of the user"
    assert compare_tree(tmp_path, FILES).extra == ("gone/notes.txt", "old/b.txt")
    assert write_tree(tmp_path, FILES) == WriteReport(unchanged=len(FILES))


def test_an_empty_or_broken_render_deletes_nothing(tmp_path: Path) -> None:
    write_tree(tmp_path, FILES)
    before = marks(tmp_path)
    assert write_tree(tmp_path, []) == WriteReport()

    def broken() -> Iterator[File]:
        yield FILES[0]
        raise RuntimeError("a template failed")

    with pytest.raises(RuntimeError):
        write_tree(tmp_path, broken())
    assert marks(tmp_path) == before


def test_files_of_a_broken_render_stay_known(tmp_path: Path) -> None:
    def broken() -> Iterator[File]:
        yield ("half/way.txt", b"x", ())
        raise RuntimeError("a template failed")

    with pytest.raises(RuntimeError):
        write_tree(tmp_path, broken())
    assert write_tree(tmp_path, FILES).removed == ("half/way.txt",)
    assert not (tmp_path / "half").exists()


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "a/", "./a", "a/..", "a\\b", "a\nb", "a b", "C:x"),
        *("a\x00b", "é", "a*", "a?b", "~", "$HOME", "x" * 256, "/".join(["x" * 100] * 11)),
        *("CON", "a/nul.txt", "com1", "a.", "index.json", "Index.json", "INDEX.JSON/x", "index.json/x"),
        *(".center-new", "a/.center-new", ".center-journal"),
    ],
)  # fmt: skip
def test_names_that_leave_the_tree_or_collide_somewhere_are_refused(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    for compare_or_write in (compare_tree, write_tree):
        with pytest.raises(WriteError):
            compare_or_write(root, [(path, b"x", ())])
        root.mkdir(exist_ok=True)
    assert [p.name for p in tmp_path.rglob("*")] == ["root"]


@pytest.mark.parametrize(
    "paths", [("a", "a"), ("a", "A"), ("d/x", "D/y"), ("a", "a/b"), ("a/b", "a"), ("p/Q/r", "p/q"), ("x/y/z", "x/Y/z")]
)
def test_names_that_collide_are_refused(tmp_path: Path, paths: tuple[str, str]) -> None:
    with pytest.raises(WriteError, match="collides"):
        write_tree(tmp_path, [(path, b"x", ()) for path in paths])


def test_usual_names_are_fine(tmp_path: Path) -> None:
    paths = [
        "a",
        "hosts/groups/all/files/etc/systemd/system/getty@.service.d/50-x.conf",
        ".x",
        "a-b_c+d.e",
        "ab/c",
        "abc",
    ]
    assert len(write_tree(tmp_path, [(path, b"", ()) for path in paths]).created) == len(paths)


@pytest.mark.parametrize("place", ["file", "folder", "parent", "root", "index", "journal"])
def test_symbolic_links_are_never_followed(tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / "hosts" / "a").mkdir(parents=True)
    victim = outside / "nodes.json"
    victim.write_bytes(b"of someone else")
    (outside / "a").mkdir()
    if place == "file":
        (root / "hosts/a/nodes.json").symlink_to(victim)
    elif place == "folder":
        (root / "hosts/a").rmdir()
        (root / "hosts/a").symlink_to(outside)
    elif place == "parent":
        (root / "hosts/a").rmdir()
        (root / "hosts").rmdir()
        (root / "hosts").symlink_to(outside)
    elif place == "root":
        (root / "hosts/a").rmdir()
        (root / "hosts").rmdir()
        root.rmdir()
        root.symlink_to(outside)
    elif place == "index":
        (root / "index.json").symlink_to(victim)
    else:
        (root / ".center-journal").symlink_to(victim)
    before = contents(outside)
    with pytest.raises(WriteError):
        write_tree(root, FILES)
    assert contents(outside) == before
    assert [path.name for path in outside.iterdir() if path.is_dir()] == ["a"]


def test_an_orphan_behind_a_link_is_not_removed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write_tree(root, [*FILES, ("old/x.txt", b"x", ())])
    outside.mkdir()
    (outside / "x.txt").write_bytes(b"x")
    (root / "old/x.txt").unlink()
    (root / "old").rmdir()
    (root / "old").symlink_to(outside)
    with pytest.raises(WriteError):
        write_tree(root, FILES)
    assert (outside / "x.txt").exists()


def test_an_index_cannot_point_outside(tmp_path: Path) -> None:
    root, victim = tmp_path / "root", tmp_path / "victim"
    victim.write_bytes(b"x")
    write_tree(root, FILES)
    digest = hashlib.sha256(b"x").hexdigest()
    files = {path: {"sha256": digest, "because": []} for path in ("../victim", str(victim), "a/../../victim")}
    (root / "index.json").write_text(json.dumps({"version": 1, "files": files}))
    (root / ".center-journal").write_text("".join(f"\n{digest} {path}" for path in files) + "\ngarbage\n\x00 \x00")
    assert write_tree(root, FILES).removed == ()
    assert victim.exists()


@pytest.mark.parametrize(
    "index",
    ["", "[]", "{", '{"files": 1}', '{"version": 2, "files": {}}', '{"version":1,"files":{"a":1}}', "[" * 100_000],
)
def test_a_damaged_index_is_said(tmp_path: Path, index: str) -> None:
    (tmp_path / "index.json").write_text(index)
    if index == "":  # an empty file says nothing wrong
        assert write_tree(tmp_path, FILES).created
        return
    with pytest.raises(WriteError, match="damaged"):
        write_tree(tmp_path, FILES)
    assert contents(tmp_path) == {"index.json": index.encode()}


@pytest.mark.parametrize("kind", ["pipe", "folder", "file where a folder belongs"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / "summary.md")
    elif kind == "folder":
        (tmp_path / "summary.md").mkdir()
    else:
        (tmp_path / "hosts").write_bytes(b"of the user")
    with pytest.raises(WriteError, match="in the way"):
        write_tree(tmp_path, FILES)


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    def slow() -> Iterator[File]:
        yield FILES[0]
        with pytest.raises(WriteError, match="another run"):
            write_tree(tmp_path, FILES)
        yield from FILES[1:]

    write_tree(tmp_path, slow())
    assert not compare_tree(tmp_path, FILES)


V1: list[File] = [("a/x", b"1", ("v",)), ("a/y", b"1", ()), ("old/deep/z", b"1", ()), ("same", b"1", ())]
V2: list[File] = [("a/x", b"2", ("v",)), ("new/deep/w", b"2", ()), ("new/v", b"2", ()), ("same", b"1", ())]
V3: list[File] = [("a/y", b"3", ("v",)), ("same", b"1", ())]


def write_and_die(root: Path, files: list[File], steps: int) -> bool:
    """Whether a process that writes the tree was killed before its n-th call of the operating system."""
    child = os.fork()
    if child == 0:

        def count(event: str, _: object) -> None:
            nonlocal steps
            if event == "open" or (event.startswith("os.") and event != "os.kill"):
                steps -= 1
                if steps < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            write_tree(root, files)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return bool(status)


def test_killed_anywhere_and_run_again_equals_once(tmp_path: Path) -> None:
    """Killed at every single step; the next render may be the same one or already another."""
    for number, files in enumerate((V1, V2, V3)):
        write_tree(tmp_path / f"v{number}", files)
    folders = {
        number: {str(p.relative_to(tmp_path)) for p in (tmp_path / f"v{number}").rglob("*")} for number in range(3)
    }
    steps = 0
    alive = False
    while not alive:
        for then, files in ((1, V2), (2, V3)):
            root = tmp_path / f"{steps}-{then}"
            write_tree(root, V1)
            alive = not write_and_die(root, V2, steps)
            write_tree(root, files)
            assert contents(root) == contents(tmp_path / f"v{then}"), steps
            found = {str(p.relative_to(root)) for p in root.rglob("*")}
            assert {f"v{then}/{path}" for path in found} == folders[then], steps
        steps += 1
    assert steps > 40


FULL_DISK = """
mount -t tmpfs -o size=256k,mode=0755 none "$1" && cp "$2/"* "$1" && exec "$3" -c '
import sys
from pathlib import Path
from generator.problems import Refused
from generator.write import write_tree
root = Path(sys.argv[1])
write_tree(root, [("a.txt", b"old", ()), ("b.txt", b"old", ())])
try:
    write_tree(root, [("a.txt", b"new", ()), ("b.txt", b"x" * 1_000_000, ())])
except Refused as error:
    print(error)
print(sorted(path.name for path in root.iterdir()), (root / "b.txt").read_bytes())
print(write_tree(root, [("a.txt", b"new", ()), ("b.txt", b"new", ())]).changed)
' "$1"
"""


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "user.txt").write_text("x")
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", FULL_DISK, "sh"]
    arguments = [str(tmp_path / "disk"), str(tmp_path / "empty"), sys.executable]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        '"b.txt": No space left on device',
        "['.center-journal', 'a.txt', 'b.txt', 'index.json', 'user.txt'] b'old'",
        "('b.txt',)",
    ]


def test_memory_stays_flat(tmp_path: Path) -> None:
    """A hundred blocks of 1 MB each pass through less than 60 MB."""
    program = """
import sys
from pathlib import Path
from generator.write import write_tree
write_tree(Path(sys.argv[1]), ((f"b{i}", bytes([i]) * 1_000_000, ()) for i in range(100)))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60 * 1024


def test_compare_says_what_a_render_would_do(tmp_path: Path) -> None:
    write_tree(tmp_path, FILES)
    assert not compare_tree(tmp_path, FILES)
    before = marks(tmp_path)
    (tmp_path / "hosts/a/nodes.json").unlink()
    (tmp_path / "summary.md").write_text("# Centre\nedited \x1b[31m\u202e\n")
    (tmp_path / "link").symlink_to("/etc")
    del before["hosts/a/nodes.json"]
    diff = compare_tree(tmp_path, FILES)
    assert (diff.missing, diff.changed, diff.extra) == (("hosts/a/nodes.json",), ("summary.md",), ("link",))
    assert diff.text == (
        "--- disk/summary.md\n+++ rendered/summary.md\n@@ -1,3 +1,2 @@\n # Centre\n-edited \\x1b[31m\\u202e\n \n"
    )
    assert marks(tmp_path).keys() == before.keys()


def test_compare_with_nothing_there(tmp_path: Path) -> None:
    diff = compare_tree(tmp_path / "no", FILES)
    assert diff.missing == (*(path for path, _, _ in FILES), "index.json")
    assert not (tmp_path / "no").exists()


def test_a_long_difference_is_cut(tmp_path: Path) -> None:
    old = "".join(f"{number}\n" for number in range(3_000)).encode()
    new = "".join(f"{number} new\n" for number in range(3_000)).encode()
    write_tree(tmp_path, [("a", old, ()), ("b", b"x" * 2_000_000, ())])
    diff = compare_tree(tmp_path, [("a", new, ()), ("b", b"y" * 2_000_000, ())])
    assert diff.changed == ("a", "b", "index.json")
    assert len(diff.text.splitlines()) == 2_001
    assert diff.text.endswith("... and more\n")


def test_a_change_of_cause_alone_is_a_difference(tmp_path: Path) -> None:
    write_tree(tmp_path, FILES)
    moved = [(path, content, ("elsewhere",)) for path, content, _ in FILES]
    assert compare_tree(tmp_path, moved).changed == ("index.json",)
    assert write_tree(tmp_path, moved) == WriteReport(unchanged=len(FILES))
    assert not compare_tree(tmp_path, moved)
