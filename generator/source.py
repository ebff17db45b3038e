"""The only place that knows YAML text: bytes in, plain data and positions out; hostile input stops here.

Numbers are read as JSON reads them and ``true``, ``false`` and ``null`` are the only words with a meaning; everything
else a plain scalar could be mistaken for (``no``, ``010``, ``1e3``, ``22:30``, dates, MAC addresses) is the text that
it looks like. Anchors, tags and several documents are refused: a spec says everything in ranges and includes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from generator import beside
from generator.beside import Unreadable
from generator.problems import Path, Position, Problem, Refused

MAX_BYTES = 2 * 1024 * 1024  # of all files together
MAX_VALUES = 50_000
MAX_DEPTH = 40
MAX_FILES = 200
MAX_FINDINGS = 100
MAX_SCALAR = 20_000
MAX_PUBLIC = 256 * 1024

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
# Private-use characters are the render room's placeholders; the others are invisible or not text at all.
_NO_CHARACTERS = "\ufdd0-\ufdef\ufffe\uffff" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}-{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 15)
)
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff"
    f"\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff{_NO_CHARACTERS}]"
)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Source:
    """What was read: the data, where each key and value stands, and the lines to show beside a finding."""

    data: dict[str, Any] = field(default_factory=dict)
    root: FilePath = field(default_factory=FilePath)
    _keys: dict[Path, Position] = field(default_factory=dict)
    _values: dict[Path, Position] = field(default_factory=dict)
    _texts: dict[Path, str] = field(default_factory=dict)
    _lines: dict[str, list[str]] = field(default_factory=dict)
    _bytes: int = 0
    _count: int = 0

    def locate(self, path: Path, *, at_key: bool = False) -> Position | None:
        """The nearest known position: of the key or the value itself, else of the closest parent."""
        while path:
            first, second = (self._keys, self._values) if at_key else (self._values, self._keys)
            found = first.get(path) or second.get(path)
            if found:
                return found
            path, at_key = path[:-1], True
        return self._values.get(())

    def written(self, path: Path) -> str | None:
        """The scalar as the user wrote it (``1.10``, not 1.1)."""
        return self._texts.get(path)

    def line(self, position: Position) -> str:
        lines = self._lines.get(position.file, [])
        return lines[position.line - 1] if 0 < position.line <= len(lines) else ""

    def hide(self, position: Position) -> None:
        """Forget a line that may hold a secret: reports end in logs that strangers read."""
        lines = self._lines.get(position.file, [])
        if 0 < position.line <= len(lines):
            lines[position.line - 1] = ""

    def hide_secrets(self, problems: Iterable[Problem]) -> None:
        """Forget the lines of findings that may hold a secret."""
        for problem in problems:
            if problem.hidden and problem.position:
                self.hide(problem.position)

    def remember(self, name: str, lines: list[str]) -> None:
        """Keep the lines of another file beside the spec, to show them beside its findings."""
        self._lines[name] = lines

    def texts(self) -> Iterator[tuple[str, list[str]]]:
        """Every file that was read, by name, with its lines."""
        yield from self._lines.items()

    def small_file(self, name: str, most: int) -> bytes:
        """The bytes of a file beside the spec; raises Unreadable with the sentence for the user."""
        return beside.content(self.root, name, most)

    def public_file(self, name: str) -> str:
        """The text of a small file of public keys; raises Unreadable with the sentence for the user."""
        try:
            text = self.small_file(name, MAX_PUBLIC).decode("ascii")
        except UnicodeDecodeError:
            raise Unreadable(f'"{name}" is not a text file of public keys') from None
        if "PRIVATE KEY" in text:
            public = f"{name}.pub"
            hint = f'did you mean "{public}"?' if beside.stays_inside(self.root, public) else None
            raise Unreadable(f'"{name}" is a private key; hosts get only public keys', hint)
        if _FORBIDDEN.search(text.replace("\r\n", "\n")):
            raise Unreadable(f'"{name}" is not a text file of public keys')
        if not text.strip():
            raise Unreadable(f'"{name}" is not a file of public keys')
        return text.strip() + "\n"


def load(file: FilePath, into: Source | None = None) -> Source:
    """Read a spec and the files it includes; raises Refused with every finding that could be made.

    What could be read stays in `into`, so that also those findings can be shown beside their lines.
    """
    source = Source() if into is None else into
    source.root = file.parent
    problems: list[Problem] = []
    _read(source, file, file.name, problems)
    for name, path in _included(source, problems):
        _read(source, file.parent / name, name, problems, because=path)
    if problems:
        raise Refused(problems)
    return source


def loads(text: str | bytes, name: str = "center.yaml", into: Source | None = None) -> Source:
    """Read a spec from text, without includes; for catalogue files, examples and tests. What could be read stays in
    `into`, as with `load`."""
    source = Source() if into is None else into
    problems: list[Problem] = []
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    _parse(source, raw, name, problems)
    if problems:
        raise Refused(problems)
    return source


def _included(source: Source, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    includes = source.data.pop("include", None)
    if includes is None:
        return
    if not isinstance(includes, list) or not all(isinstance(name, str) for name in includes):
        problems.append(_finding(source, "source.include", "needs a list of file names", ("include",)))
        return
    if len(includes) > MAX_FILES:
        problems.append(_finding(source, "source.include", f"includes more than {MAX_FILES} files", ("include",)))
        return
    for index, name in enumerate(includes):
        if str(FilePath(name)) in source._lines:
            problems.append(_finding(source, "source.include", f'"{name}" is read already', ("include", index)))
        else:
            yield name, ("include", index)


def _read(source: Source, file: FilePath, name: str, problems: list[Problem], because: Path = ()) -> None:
    """Read one file into the source; a file that cannot be read is one finding at the line that names it."""

    def refuse(message: str, rule: str = "source.unreadable", hint: str | None = None) -> None:
        position = source.locate(because) if because else Position(name, 1, 1)
        problems.append(Problem(rule, message, because, hint, position=position))

    if not beside.stays_inside(source.root, name):
        hint = beside.meant(source.root, name, but=source._lines)
        return refuse(f'"{name}" is not a plain file below the folder of the spec', hint=hint)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1 - source._bytes)
    except OSError as error:
        return refuse(f'"{name}" cannot be read: {error.strerror or error}')
    source._bytes += len(raw)
    if source._bytes > MAX_BYTES:
        hint = "say ranges instead of single nodes"
        return refuse(f"the spec is larger than {MAX_BYTES // 1024} KiB", "source.size", hint)
    return _parse(source, raw, str(FilePath(name)), problems)


def _parse(source: Source, raw: bytes, name: str, problems: list[Problem]) -> None:
    source._lines[name] = _lines(raw.decode("utf-8-sig", "replace"))
    try:
        text = "\n".join(_lines(raw.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        position = _end_of("\n".join(_lines(error.object[: error.start].decode())), name)
        problems.append(Problem("source.encoding", "is not UTF-8 text", hint="save it as UTF-8", position=position))
        return
    if forbidden := _FORBIDDEN.search(text):
        position = _end_of(text[: forbidden.start()], name)
        problems.append(Problem("source.character", _contains(forbidden), hint="delete it", position=position))
        return
    try:
        _Builder(source, name, problems).build(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:  # of the others, one is about characters, and the rest about writing
        position = _position(source, name, error.problem_mark)
        hint = "tabs may not indent; use spaces" if re.match(" *\t", source.line(position)) else None
        problems.append(Problem("source.syntax", f"is not YAML: {error.problem}", hint=hint, position=position))


def _contains(forbidden: re.Match[str]) -> str:
    return f"contains the character U+{ord(forbidden.group()):04X}, which no name or text may have"


def _lines(text: str) -> list[str]:
    """Lines as YAML counts them; other characters that could end one are refused."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _end_of(text: str, name: str) -> Position:
    """The place behind a text."""
    return Position(name, text.count("\n") + 1, len(text) - text.rfind("\n"))


def _position(source: Source, name: str, mark: Any, length: int = 1) -> Position:
    """Where a mark of the YAML reader is; it ends a last line that has no end, and may stand behind that."""
    lines = source._lines[name]
    if mark.line < len(lines):
        return Position(name, mark.line + 1, mark.column + 1, length)
    return Position(name, len(lines), len(lines[-1]) + 1)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been read yet; one that is said a second time is read to be skipped."""

    value: dict[str, Any] | list[Any]
    path: Path
    skip: bool = False
    key: str | None = None
    key_position: Position | None = None
    seen: set[str] = field(default_factory=set)


class _Builder:
    """Turns YAML events into data without recursion, so that depth is a finding and never a crash."""

    def __init__(self, source: Source, name: str, problems: list[Problem]) -> None:
        self.source, self.name, self.problems = source, name, problems
        self.open: list[_Open] = []

    def build(self, events: Iterator[Any]) -> None:
        documents = 0
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    return self._report("source.documents", "a second document begins", event, "use one document")
            elif kind == "AliasEvent":
                return self._report("source.alias", "aliases are not read", event, "write the value out")
            elif kind in ("ScalarEvent", "MappingStartEvent", "SequenceStartEvent"):
                if event.anchor is not None:
                    return self._report("source.alias", "anchors are not read", event, "write the value out")
                if event.tag is not None and event.tag != "!":
                    return self._report("source.tag", "tags are not read", event, "remove the tag")
                if kind == "ScalarEvent" and (forbidden := _FORBIDDEN.search(event.value)):  # written as an escape
                    return self._report("source.character", _contains(forbidden), event, "delete it")
                if not self._accept(event, kind) or len(self.problems) >= MAX_FINDINGS:
                    return None
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                self.open.pop()
        if documents == 0:
            position = Position(self.name, 1, 1)
            self.problems.append(Problem("source.empty", f'"{self.name}" says nothing', position=position))
        return None

    def _accept(self, event: Any, kind: str) -> bool:
        """Place one scalar or the start of a collection; False ends the reading of this file."""
        parent = self.open[-1] if self.open else None
        if parent is None:
            if kind != "MappingStartEvent":
                self._report("source.form", "must be a mapping of subjects", event, 'begin with "apiVersion:"')
                return False
            # The first file's position stands for the whole spec.
            self.source._values.setdefault((), self._position(event))
            self.open.append(_Open(self.source.data, ()))
            return True
        if isinstance(parent.value, dict) and parent.key is None:
            return self._key(event, kind, parent)
        path, skip = self._place(parent, kind)
        self.source._count += 1
        if self.source._count > MAX_VALUES:
            hint = "say ranges instead of single nodes"
            self._report("source.size", f"the spec says more than {MAX_VALUES} things", event, hint, path)
            return False
        if kind == "ScalarEvent":
            self._store(parent, path, skip, self._scalar(event, path), event)
            return True
        if len(self.open) >= MAX_DEPTH:
            self._report("source.depth", f"is nested deeper than {MAX_DEPTH} levels", event, path=path)
            return False
        value: dict[str, Any] | list[Any] = {} if kind == "MappingStartEvent" else []
        if isinstance(parent.value, dict) and parent.key in parent.value and not skip:
            value = parent.value[parent.key]  # a subject continued in an included file
        self._store(parent, path, skip, value, event)
        self.open.append(_Open(value, path, skip))
        return True

    def _key(self, event: Any, kind: str, parent: _Open) -> bool:
        if kind != "ScalarEvent":
            self._report("source.key", "a key must be a plain name", event, path=parent.path)
            return False
        key = event.value
        if key == "<<" and event.implicit[0]:
            self._report("source.alias", "merge keys are not read", event, "write the keys out")
            return False
        if len(key) > 200:
            self._report("source.key", "a key is longer than 200 characters", event, path=parent.path)
            return False
        parent.key, parent.key_position = key, self._position(event)
        return True

    def _place(self, parent: _Open, kind: str) -> tuple[Path, bool]:
        """Where a value belongs, and whether it is to be skipped because that place is taken.

        An included file may continue a mapping, never replace a value.
        """
        if isinstance(parent.value, list):
            return (*parent.path, len(parent.value)), parent.skip
        key, position = parent.key or "", parent.key_position
        path = (*parent.path, key)
        if parent.skip or position is None:
            return path, True
        known = self.source._keys.setdefault(path, position)
        mappings = kind == "MappingStartEvent" and isinstance(parent.value.get(key), dict)
        taken = known is not position and (key in parent.seen or not mappings)
        if path == ("include",) and known.file != self.name:
            hint = f'name the files in "include" of {known.file}'
            message = "an included file may not include others"
            self.problems.append(Problem("source.include", message, path, hint, position=position))
        elif taken:
            where = f"line {known.line}" if known.file == self.name else f"{known.file}:{known.line}"
            message = f'"{key}" is said twice, first at {where}'
            self.problems.append(Problem("source.duplicate", message, path, position=position))
        parent.seen.add(key)
        return path, taken

    def _store(self, parent: _Open, path: Path, skip: bool, value: Any, event: Any) -> None:
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif not skip:
            parent.value[parent.key or ""] = value
        if not skip:
            self.source._values.setdefault(path, self._place_of(event, path))
        parent.key = None

    def _scalar(self, event: Any, path: Path) -> Any:
        text: str = event.value
        if len(text) > MAX_SCALAR:
            self._report("source.length", f"is longer than {MAX_SCALAR} characters", event, path=path)
            return ""
        if not event.implicit[0]:
            return text
        self.source._texts.setdefault(path, text)
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
        return text

    def _place_of(self, event: Any, path: Path) -> Position:
        """A value stands where it begins; a mapping or list where its name is, which says more than a bracket."""
        named = self.source._keys.get(path) if type(event).__name__ != "ScalarEvent" else None
        return named or self._position(event)

    def _position(self, event: Any) -> Position:
        start, end = event.start_mark, event.end_mark
        same_line = start.line == end.line and type(event).__name__ == "ScalarEvent"
        length = max(1, end.column - start.column) if same_line else 1
        return _position(self.source, self.name, start, length)

    def _report(self, rule: str, message: str, event: Any, hint: str | None = None, path: Path = ()) -> None:
        self.problems.append(Problem(rule, message, path, hint, position=self._position(event)))


def _finding(source: Source, rule: str, message: str, path: Path) -> Problem:
    return Problem(rule, message, path, position=source.locate(path))
