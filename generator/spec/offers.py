"""What the centre offers besides machines: open data and a price list."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from generator.quantity import Capacity, Duration, Percentage
from generator.spec.common import Name, Strict, Text


class DataSet(Strict):
    """Data that the centre keeps and shares."""

    title: Text = Field(description="Free text in any language.")
    owner: Name = Field(description="Tenant that answers for it.")
    access: Literal["open", "registered", "restricted"] = Field(description="Who may read it.")
    license: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]{2,60}$")] | None = Field(
        None, description="SPDX name of its licence; open data needs one.", examples=["CC-BY-4.0"]
    )
    size: Capacity = Field(description="How much it takes.")
    storage: Name = Field(description="File system that holds it.")
    updated: Duration | None = Field(None, description="How often it is renewed.")


class Prices(Strict):
    """What tenants pay: a plan of the catalogue, and discounts."""

    plan: Name = Field(description="Price plan of the catalogue.")
    discounts: dict[Name, Percentage] = Field(default_factory=dict, description="Discount for each tenant class.")
