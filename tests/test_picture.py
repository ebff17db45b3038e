"""The picture of the cooling: proper XML that names nothing outside itself, everything of the model, true numbers.

The numbers of the two-vendor sample were worked out with a calculator from the spec and the data sheets' values; the
readers are an XML parser and the eyes of whoever reviews the golden pictures.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.golden import PICTURES, picture
from tests.lessons import ROOT

SVG = "{http://www.w3.org/2000/svg}"
SAMPLES = {name: ROOT / "inventories" / name for name in ("starter", "duo", "chaohu-mingyue", "alps")}
PLANTS = {**SAMPLES, **{name: file.parent for name, file in PICTURES.items()}}
RED = "#c81e1e"
# What a picture is made of; nothing among it can run, load or lead anywhere.
ELEMENTS = {"svg", "title", "defs", "pattern", "rect", "g", "text", "polyline", "polygon", "circle"}
ATTRIBUTES = {
    *("width", "height", "viewBox", "role", "font-family", "id", "patternUnits", "patternTransform", "fill", "stroke"),
    *("stroke-width", "stroke-dasharray", "x", "y", "rx", "cx", "cy", "r", "points", "font-size", "font-weight"),
    "text-anchor",
}


def drawn(folder: Path) -> ElementTree.Element:
    return ElementTree.fromstring(picture(folder))


@pytest.fixture(scope="module")
def pictures() -> dict[str, ElementTree.Element]:
    return {name: drawn(folder) for name, folder in PLANTS.items()}


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter() if element.text and element.text.strip()]


each_plant = pytest.mark.parametrize("plant", PLANTS)


@each_plant
def test_a_picture_is_proper_and_names_nothing_outside(plant: str, pictures: dict[str, ElementTree.Element]) -> None:
    for element in pictures[plant].iter():
        assert element.tag.removeprefix(SVG) in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES
        for value in element.attrib.values():
            assert "url(" not in value or value == "url(#lost)"
            assert ":" not in value


@each_plant
def test_a_picture_fits_its_page(plant: str, pictures: dict[str, ElementTree.Element]) -> None:
    root = pictures[plant]
    wide, high = int(root.attrib["width"]), int(root.attrib["height"])
    assert root.attrib["viewBox"] == f"0 0 {wide} {high}" and wide <= 1200
    for x, y in places(root):
        assert 0 <= x <= wide and 0 <= y <= high


def em(letter: str) -> float:
    """Width of a letter in Helvetica, about; of Chinese in any font."""
    return 1.0 if ord(letter) > 0x2E80 else {"m": 0.83, "w": 0.72, "%": 0.89, " ": 0.28}.get(letter, 0.48)


def places(root: ElementTree.Element) -> Iterator[tuple[float, float]]:
    """Corners of everything that is drawn; of texts both ends, with letters of a common width."""
    for element in root.iter():
        at = element.attrib
        if element.tag == f"{SVG}rect" and "x" in at:
            yield float(at["x"]), float(at["y"])
            yield float(at["x"]) + float(at["width"]), float(at["y"]) + float(at["height"])
        elif "points" in at:
            yield from ((float(x), float(y)) for x, y in (pair.split(",") for pair in at["points"].split()))
        elif element.tag == f"{SVG}text":
            x, y, size = float(at["x"]), float(at["y"]), float(at["font-size"])
            wide = size * sum(em(letter) for letter in element.text or "")
            wide *= 1.05 if at.get("font-weight") == "bold" else 1
            left = {"end": x - wide, "middle": x - wide / 2}.get(at.get("text-anchor", ""), x)
            yield from ((left, y - size), (left + wide, y))


@each_plant
def test_texts_do_not_lie_on_each_other(plant: str, pictures: dict[str, ElementTree.Element]) -> None:
    lines: dict[float, list[tuple[float, float, str]]] = {}
    for element in pictures[plant].iter(f"{SVG}text"):
        root = ElementTree.Element("g")
        root.append(element)
        (left, _), (right, _) = places(root)
        lines.setdefault(float(element.attrib["y"]), []).append((left, right, element.text or ""))
    for line in lines.values():
        line.sort()
        for (_, end, before), (begin, _, after) in itertools.pairwise(line):
            assert end <= begin, (before, after)


@each_plant
def test_everything_of_the_plant_is_there(plant: str, pictures: dict[str, ElementTree.Element]) -> None:
    """Names are those that the spec says; it is read as text here, not by the program."""
    folder = PLANTS[plant]
    spec = "\n".join(file.read_text("utf-8") for file in sorted(folder.glob("*.yaml")))
    said = texts(pictures[plant])
    loops = re.findall(r"^    ([a-z0-9-]+):(?:\s*#.*)?(?:\n      | \{)kind: (?:cold|two|single)", spec, re.M)
    assert loops and set(loops) <= set(said)
    units = re.findall(r"((?:cdu|crah|cooler)-[a-z0-9-]*[0-9](?:\.\.[0-9]+)?):", spec)
    assert units and set(units) <= set(said)
    wet = re.findall(r"^      ([a-z0-9-]+):(?: \{|\s+)type: [a-z0-9-]+,?\s+loop:", spec, re.M)
    ranges = re.findall(
        r"([a-z]+[0-9]+(?:\.\.[0-9]+)?): ([a-z0-9-]+)", " ".join(re.findall(r"racks: \{([^}]*)\}", spec))
    )
    spans = [covered(span) for span, kind in ranges if kind in wet]
    shown = {rack for text in said if re.fullmatch(r"[a-z]+[0-9]+(\.\.[0-9]+)?", text) for rack in covered(text)}
    assert spans and set().union(*spans) <= shown


def covered(span: str) -> set[str]:
    stem, first, last = re.fullmatch(r"([a-z]+)([0-9]+)(?:\.\.([0-9]+))?", span).groups()  # type: ignore[union-attr]
    return {f"{stem}{number}" for number in range(int(first), int(last or first) + 1)}


@each_plant
def test_red_is_what_validation_refuses(plant: str, pictures: dict[str, ElementTree.Element]) -> None:
    red = [element.text or "" for element in pictures[plant].iter() if element.attrib.get("fill") == RED]
    told = [text for text in red if text and "red" not in text]
    assert bool(told) == (plant == "refused")
    if plant != "refused":
        return
    done = subprocess.run(
        [sys.executable, "-m", "generator", "validate", str(PLANTS[plant])], capture_output=True, text=True, check=False
    )
    refused = re.findall(r"error\[cooling\.[a-z-]+\]: (.*)", done.stdout)
    assert len(refused) > 10 and set(refused) <= {text.removeprefix("✕ ") for text in told}
    # 150 kW with one unit of two lost, against 8 racks x 4 x (3500 W + 8 x 700 W) x 75 % liquid
    assert {"✕ -68.4 kW", 'heat 218.4 of 150.0 kW with unit "cdu-1" lost', "✕ -0.1 K", "✕ -8.0 K"} <= set(told)


# Worked out by hand: heat of plate-1 is 2 racks x 2 x (3500 W + 8 x 700 W) x 75 % x 90 %, of the tank 4 x (3800 W +
# 8 x 400 W) x 90 %; pg25 carries a kW at 10 K with 60,000 / (1022.5 x 3.92 x 10) = 1.4969 L/min.
DUO = [
    "dry bulb 36 °C", "wet bulb 28.5 °C", "wet bulb + 3.5 K: 32.0 °C", "2 x generic-cooling-tower",
    "100.0 kW each, cooling-tower", "supply 32 °C, return 40 °C", "49.8 kW of heat at once", "90 L/min of plain water",
    'heat 49.8 of 100.0 kW with a unit of "tower" lost', "50.2 kW spare", "+ 8 K water return", "9.0 K spare",
    "80.0 kW each, 4 K, 120 L/min", "feeds west, east", "37 °C", "47 °C", "a01..02", "2 gpu", "24.6", "36.8",
    'heat 24.6 of 80.0 kW with unit "cdu-1" lost', "55.4 kW spare", "+ 4 K approach of units", "36.0 °C", "1.0 K spare",
    'flow 36.8 of 120.0 L/min with unit "cdu-1" lost', "83.2 L/min spare", "dew point + 2 K, east-hall", "13.3 °C",
    "23.7 K spare", "generic-8-gpu bears", "8.0 K spare", "25.2", "28.0 of 60.0", "60.0 kW each, approach unknown",
    "49 °C", "vapour", "heat 25.2 of 60.0 kW", "34.8 kW spare", "water 10 K below boiling", "39.0 °C", "7.0 K spare",
    "whatever the weather", "cooler-1..2", 'heat 19.0 of 40.0 kW with "cooler-1" lost', "21.0 kW spare", "6.0 K spare",
    "two-phase-immersion, generic-fluid-49c, redundancy N; protection within seconds: tank-controller",
]  # fmt: skip


def test_numbers_are_those_worked_out_by_hand(pictures: dict[str, ElementTree.Element]) -> None:
    assert set(DUO) - set(texts(pictures["duo"])) == set()


@pytest.mark.parametrize(
    ("old", "new", "gone", "come"),
    [
        ("wet-bulb: 28.5 °C", "wet-bulb: 27.5 °C", "wet bulb 28.5 °C", "wet bulb 27.5 °C"),
        ("simultaneity: 90 %", "simultaneity: 100 %", "24.6", "27.3"),
        ("      supply: 32 °C", "      supply: 33 °C", "9.0 K spare", "33 °C"),
        ("return: 40 °C", "return: 41 °C", "+ 8 K water return", "+ 9 K water return"),
        ("count: 2, ratings: {capacity: 100", "count: 3, ratings: {capacity: 100", "50.2 kW spare", "150.2 kW spare"),
        ("supply: 37 °C", "supply: 38 °C", "37 °C", "48 °C"),
        ("rise: 10 K", "rise: 8 K", "36.8", "46.0"),
        ("capacity: 80 kW, approach: 4 K", "capacity: 90 kW, approach: 3 K", "55.4 kW spare", "65.4 kW spare"),
        ("flow: 120 L/min", "flow: 100 L/min", "83.2 L/min spare", "63.2 L/min spare"),
        ("[cdu-interlock, bmc]", "[cdu-interlock]", None, None),
        ("coolant: generic-fluid-49c", "coolant: novec-649", "9.0 K spare", "49.05 °C"),
        ("humidity: 45 %", "humidity: 50 %", "13.3 °C", "14.9 °C"),
        ("holds: {train-h: 2}", "holds: {train-h: 1}", "24.6", "12.3"),
        ("capacity: 60 kW, power: 0.3", "capacity: 61 kW, power: 0.3", "28.0 of 60.0", "28.0 of 61.0"),
    ],
)  # fmt: skip
def test_numbers_follow_the_spec(old: str, new: str, gone: str | None, come: str | None, tmp_path: Path) -> None:
    before, after = texts(drawn(SAMPLES["duo"])), texts(drawn(edited(tmp_path, old, new)))
    assert before != after
    if come:
        assert gone in before and come in after and come not in before


@pytest.mark.parametrize(
    "title",
    [
        "</text><script>alert(1)</script>",
        "]]> <!-- & &amp; &#60; \" ' -->",
        "<svg onload='x'>",
        "x" * 300,
        "机房" * 150,
    ],
)
def test_a_title_is_text(title: str, tmp_path: Path) -> None:
    quoted = title.replace("'", "''")
    root = drawn(edited(tmp_path, "title: 双芯示范中心 (two-vendor sample centre)", f"title: '{quoted}'"))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ELEMENTS
    whole, shown = texts(root)[0], next(text for text in texts(root)[1:] if text.startswith("Cooling of "))
    assert whole == f"Cooling of {title}"
    assert shown == whole or (shown.endswith("…") and whole.startswith(shown[:-1])) or title in texts(root)


LONG = ("fws-1", "fws-2", "plate-1", "tank-1", "tower", "east-hall", "cdu-1..2", "cooler-1..2", "gpu", "west")


def test_long_names_have_room(tmp_path: Path) -> None:
    text = (SAMPLES["duo"] / "center.yaml").read_text("utf-8")
    for name in LONG:
        stem, dots, last = name.partition("..")
        longest = f"{'w' * (39 - len(stem))}-{stem}{dots}{last}"
        text = re.sub(rf"(?<![a-z0-9-]){re.escape(name)}(?![a-z0-9-])", longest, text)
    root = drawn(written(tmp_path, text))
    assert any("w" * 30 in part for part in texts(root))
    test_a_picture_fits_its_page("long", {"long": root})
    test_texts_do_not_lie_on_each_other("long", {"long": root})


def edited(folder: Path, old: str, new: str) -> Path:
    text = (SAMPLES["duo"] / "center.yaml").read_text("utf-8")
    assert text.count(old) == 1, old
    return written(folder, text.replace(old, new))


def written(folder: Path, text: str) -> Path:
    (folder / "center.yaml").write_text(text, "utf-8")
    (folder / "ssh_ca.pub").write_bytes((SAMPLES["duo"] / "ssh_ca.pub").read_bytes())
    return folder
