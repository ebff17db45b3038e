"""What every file of the catalogue has: a name, and facts with their status and sources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from generator.spec.common import Name, Strict, Text

Value = TypeVar("Value")
Status = Literal["V", "I", "S", "X", "U", "N"]
STATUSES: dict[str, str] = {
    "V": "verified with the vendor or upstream",
    "I": "read in an integration project",
    "S": "from a secondary source",
    "X": "derived from other facts",
    "U": "unverified",
    "N": "nothing found",
}
Grade = Literal["A", "A*", "B", "C", "D", "X", "own"]
GRADES: dict[str, str] = {
    "A": "text of the vendor or upstream",
    "A*": "text of an integration project",
    "B": "good secondary source",
    "C": "news or third-party page",
    "D": "low trust, never the only source",
    "X": "arithmetic",
    "own": "an assumption or a measurement of one's own",
}


SURE = "How sure it is, by its letter."
SAID = "Names of sources of this file that say so."
STATUS_HINT = f"status: {', '.join(f'{letter} {words}' for letter, words in STATUSES.items())}"


class Fact(Strict, Generic[Value]):
    """A value, how sure it is, and which sources say so."""

    hints: ClassVar[dict[str, str]] = {"status": STATUS_HINT}

    value: Value | None = Field(None, description="What is known; null where nobody knows, or where there is none.")
    status: Status = Field(description=SURE)
    sources: list[str] = Field(default_factory=list, description=SAID)
    note: Text | None = Field(None, description="What a reader must know to use the value.")
    candidate: Text | None = Field(None, description="A hint for a person; never used as a value.")

    @classmethod
    def around(cls, written: str) -> str:
        is_plain = re.fullmatch(r"[\w.][^,:#\[\]{}]{0,59}", written)
        value = written if is_plain else json.dumps(written[:60], ensure_ascii=False)
        return f"{{value: {value}, status: V, sources: [NAME]}}"


class SourcePointer(Strict):
    """Where a fact was read."""

    locator: Text = Field(description="Where to look: document and page, or repository, commit and file.")
    grade: Grade = Field(description="What kind of source it is, by its letter.")
    note: Text | None = Field(None, description="What a reader must know to use the source.")


KIND = "What the file describes."


class Entry(Strict):
    """What every file of the catalogue has."""

    folder: ClassVar[str] = ""

    kind: str = Field(description=KIND)
    name: Name = Field(description="As the file is called, without .yaml; what a spec says.")
    title: Text = Field(description="Name for people, in any language.")
    deprecated: Text | None = Field(None, description="Why it should not be planned any more, and what replaces it.")
    sources: dict[str, SourcePointer] = Field(
        default_factory=dict, description="Where the facts of this file were read."
    )


def facts(part: BaseModel, name: str = "") -> Iterator[tuple[str, Fact[Any]]]:
    """Every value of a thing that says how sure it is, by its dotted name as the file has it."""
    for key, field in type(part).model_fields.items():
        value = getattr(part, key)
        below = value.items() if isinstance(value, dict) else [("", value)]
        for word, each in below:
            path = ".".join(filter(None, (name, field.alias or key, word)))
            if isinstance(each, Fact):
                yield path, each
            elif isinstance(each, BaseModel):
                yield from facts(each, path)
