"""Points: where a device keeps a quantity and how to read it. The catalogue and the configuration share this shape."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cooling_exporter.quantities import QUANTITIES, SWITCH, Quantity, State, unit_instead

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
Name = Annotated[str, StringConstraints(pattern=f"^{_NAME}$")]
NameOrEmpty = Annotated[str, StringConstraints(pattern=f"^({_NAME})?$")]
Circuit = Literal["primary", "secondary"]
Bit = Annotated[int, Field(ge=0, le=15)]
RegisterType = Literal["bit", "uint16", "int16", "uint32", "int32", "float32", "uint64", "int64", "float64", "flags"]
Switch = Annotated[int, Field(ge=0, le=1)]

_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,9})){2,126}(\.\*)?")
_ROW = re.compile(r"(0|[1-9][0-9]{0,9})(\.(0|[1-9][0-9]{0,9}))*")
_POINTER = re.compile(r"(/([^/~]|~0|~1)+)+")


class Strict(BaseModel):
    """Unknown keys are refused and values are not converted: what is not understood is not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True, allow_inf_nan=False)


class Unfit(ValueError):
    """A value that does not fit, and what to write instead where that is known."""

    def __init__(self, sentence: str, hint: str | None = None) -> None:
        super().__init__(f"{sentence}; {hint}" if hint else sentence)
        self.sentence, self.hint = sentence, hint


class _Point(Strict):
    metric: Annotated[str, Field(description="name of the metric, one of the table of quantities")]
    circuit: Annotated[Circuit | None, Field(description="side of the device, for hydraulic quantities")] = None
    part: Annotated[Name | None, Field(description="which pump, detector, ... this is")] = None
    unit: Annotated[str | None, Field(description="unit of the source, such as L/min")] = None
    scale: Annotated[float, Field(description="the raw value is multiplied by it")] = 1
    offset: Annotated[float, Field(description="then this is added, in the unit of the source")] = 0
    range: Annotated[
        list[float] | None,
        Field(min_length=2, max_length=2, description="lowest and highest value that is believed, in `unit`"),
    ] = None
    sentinels: Annotated[list[float], Field(description="raw values that mean: no value")] = []
    states: Annotated[dict[State, list[int | str]], Field(description="raw values of each state")] = {}
    values: Annotated[
        dict[str, Switch], Field(description="switches only: raw word or number -> 1 or 0; any other raw value is none")
    ] = {}

    @property
    def quantity(self) -> Quantity:
        return QUANTITIES[self.metric]

    @field_validator("unit")
    @classmethod
    def _is_one_of_the_quantity(cls, unit: str | None, info: ValidationInfo) -> str | None:
        quantity = QUANTITIES.get(info.data.get("metric", ""))
        dimension = quantity.dimension if quantity else None
        if quantity and dimension and unit is not None and dimension.units and unit not in dimension.units:
            sentence = (
                f'{quantity.name} has no unit "{unit[:20]}", it needs a unit out of: {", ".join(dimension.units)}'
            )
            raise Unfit(sentence, unit_instead(dimension, unit))
        return unit

    @model_validator(mode="after")
    def _fits_the_quantity(self) -> Self:
        if self.metric not in QUANTITIES:
            near = difflib.get_close_matches(self.metric, QUANTITIES, n=1)
            raise ValueError(f'no metric "{self.metric}"' + (f', did you mean "{near[0]}"?' if near else ""))
        quantity = self.quantity
        if quantity.circuit and self.circuit is None:
            raise ValueError(f'{self.metric} needs "circuit": primary or secondary')
        if self.circuit is not None and not quantity.circuit:
            raise ValueError(f'{self.metric} has no circuit, remove "circuit"')
        if self.part is not None and quantity.part is None:
            raise ValueError(f'{self.metric} belongs to the whole device, remove "part"')
        if quantity.dimension is None:
            if self.unit is not None:
                raise ValueError(f'{self.metric} is a state, remove "unit"')
        elif self.states:
            raise ValueError(f'{self.metric} is a number, remove "states"')
        elif (self.unit or "") not in (units := quantity.dimension.units):
            raise ValueError(f"{self.metric} needs a unit out of: {', '.join(units) or 'none'}")
        if self.values and quantity.dimension is not SWITCH:
            raise ValueError(f'{self.metric} is no switch, remove "values"')
        if self.scale == 0:
            raise ValueError('"scale" is 0: every raw value would be the same')
        if self.range is not None and self.range[0] > self.range[1]:
            raise ValueError('"range" begins above its end')
        return self


class ModbusPoint(_Point):
    """A register, or the bits of one."""

    register_: Annotated[int, Field(alias="register", ge=0, le=65535, description="address as sent, from 0")]
    function: Annotated[int, Field(ge=1, le=4, description="1 coils, 2 inputs, 3 holding, 4 input registers")]
    type: RegisterType
    word_order: Annotated[
        Literal["big", "little"], Field(alias="word-order", description="of wider values: big has the high word first")
    ] = "big"
    bits: Annotated[dict[Name, Bit], Field(description="flags only: part -> bit that is 1 while it is in trouble")] = {}
    faults: Annotated[dict[Name, Bit], Field(description="flags only: part -> bit that is 1 while it is blind")] = {}

    @property
    def width(self) -> int:
        """How many registers it takes."""
        return {"32": 2, "64": 4}.get(self.type[-2:], 1)

    @model_validator(mode="after")
    def _fits_the_register(self) -> Self:
        if (self.type == "bit") != (self.function in {1, 2}):
            raise ValueError('functions 1 and 2 read "type": bit, functions 3 and 4 every other type')
        if self.register_ + self.width > 65536:
            raise ValueError("the value ends behind the last register")
        if self.type == "flags":
            if self.metric not in {"cooling_leak_state", "cooling_alarm_active"}:
                raise ValueError(f"{self.metric} cannot be read from flags")
            if not self.bits or self.part is not None:
                raise ValueError('flags need "bits", which name the parts')
            if unknown := self.faults.keys() - self.bits.keys():
                raise ValueError(f'"faults" names {", ".join(sorted(unknown))}, which "bits" does not')
            if self.faults and self.metric != "cooling_leak_state":
                raise ValueError(f'{self.metric} cannot be blind, remove "faults"')
        elif self.bits or self.faults:
            raise ValueError('"bits" and "faults" belong to "type": flags')
        elif self.quantity.dimension is None and not self.states:
            raise ValueError(f'{self.metric} needs "states"')
        return self


class RedfishPoint(_Point):
    """A property of a resource below the unit, or of each member of a collection."""

    path: Annotated[str, Field(description="resource below the unit; empty: the unit; /* at the end: each member")]
    property_: Annotated[str, Field(alias="property", description="JSON pointer into the resource")]
    expect: Annotated[list[Name], Field(description="members that must be there; a missing one is absent")] = []

    @property
    def collection(self) -> str | None:
        """The collection whose members are meant, or None when the path names one resource."""
        return self.path.removesuffix("/*") if self.path.endswith("/*") else None

    @model_validator(mode="after")
    def _fits_the_tree(self) -> Self:
        fixed = self.path if self.collection is None else self.collection
        if self.path and not all(_SEGMENT.fullmatch(segment) for segment in fixed.split("/")):
            raise ValueError(f'"path" is relative to the unit, such as "Pumps/*", got "{self.path}"')
        if not _POINTER.fullmatch(self.property_):
            raise ValueError(f'"property" is a JSON pointer such as "/PowerWatts/Reading", got "{self.property_}"')
        if self.collection is None and self.expect:
            raise ValueError('"expect" belongs to a path that ends in /*')
        if self.collection is not None and (self.part is not None or self.quantity.part is None):
            raise ValueError("the members of a collection name the parts, so the metric must have parts and no part")
        if self.quantity.dimension is None and not self.states:
            raise ValueError(f'{self.metric} needs "states"')
        return self


class SnmpPoint(_Point):
    """An object of an SNMP agent, or the rows of a column of a table."""

    oid: Annotated[str, Field(description="object with its index, such as 1.3.6.1.2.1.1.3.0; .* at the end: a column")]
    expect: Annotated[list[Name], Field(description="indexes of the rows of a column; each is a part")] = []

    @property
    def column(self) -> str | None:
        """The column whose rows are meant, or None when the OID names one object."""
        return self.oid.removesuffix(".*") if self.oid.endswith(".*") else None

    @property
    def objects(self) -> dict[str, str | None]:
        """The OID of every object that is read, and the part that it is, if it is one of several."""
        if self.column is None:
            return {self.oid: None}
        return {f"{self.column}.{row}": row for row in self.expect}

    @model_validator(mode="after")
    def _fits_the_agent(self) -> Self:
        if not _OID.fullmatch(self.oid) or any(int(step) >= 1 << 32 for step in self.oid.rstrip(".*").split(".")):
            bare = self.oid.removeprefix(".")
            hint = f'write it without the first dot, "{bare}"' if _OID.fullmatch(bare) else None
            raise Unfit(f'"oid" is a number with dots such as "1.3.6.1.2.1.1.3.0", got "{self.oid}"', hint)
        if (self.column is None) == bool(self.expect):
            raise ValueError('an "oid" that ends in .* needs "expect" with the indexes of its rows, any other has none')
        if self.column is not None and (self.part is not None or self.quantity.part is None):
            raise ValueError("the rows of a column name the parts, so the metric must have parts and no part")
        if strange := [row for row in self.expect if not _ROW.fullmatch(row)]:
            raise ValueError(f'"expect" has numbers with dots, got "{strange[0]}"')
        if self.quantity.dimension is None and not self.states:
            raise ValueError(f'{self.metric} needs "states"')
        return self
