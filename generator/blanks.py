"""Files to fill in, made from the models that will read them, so that they never say what is no longer so."""

from __future__ import annotations

import re
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from generator.catalog.models import GRADES, STATUSES, Entry, Fact, Status
from generator.quantity import Quantity
from generator.services import ServiceKind
from generator.spec.common import Strict, kebab

Lines = Iterator[str]
_UNKNOWN = "{value: null, status: N}"
_APART = ("deprecated", "sources")
_ANY_NAME = "first"


# The catalogue


def entry(kind: type[Entry], name: str) -> str:
    """A thing of the catalogue with nothing known; what must be decided is null and therefore a finding."""
    fields = list(_fields(kind, {"name": name}))
    lines = [*_comment(_first_sentence(kind))]
    if any(_UNKNOWN in line for line in fields):
        lines += [
            *_comment(
                "A fact that somebody has published: {value: 700 W, status: V, sources: [sheet]}. Leave the rest."
            ),
            *_comment(f"Status: {_legend(STATUSES)}. What is unverified is a candidate and no value."),
        ]
    if any("status: N" in line for line in fields):
        fields += [
            *_comment("Every source that a fact cites, and no other."),
            *_comment(f"Grade: {_legend(GRADES)}."),
            '# sources: {sheet: {grade: A, locator: "data sheet of the vendor, page 3"}}',
        ]
    return "\n".join([*lines, *fields]) + "\n"


def copied(text: str, name: str) -> str:
    """A file of the catalogue under another name."""
    return re.sub(r"^name: .*$", f"name: {name}", text, count=1, flags=re.M)


def _legend(words: dict[str, str]) -> str:
    return ", ".join(f"{letter} {word}" for letter, word in words.items())


def _first_sentence(model: type[Strict]) -> str:
    return (model.__doc__ or "").split("\n")[0]


def _fields(model: type[Strict], given: dict[str, str], apart: bool = False) -> Lines:
    """Every field: a comment with what it means and takes, and the line itself.

    What may be left out is a comment too, unless it stands `apart`, in a mapping that is one as a whole.
    """
    for name, field in model.model_fields.items():
        if name in _APART and issubclass(model, Entry):
            continue
        key = field.alias or kebab(name)
        if name in given or name == "kind":
            yield f"{key}: {given.get(name) or typing.get_args(field.annotation)[0]}"
            continue
        needed = field.is_required()
        takes = _takes(field.annotation)
        told = ("" if needed else "May be left out.", field.description, f"Takes {takes}." if takes else "")
        yield from _comment(" ".join(filter(None, told)))
        default = None if needed else field.get_default(call_default_factory=True)
        body = _body(key, field.annotation, default, apart or not needed)
        yield from (body if needed or apart else (f"# {line}" for line in body))


def _body(key: str, annotation: Any, default: Any, apart: bool) -> Lines:
    annotation = _meant(annotation)
    arguments = typing.get_args(annotation)
    if annotation == Status:
        yield f"{key}: N"
    elif _is_a(annotation, Fact) and _is_a(value := _meant(annotation.model_fields["value"].annotation), Strict):
        yield f"{key}:"
        for word, part in (("value", value), ("status", Status)):
            yield from (f"  {line}" for line in _body(word, part, None, apart))
    elif _is_a(annotation, Fact):
        yield f"{key}: {_UNKNOWN}"
    elif _is_a(annotation, Strict):
        inner = list(_fields(annotation, {}, apart))
        yield f"{key}:" + (" {}" if all(line.startswith("#") for line in inner) else "")
        yield from (f"  {line}" for line in inner)
    elif typing.get_origin(annotation) is dict and _is_a(_meant(arguments[1]), Strict):
        yield f"{key}:"
        for word in _names(arguments[0]):
            yield from (f"  {line}" for line in _body(word, arguments[1], None, apart))
    elif typing.get_origin(annotation) is list and _is_a(_meant(arguments[0]), Strict) and apart:
        item = list(_fields(_meant(arguments[0]), {}, apart))
        first = next(number for number, line in enumerate(item) if not line.startswith("#"))
        yield f"{key}:"
        yield from (f"  {'- ' if number == first else '  '}{line}" for number, line in enumerate(item))
    elif typing.get_origin(annotation) in (dict, list):
        yield f"{key}: {'{}' if typing.get_origin(annotation) is dict else '[]'}"
    else:
        yield f"{key}: {'null' if default is None else str(default).lower()}"


def _names(annotation: Any) -> list[str]:
    """The names under which things stand in a mapping: all that there are, or one for example."""
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    told = (getattr(part, "examples", None) for part in getattr(annotation, "__metadata__", ()))
    return next(([examples[0]] for examples in told if examples), [_ANY_NAME])


def _takes(annotation: Any) -> str:
    """What stands there, in words."""
    annotation = _meant(annotation)
    if _is_a(annotation, Fact):
        return _takes(annotation.model_fields["value"].annotation)
    if _is_a(annotation, Quantity):
        units = f" in {_either(annotation.units)}" if len(annotation.units) > 1 else ""
        return f'{annotation.article} {annotation.dimension}{units}, such as "{annotation.example}"'
    if annotation != Status and typing.get_origin(annotation) is typing.Literal:
        return _either(typing.get_args(annotation))
    if typing.get_origin(annotation) is dict and _meant(typing.get_args(annotation)[1]) is str:
        names = _names(typing.get_args(annotation)[0])
        return "" if names == [_ANY_NAME] else f"{'names such as ' if len(names) == 1 else ''}{_either(names)}"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(annotation, "")


def _either(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def _meant(annotation: Any) -> Any:
    """Without Annotated and Optional."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _meant(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _meant(next(part for part in typing.get_args(annotation) if part is not type(None)))
    return annotation


def _is_a(annotation: Any, kind: type) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, kind)


def _comment(text: str) -> Lines:
    return (f"# {line}" for line in textwrap.wrap(text, 110, break_on_hyphens=False))


# Services

_JOB = """\
# Values never meet YAML syntax: write them without quotes. A suspended CronJob keeps a job as a template.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ name }}
  namespace: {{ namespace }}
  labels: {{ labels }}
spec:
  schedule: 0 0 1 1 *
  suspend: true
  jobTemplate:
    metadata:
      labels:
        kueue.x-k8s.io/queue-name: {{ queue }}
        kueue.x-k8s.io/priority-class: {{ priority_class }}
    spec:
      template:
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          securityContext: {{ pod_security }}
          containers:
            - name: main
              image: registry.example/library/SERVICE:1.0
              resources:
                requests: {{ part_of_node }}
                limits: {{ part_of_node }}
              securityContext: {{ container_security }}
"""


def service(name: str) -> dict[str, str]:
    """The YAML files of a service's folder, by what stands before the dot."""
    text = "\n".join([*_comment(_first_sentence(ServiceKind)), *_fields(ServiceKind, {"name": name})]) + "\n"
    text = text.replace("\ntemplates: []\n", "\ntemplates: [job.yaml]\n")
    text = re.sub(r"\nexample: \{\}\n(  #.*\n)+", "\nexample: {inputs: {}}\n", text)
    return {"service": text, "job": _JOB.replace("SERVICE", name)}


# Rules

_LESSON = """\
# The sample is inventories/starter/center.yaml. TEXT stands there once; "good" passes exactly at the limit, "bad" is
# one step beyond it, by this rule alone. "both" instead of good and bad is the same on either side; further files
# stand below "files:"; what depends on a date says 'as-of: "2027-02-01"'; a warning says "severity: warning".
why: >-
  WHY A DESIGN THAT BREAKS THIS RULE WOULD FAIL, IN TWO OR THREE SENTENCES, WITH THE SOURCE OF ITS NUMBERS
edits:
  - text: TEXT
    good: WHAT PASSES
    bad: WHAT IS REFUSED
shows: THE WHOLE MESSAGE
at: "THE TEXT AROUND THE MARK, with >THE MARK< itself"
"""
_HEAD = '''\
"""WHAT THIS TOPIC IS ABOUT."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.rules import Finding, rule


'''
_FUNCTION = '''\
@rule("{rule}")
def what_must_hold(center: Center) -> Iterator[Finding]:
    """WHY A DESIGN THAT BREAKS THIS RULE WOULD FAIL, IN ONE SENTENCE."""
    for pool in center.pools.values():
        if BROKEN:
            message = f'pool "{{pool.name}}" needs SO MUCH, THERE IS SO MUCH'
            yield Finding(pool.path, message, "THE FIX, IF IT IS KNOWN")
'''


def lesson() -> str:
    return _LESSON


def function(rule: str, with_head: bool) -> str:
    """The rule itself, for a file of its topic or as the first of a new one."""
    return (_HEAD if with_head else "") + _FUNCTION.format(rule=rule)
