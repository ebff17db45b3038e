"""What a file of a limit or of an alert may say: when somebody is told about cooling, and what that person reads.

A limit is a number that a reading is compared with; an alert is the comparison, with a page for three in the morning.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic.functional_validators import BeforeValidator

from generator.catalog.entries import KIND, SAID, STATUS_HINT, SURE, Entry, Fact, Status
from generator.quantity import Duration
from generator.spec.common import Name, Strict, Text, got, refuse

Level = Literal["warning", "critical"]
LEVELS: tuple[Level, ...] = ("warning", "critical")
LoopKind = Literal["cold-plate", "single-phase-immersion", "two-phase-immersion"]
Unit = Literal["°C", "K", "%", "%/d", "%/h", "%/a", "kPa", "L/min/kW", "h", "ppm", "pH", "µS/cm", "NTU", "x"]
BASE: dict[str, float] = {
    "°C": 1.0, "K": 1.0, "%": 0.01, "%/d": 0.01 / 86_400, "%/h": 0.01 / 3600, "%/a": 0.01 / 31_536_000, "kPa": 1000.0,
    "L/min/kW": 1 / 60_000_000, "h": 3600.0, "ppm": 1e-6, "pH": 1.0, "µS/cm": 1e-4, "NTU": 1.0, "x": 1.0,
}  # fmt: skip
"""What a unit is in the base unit of the metrics; a share of 1 a second is the unit of what is lost over time."""

Basis = Literal[
    "supply", "rise", "approach", "least-flow", "boiling-point", "exposure-limit", "water-supply", "design-pue",
    "ph-low", "ph-high", "conductivity-low", "conductivity-high", "turbidity-high",
]  # fmt: skip


class Limit(Entry):
    """A limit of a reading: a number of its own, or one that follows from the design of each loop."""

    folder: ClassVar[str] = "limits"
    kind: Literal["alarm-limit"] = Field(description=KIND)
    unit: Unit = Field(description="Unit of its numbers; x is a plain factor.")
    side: Literal["above", "below"] = Field(description="On which side of the limit the trouble is.")
    kinds: list[LoopKind] = Field(default_factory=list, description="Loops of these kinds have it; default: all.")
    basis: Basis | None = Field(None, description="What of the design the numbers are counted from.")
    how: Literal["plus", "minus", "times"] | None = Field(None, description="How they are counted from it.")
    warning: Fact[float] | None = Field(None, description="Somebody should look at it today.")
    critical: Fact[float] | None = Field(None, description="Somebody must get up.")

    @model_validator(mode="after")
    def _is_counted_from_something(self) -> Self:
        if (self.basis is None) != (self.how is None):
            raise refuse('"basis" and "how" belong together')
        if self.warning is None and self.critical is None:
            raise refuse('needs "warning", "critical" or both')
        return self

    def at(self, level: Level) -> Fact[float] | None:
        """Its number for a level."""
        return self.warning if level == "warning" else self.critical

    @property
    def series(self) -> str:
        """The series that holds the limit of each loop."""
        return f"cooling:limit:{self.name.replace('-', '_')}"


class Held(Strict):
    """How long a condition must hold before anybody is told."""

    hints: ClassVar[dict[str, str]] = {"status": STATUS_HINT}

    for_: Duration = Field(alias="for", description="How long it must hold; 0 s tells at once.")
    status: Status = Field(description=SURE)
    sources: list[str] = Field(default_factory=list, description=SAID)
    note: Text | None = Field(None, description="What a reader must know of it.")


class Silence(Strict):
    """Other alerts that are not worth a call while this one fires."""

    alerts: list[Name] = Field(default_factory=list, description="Names of alerts; empty: all of `families`.")
    families: list[Name] = Field(default_factory=list, description="Families of alerts.")
    equal: list[Literal["center", "loop", "device", "rack"]] = Field(
        min_length=1, description="Labels in which both agree."
    )
    graver: bool = Field(False, description="Whether a warning silences critical ones too; default: only warnings.")

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if bool(self.alerts) == bool(self.families):
            raise refuse('needs either "alerts" or "families"')
        return self


_METRIC = re.compile(r"(?:cooling|electrical)[a-z0-9_:]*")


def _check_expression(text: object) -> object:
    if not isinstance(text, str) or not _METRIC.search(text) or len(text) > 2000:
        raise refuse(f"needs an expression over the metrics of cooling, {got(text)}")
    return text


Family = Literal[
    "leak", "flow", "temperature", "condensation", "pressure", "frost", "service", "tank", "watch", "energy",
]  # fmt: skip


class Alert(Entry):
    """An alert: when it fires, whom it wakes, and what that person looks at, does, and must not do."""

    folder: ClassVar[str] = "alerts"
    kind: Literal["alert"] = Field(description=KIND)
    family: Family = Field(description="What it is about; leaks are told without waiting for others.")
    kinds: list[LoopKind] = Field(default_factory=list, description="Only with loops of these kinds; default: all.")
    limit: Name | None = Field(None, description="The limit that it compares with, as its expression does.")
    levels: dict[Level, Held] = Field(min_length=1, description="How grave it is, and how long it must hold.")
    expression: Annotated[str, BeforeValidator(_check_expression)] = Field(
        description="PromQL; <level> is replaced by each level."
    )
    summary: Text = Field(description="One line, with the labels and the value of the alert as a template of Go.")
    look: list[Text] = Field(min_length=1, description="What to look at.")
    do: list[Text] = Field(min_length=1, description="What to do.")
    never: list[Text] = Field(min_length=1, description="What not to do.")
    silences: list[Silence] = Field(default_factory=list, description="What is not worth a call meanwhile.")

    @model_validator(mode="after")
    def _has_a_level_for_each_rule(self) -> Self:
        if len(self.levels) > 1 and "<level>" not in self.expression:
            raise refuse('has several "levels", but its "expression" is the same for all: it needs "<level>"')
        return self

    @property
    def alertname(self) -> str:
        """As Prometheus knows it: ``CoolingSupplyTooWarm``."""
        return "Cooling" + "".join(word.capitalize() for word in self.name.split("-"))
