"""The house: data walks through it in one direction, so imports never point back. Nothing is imported to find out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {
    "ansible",
    "ansible_runner",
    "kubernetes",
    "pymodbus",
    "httpx",
    "prometheus_client",
    "urllib3",
    "requests",
    "cryptography",
    "cooling_exporter",
}

# A room, and the rooms that it may import besides itself; what is not named here may not be imported.
ROOMS: dict[str, str] = {
    "__init__": "",
    "__main__": "cli",
    "problems": "",
    "beside": "problems",
    "source": "beside problems",
    "quantity": "",
    "physics": "",
    "resources": "",
    "text": "",
    "markup": "syntax",
    "artifact": "markup",
    "emit": "",
    "spec.*": "source quantity problems",
    "catalog.*": "source quantity problems spec.*",
    "services": "source problems spec.* resources",
    "assets": "problems",
    "known_hosts": "problems",
    "plant": "spec.* catalog.* physics quantity problems",
    "nodes": "spec.* catalog.* plant quantity problems",
    "model": "spec.* catalog.* assets known_hosts plant nodes quantity services problems text",
    "energy": "model plant",
    "vapour": "model nodes plant physics",
    "devices": "model nodes spec.* catalog.* problems",
    "expand.*": "physics spec.* catalog.* assets known_hosts plant nodes services model source beside problems",
    "limits": "catalog.* energy physics model plant",
    "rules.*": "devices known_hosts model nodes plant physics energy vapour limits assets spec.* catalog.* quantity"
    " problems",
    "heatway.*": "model nodes plant physics rules rules.cooling rules.water rules.survival problems",
    "drawing.*": "heatway.* nodes plant markup text",
    "outputs.*": "heatway.* drawing.* devices known_hosts model nodes plant energy vapour limits spec.* catalog.*"
    " services quantity problems artifact emit",
    "validate": "source spec.* catalog.* expand.* model rules.* problems",
    "skeleton": "",
    "syntax": "",
    "render": "artifact emit markup skeleton syntax resources problems",
    "tree": "emit problems",
    "write": "tree",
    "diff": "tree write",
    "report": "source problems text folders explain",
    "folders": "resources problems",
    "explain": "resources folders text",
    "schema": "spec.* quantity",
    "reference": "schema spec.* catalog.* explain",
    "apply": "",
    "apply.files": "",
    "apply.operator": "problems source spec spec.common",
    "apply.secrets": "apply.operator resources text problems",
    "apply.report": "",
    "apply.plan": "apply.files apply.report problems",
    "apply.junit": "apply.plan apply.report problems",
    "apply.request": "apply.plan apply.junit problems",
    "apply.clusters.*": "apply.files apply.operator apply.plan apply.junit apply.request tree problems text",
    "apply.hosts.*": (
        "apply.clusters.* apply.operator apply.secrets apply.report apply.plan known_hosts resources text problems"
    ),
    "apply.world": "apply.* problems",
    "shelf": "catalog.* spec.* problems text",
    "blanks": "catalog.* spec.* quantity services",
    "service_page": "services shelf problems text",
    "workbench": "console shelf service_page blanks catalog.* folders explain resources rules.* source problems",
    "console": "report source validate problems text",
    "steps": "console folders validate diff write model outputs render problems",
    "world_verbs": "console steps source problems apply.*",
    "fetch_verbs": "console steps source problems world_verbs apply.*",
    "host_verbs": "known_hosts console steps world_verbs apply.* problems",
    "enforce_verbs": "console steps world_verbs source model apply.* problems",
    "rehearsal.*": "apply.* model nodes problems text",
    "show_verbs.*": "console world_verbs folders validate heatway.* drawing.* markup problems",
    "rehearse_verbs": "console steps world_verbs write model rehearsal.* apply.* problems",
    "cli": "*",
}
# Libraries that change what a room is: only these rooms may know them.
LIBRARIES = {
    "yaml": ("source", "explain", "skeleton", "apply.*", "rehearsal.*"),
    "pydantic": ("quantity", "spec.*", "catalog.*", "services", "schema", "reference", "apply.operator"),
    "jinja2": ("render",),
    "click": ("cli", "console", "*_verbs", "show_verbs.*", "workbench"),
    "ansible_runner": ("apply.*",),
    "kubernetes": ("apply.*",),
    "control_plane": ("rehearsal.*", "rehearse_verbs"),
    "cooling_exporter": ("catalog.points",),
}
PRINTS = ("cli", "console", "*_verbs", "show_verbs.*", "workbench")
ENVIRONMENT = ("cli", "console", "workbench", "folders", "tree", "write", "catalog", "apply.*")

MODULES = {
    ".".join(file.relative_to(ROOT / "generator").with_suffix("").parts): file
    for file in sorted((ROOT / "generator").rglob("*.py"))
    if "_data" not in file.parts
}
each_module = pytest.mark.parametrize("module", MODULES)


def name_of(module: str) -> str:
    """``spec.__init__`` is the room ``spec``."""
    return module.removesuffix(".__init__") if module != "__init__" else module


def fits(module: str, pattern: str) -> bool:
    return fnmatch(name_of(module), pattern) or (pattern.endswith(".*") and name_of(module) == pattern[:-2])


def imports(file: Path, top_level: bool = False) -> Iterator[str]:
    """Every module that a file imports, dotted; `from x import y` gives x.y, so that rooms are told apart."""
    tree = ast.parse(file.read_text("utf-8"))
    nodes = list(ast.walk(tree))
    if top_level:
        inside = {id(n) for f in nodes if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)}
        inside |= {
            id(n)
            for f in nodes
            if isinstance(f, ast.If) and "TYPE_CHECKING" in ast.unparse(f.test)
            for n in ast.walk(f)
        }
        nodes = [node for node in nodes if id(node) not in inside]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(imported: str) -> str | None:
    """The module of ours that an import means, without the package's name."""
    parts = imported.split(".")
    if parts[0] != "generator":
        return None
    for length in range(len(parts), 1, -1):
        for candidate in (".".join(parts[1:length]), ".".join([*parts[1:length], "__init__"])):
            if candidate in MODULES:
                return name_of(candidate)
    return "__init__"


@each_module
def test_every_module_is_in_one_room(module: str) -> None:
    assert len([pattern for pattern in ROOMS if fits(module, pattern)]) == 1


@each_module
def test_imports_point_forward(module: str) -> None:
    [pattern] = [pattern for pattern in ROOMS if fits(module, pattern)]
    allowed = [pattern, *ROOMS[pattern].split()]
    rooms = {room for room in map(room_of, imports(MODULES[module])) if room not in (None, "__init__")}
    assert {room for room in rooms if room and not any(fits(room, known) for known in allowed)} == set()


@each_module
def test_libraries_stay_in_their_rooms(module: str) -> None:
    for imported in imports(MODULES[module]):
        rooms = LIBRARIES.get(imported.split(".")[0])
        assert rooms is None or any(fits(module, room) for room in rooms), imported


@each_module
def test_heavy_libraries_are_imported_when_they_are_needed(module: str) -> None:
    assert {name for name in imports(MODULES[module], top_level=True) if name.split(".")[0] in HEAVY} == set()


@each_module
def test_only_the_command_speaks_and_only_the_disk_reads_the_environment(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    if not any(fits(module, room) for room in PRINTS):
        assert not calls & {"print", "exit", "sys.exit", "click.echo", "input"}
    if not any(fits(module, room) for room in ENVIRONMENT):
        assert not names & {"os.environ", "time.time", "datetime.now", "random.random", "Path.cwd", "Path.home"}


@pytest.mark.parametrize(
    ("package", "limit"),
    [
        ("generator", 400),
        ("cooling_exporter", 400),
        ("control_plane", 400),
        ("simulator", 400),
        ("playbooks", 400),
        ("tests", 500),
        ("bench", 400),
    ],
)
def test_modules_are_short(package: str, limit: int) -> None:
    lengths = {str(file): len(file.read_text("utf-8").splitlines()) for file in (ROOT / package).rglob("*.py")}
    assert {file: length for file, length in lengths.items() if length > limit} == {}


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("cooling_exporter", {"generator", "control_plane", "tests", "bench"}),
        ("control_plane", {"generator", "cooling_exporter", "tests", "bench"}),
        # It may know the names of quantities and nothing of how they are read.
        ("simulator", {"generator", "tests", "bench", "cooling_exporter.modbus", "cooling_exporter.redfish"}),
        ("generator", {"tests", "bench"}),
        ("tests/rig/devices", {"generator", "cooling_exporter"}),
        ("playbooks", {"generator", "cooling_exporter", "tests"}),
    ],
)
def test_programs_do_not_know_each_other(folder: str, forbidden: set[str]) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    assert {name for file in files for name in imports(file) if name.split(".")[0] in forbidden} == set()


def test_only_the_command_knows_how_to_apply() -> None:
    importers = {
        name for name, file in MODULES.items() for found in imports(file) if (room_of(found) or "").startswith("apply")
    }
    assert {name for name in importers if not name.startswith(("apply.", "rehearsal."))} <= {
        "cli",
        "enforce_verbs",
        "world_verbs",
        "host_verbs",
        "fetch_verbs",
        "rehearse_verbs",
    }
