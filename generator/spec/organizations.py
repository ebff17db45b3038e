"""Organizations, their tenants, and the services that tenants run."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field
from pydantic.functional_validators import BeforeValidator

from generator.quantity import Money
from generator.spec.common import Date, Isolation, Name, Strict, Text, got, refuse

_SHARE = re.compile(r"[1-9][0-9]{0,6} (accelerators?|nodes?)")


def _check_share(text: object) -> object:
    if isinstance(text, str) and _SHARE.fullmatch(text):
        return text
    raise refuse(f'needs a share of a pool such as "64 accelerators" or "4 nodes", {got(text)}')


Share = Annotated[
    str,
    Field(pattern=r"^[1-9][0-9]* (accelerators?|nodes?)$", examples=["64 accelerators"]),
    BeforeValidator(_check_share),
]

_SUBJECT = re.compile(r"oidc:[A-Za-z0-9][A-Za-z0-9._@/-]{0,120}")


def _check_subject(text: object) -> object:
    if isinstance(text, str) and _SUBJECT.fullmatch(text):
        return text
    raise refuse(f'needs a group of the identity provider such as "oidc:vision", {got(text)}')


GroupReference = Annotated[str, Field(pattern=r"^oidc:.", examples=["oidc:vision"]), BeforeValidator(_check_subject)]


class Tenant(Strict):
    """A group of people with environments and quota of their own."""

    class_: Name = Field(alias="class", description="Tenant class of the catalogue.")
    admins: list[GroupReference] = Field(min_length=1, description="Groups that administer the tenant.")
    members: list[GroupReference] = Field(default_factory=list, description="Groups that work in the tenant.")
    environments: list[Name] = Field(default_factory=lambda: ["main"], min_length=1, description="Environments.")
    quota: dict[Name, Share] = Field(default_factory=dict, description="Share of each pool.")
    borrow: dict[Name, Share] = Field(default_factory=dict, description="What may be borrowed beyond the quota.")
    isolation: Isolation | None = Field(
        None,
        description="What stands between its pods and those of other organizations; default: as its class says, and "
        "less than that is a warning.",
    )
    until: Date | None = Field(None, description="Last day on which its work is admitted.")
    credit: Money | None = Field(None, description="What it may use up; without one, there is no limit.")
    title: Text | None = Field(None, description="Free text.")


class Organization(Strict):
    """An institution; its tenants share and lend quota among themselves."""

    tenants: dict[Name, Tenant] = Field(min_length=1, description="Tenants by name.")
    weight: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="Fair share against other organizations.")
    guarantee: dict[Name, Share] = Field(
        default_factory=dict, description="Part of its tenants' quota that it never lends to other organizations."
    )
    title: Text | None = Field(None, description="Free text.")


class Service(Strict):
    """A service that a tenant runs; its kind is a folder of templates."""

    kind: Name = Field(description="Service of the catalogue: a folder below templates/services.")
    tenant: Name = Field(description="Tenant that runs it.")
    pool: Name = Field(description="Pool that it runs on.")
    environment: Name = Field("main", description="Environment of the tenant.")
    inputs: dict[Name, Any] = Field(default_factory=dict, description="Inputs that the service declares.")


class Acceptance(Strict):
    """A warning that somebody has looked at and taken responsibility for."""

    why: Text = Field(min_length=8, description="The reason, for the next reader.")
    until: Date | None = Field(None, description="Last day on which it is accepted.")
