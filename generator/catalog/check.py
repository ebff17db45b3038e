"""What a file of an acceptance check may say: what is run or compared on a node before it goes into service."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator
from pydantic.functional_validators import BeforeValidator

from generator.catalog.entries import KIND, SAID, STATUS_HINT, SURE, Entry, Status
from generator.problems import did_you_mean
from generator.spec.common import Name, Strict, Text, got, refuse
from generator.spec.pools import Role

COMPARISONS = Literal[
    "memory", "cores", "accelerators", "device-files", "network", "rdma-ports", "serial", "disk", "mounts", "units",
    "failed-units",
]  # fmt: skip
HOLES = {
    "accelerators": "accelerators of a node",
    "cores": "cores of a node",
    "memory-gib": "memory of a node in GiB",
    "rdma-ports": "ports of a node on fabrics with RDMA",
}
"""Numbers of a pool that a word of a command or a limit may have a place for."""
LISTS = {"controllers": "names of the control nodes", "mounts": "folders where file systems are mounted"}
"""Lists of a pool; each is a word of its own and becomes one word for each of its parts."""

_HOLE = re.compile(r"\{([a-z]+(?:-[a-z]+)*)\}")
_BOUND = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)|(?:([0-9]+(?:\.[0-9]+)?) % of )?\{([a-z-]+)\}")


def holes(text: str) -> list[str]:
    """The names of the places that a word has to be filled in."""
    return _HOLE.findall(text)


def fill(text: str, values: dict[str, int]) -> str:
    """A word with its places filled; KeyError for one that has no value."""
    return _HOLE.sub(lambda hole: str(values[hole[1]]), text)


def bound(text: str, values: dict[str, int]) -> float:
    """What a limit comes to for a pool; KeyError for a number that the pool does not have."""
    match = _BOUND.fullmatch(text)
    assert match is not None
    plain, share, hole = match.groups()
    return float(plain) if plain else values[hole] * float(share or 100) / 100


def _check_word(word: object) -> object:
    if not isinstance(word, str) or not word or "\0" in word or len(word) > 8000:
        raise refuse(f"needs a word of a command, {got(word)}")
    for name in holes(word):
        if name in LISTS and word != f"{{{name}}}":
            raise refuse(f'has the list "{{{name}}}" inside of a word; it must be a word of its own')
        if name not in HOLES and name not in LISTS:
            known = ", ".join(f"{{{known}}}" for known in (*HOLES, *LISTS))
            raise refuse(f'has a place for "{name}"; {did_you_mean(name, (*HOLES, *LISTS)) or f"known: {known}"}')
    return word


def _check_bound(limit: object) -> object:
    text = str(limit) if isinstance(limit, int | float) and not isinstance(limit, bool) else limit
    if isinstance(text, str) and (match := _BOUND.fullmatch(text)) and (match[1] or match[3] in HOLES):
        return text
    raise refuse(f'needs a number, or one of the pool such as "{{cores}}" or "90 % of {{memory-gib}}", {got(limit)}')


def _check_pattern(pattern: object) -> object:
    try:
        if isinstance(pattern, str) and len(pattern) <= 300 and re.compile(pattern).groups == 1:
            return pattern
    except re.error as error:
        raise refuse(f"is no regular expression: {error}") from None
    raise refuse(f'needs a regular expression with one group, such as "speed: ([0-9.]+)", {got(pattern)}')


Word = Annotated[str, BeforeValidator(_check_word)]
Bound = Annotated[str, Field(examples=["90 % of {memory-gib}"]), BeforeValidator(_check_bound)]


class Reading(Strict):
    """A number that a command prints, and what it has to be."""

    hints: ClassVar[dict[str, str]] = {"status": STATUS_HINT}

    pattern: Annotated[str, Field(examples=["speed: ([0-9.]+)"]), BeforeValidator(_check_pattern)] = Field(
        description="Regular expression whose one group is the number."
    )
    least: Bound | None = Field(None, description="The number must not be lower.")
    most: Bound | None = Field(None, description="The number must not be higher.")
    unit: Text | None = Field(None, description="Unit of the number, for people.")
    status: Status = Field(description=SURE)
    sources: list[str] = Field(default_factory=list, description=SAID)

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.least is None and self.most is None:
            raise refuse('needs "least", "most" or both')
        return self


class When(Strict):
    """For which pools a check is; what is left out is no condition."""

    roles: list[Role] = Field(default_factory=list, description="Pools with one of these roles.")
    clusters: list[Literal["kubernetes", "slurm"]] = Field(
        default_factory=list, description="Pools in a cluster of one of these kinds."
    )
    fabrics: list[Literal["ethernet", "roce", "infiniband"]] = Field(
        default_factory=list, description="Pools with ports on a fabric of one of these kinds."
    )
    vendors: list[Name] = Field(default_factory=list, description="Pools with accelerators of one of these vendors.")
    accelerators: bool | None = Field(None, description="Whether only pools with accelerators, or only those without.")


class Check(Entry):
    """An acceptance check: a command, or a comparison that this program knows; never a shell."""

    folder: ClassVar[str] = "checks"
    kind: Literal["check"] = Field(description=KIND)
    why: Text = Field(description="What would go wrong with a node that fails it.")
    when: When = Field(default_factory=When, description="For which pools it is; default: for all.")
    fact: COMPARISONS | None = Field(None, description="Comparison with the expected hardware; or say a command.")
    argv: list[Word] | None = Field(
        None,
        min_length=1,
        description="Program and its arguments, run as root; {cores} and the like are filled in. A check with a "
        "place for what a pool does not have is not for that pool.",
    )
    exit: Annotated[int, Field(ge=0, le=255)] = Field(0, description="Exit status of the command when all is well.")
    number: Reading | None = Field(None, description="A number in what the command prints, and its limits.")
    seconds: Annotated[int, Field(ge=1, le=600)] = Field(30, description="How long the command may take.")

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.fact is None) == (self.argv is None):
            raise refuse(f'needs either "argv" or one "fact" of {", ".join(get_args(COMPARISONS))}')
        if self.number and self.argv is None:
            raise refuse('has a "number", which only a command prints')
        return self
