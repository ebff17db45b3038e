"""Bytes from artifacts. User text meets no syntax: templates write placeholders first, values come after.

Every expression of a template writes a placeholder; what the template wrote is the skeleton. A YAML skeleton is
parsed and the values take their places in the tree; in a text skeleton each value is quoted by the file's syntax.
Templates are code of ours, never a stranger's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from traceback import walk_tb
from typing import Any, NoReturn

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    TemplateAssertionError,
    TemplateSyntaxError,
    Undefined,
    nodes,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from generator import resources
from generator.artifact import Artifact, Json, TextTemplate, Xml, Yaml, YamlTemplate
from generator.emit import EmitError, emit_json, emit_yaml
from generator.markup import emit_xml
from generator.problems import Problem, Refused
from generator.skeleton import CLOSE, HOLE, LATER, OPEN, Unfillable, filled, parse, text_of
from generator.syntax import CannotCarry, carry, kubernetes_text, prometheus_text

_VALUES = f"{OPEN}values"  # the name under which the values of one render travel in the template's context


class RenderError(Refused):
    """An artifact that cannot be rendered; carries one finding that points at the spec path that caused the file."""

    def __init__(self, artifact: Artifact, reason: str) -> None:
        cause = tuple(artifact.because[0].split(".")) if artifact.because else ()
        super().__init__([Problem("render.refused", f'"{artifact.path}" cannot be rendered: {reason}', cause)])


class Renderer:
    """Renders artifacts with the templates of these folders, the first that has it; each is compiled once."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._environment = _Environment(
            loader=FileSystemLoader(folders),
            undefined=StrictUndefined,
            finalize=_leave_hole,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
            cache_size=-1,
        )

    def render(self, artifact: Artifact) -> bytes:
        """The bytes of that file; raises RenderError."""
        body = artifact.body
        try:
            if isinstance(body, YamlTemplate):
                return self._fill_yaml(body)
            if isinstance(body, TextTemplate):
                return self._fill_text(body)
            if isinstance(body, Json):
                return emit_json(body.value, body.expand)
            if isinstance(body, Yaml):
                return emit_yaml(body.documents)
            if isinstance(body, Xml):
                return _sealed(emit_xml(body.root), 0)
            return body.content
        except (Unfillable, EmitError, CannotCarry) as error:
            where = f'template "{body.template}": ' if isinstance(body, YamlTemplate | TextTemplate) else ""
            raise RenderError(artifact, f"{where}{error}") from error

    def _fill_yaml(self, body: YamlTemplate) -> bytes:
        skeleton, values = self._run(body.template, body.context)
        documents, later = parse(skeleton)
        return _sealed(emit_yaml([filled(document, values) for document in documents]), later)

    def _fill_text(self, body: TextTemplate) -> bytes:
        skeleton, values = self._run(body.template, body.context)
        pieces: list[str] = []
        line, position = "", 0
        for hole in HOLE.finditer(skeleton):
            start, end = hole.span()
            line = (line + skeleton[position:start]).rpartition("\n")[2]
            try:
                value = carry(body.syntax, text_of(values[int(hole[1])]), line, skeleton[end:].partition("\n")[0])
            except (CannotCarry, Unfillable) as error:
                raise Unfillable(f'after "{line[-40:]}": {error}') from error
            pieces += skeleton[position:start], value
            line, position = line + value, end
        pieces.append(skeleton[position:])
        return _sealed("".join(pieces).encode(), skeleton.count(LATER))

    def _run(self, name: str, context: Mapping[str, object]) -> tuple[str, list[object]]:
        """The skeleton that the template writes, and the value of each placeholder in it."""
        values: list[object] = []
        try:
            return str(self._environment.get_template(name).render({**context, _VALUES: values})), values
        except Exception as error:  # whatever the code of a template raises is a fault of that template
            raise Unfillable(f"{self._line(error)}{error}") from error

    def _line(self, error: Exception) -> str:
        """Where in a template it happened, as far as Jinja knows."""
        if isinstance(error, TemplateSyntaxError):
            return f"line {error.lineno} of {error.name}: "
        for frame, line in reversed(list(walk_tb(error.__traceback__))):
            for folder in self._folders:
                if Path(frame.f_code.co_filename).is_relative_to(folder):
                    return f"line {line} of {Path(frame.f_code.co_filename).relative_to(folder)}: "
        return ""


@cache
def _packaged() -> Renderer:
    return Renderer(resources.folder("templates"))


def render(artifact: Artifact) -> bytes:
    """The bytes of that file, with the packaged templates; raises RenderError."""
    return _packaged().render(artifact)


class _Written(str):
    """What a macro or a `set` block wrote: placeholders still stand for its values, so nobody may look at it."""

    __slots__ = ()

    def _refuse(self, *_: object) -> NoReturn:
        raise Unfillable("what a macro or a block wrote can be printed, not compared or measured")

    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __len__ = __contains__ = _refuse
    __hash__ = str.__hash__


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja for trees: nothing can print a value except through a placeholder, nothing depends on chance."""

    concat = staticmethod(lambda pieces: _Written("".join(pieces)))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("tojson", "random", "safe", "escape", "e", "forceescape", "xmlattr", "urlize", "striptags"):
            del self.filters[name]  # markup of other formats, and chance
        del self.globals["lipsum"]
        self.filters.update(prometheus_text=prometheus_text, kubernetes_text=kubernetes_text)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for node in tree.find_all(nodes.Node):
            if isinstance(node, nodes.Import | nodes.FromImport | nodes.Include):
                node.with_context = True  # else Jinja keeps what it wrote, with the placeholders of another render
            elif isinstance(node, nodes.FilterBlock | nodes.ScopedEvalContextModifier) or (
                isinstance(node, nodes.AssignBlock) and node.filter is not None
            ):  # it would see placeholders and leave the values as they were
                raise TemplateAssertionError("a filter works on a value, not on a block", node.lineno, name, filename)
        return tree


@pass_context
def _leave_hole(context: Context, value: object) -> object:
    """Jinja's `finalize`. Asking for the context also keeps Jinja from folding constants into stale placeholders."""
    if isinstance(value, _Written):
        return value
    if isinstance(value, Undefined):
        return int(value)  # raises, with the name that is missing; str() would let an `if` without `else` pass
    values: list[object] = context[_VALUES]
    values.append(value)
    return f"{OPEN}{len(values) - 1}{CLOSE}"


def _sealed(content: bytes, later: int) -> bytes:
    """The content, unless a value forged a placeholder or a hole, or a template changed what a macro wrote."""
    if OPEN.encode() in content:
        raise Unfillable("private-use characters in a value, or a filter on what a macro wrote")
    if content.count(LATER.encode()) != later:
        raise Unfillable(f'a value brings "{LATER}", which is filled while applying')
    return content
