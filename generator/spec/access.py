"""How people and programs reach hosts and clusters, and who says who they are."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.functional_validators import BeforeValidator

from generator.spec.common import Network, PublicFile, SecretReference, Strict, got, refuse, refuse_login
from generator.spec.site import HttpsUrl


class Ssh(Strict):
    """How hosts prove who they are, and as whom operators log in."""

    authority: PublicFile | None = Field(
        None,
        description="Public key of the authority that signs host keys; one a line while a new one follows.",
    )
    known_hosts: PublicFile | None = Field(
        None,
        description="Host keys of nodes, where no authority signs them; center trust records them there.",
        examples=["path:known_hosts"],
    )
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}$")] = Field(
        "center", description="Login name.", examples=["center"]
    )
    keys: PublicFile | None = Field(None, description="Public keys of operators, one a line, placed on every host.")

    @model_validator(mode="after")
    def _knows_hosts_by_something(self) -> Self:
        if self.authority is None and self.known_hosts is None:
            raise refuse('needs "authority", the key that signs host keys, or "known-hosts", a file with host keys')
        return self


class Oidc(Strict):
    """The identity provider whose groups become members and administrators of tenants."""

    issuer: HttpsUrl = Field(description="Issuer.")


def _check_ldap(uri: object) -> object:
    refuse_login(uri, '"bind"')
    if isinstance(uri, str) and re.fullmatch(r"ldaps?://[a-z0-9.-]+(:[0-9]{1,5})?", uri):
        return uri
    raise refuse(f'needs the place of a directory such as "ldaps://id.mingyue.example", {got(uri)}')


LdapUri = Annotated[
    str, Field(pattern=r"^ldaps?://", examples=["ldaps://id.mingyue.example"]), BeforeValidator(_check_ldap)
]


_DN = r"^[A-Za-z]+=[^,=\x00-\x1f]+(,[A-Za-z]+=[^,=\x00-\x1f]+)*$"


class Ldap(Strict):
    """The directory that gives people their accounts and numbers on hosts."""

    uri: LdapUri = Field(description="Directory.")
    base: Annotated[str, Field(pattern=_DN, max_length=200)] = Field(
        description="Where people and groups are.", examples=["dc=mingyue,dc=example"]
    )
    reader: Annotated[str, Field(pattern=_DN, max_length=200)] | None = Field(
        None,
        description="Name as which hosts read it; default: anybody may.",
        examples=["cn=hosts,dc=mingyue,dc=example"],
    )
    bind: SecretReference | None = Field(
        None, description="Reference to the password of that reader.", examples=["vault:ldap#reader"]
    )


class Identity(Strict):
    """Who people are."""

    oidc: Oidc | None = Field(None, description="OpenID Connect provider: who people are in clusters and portals.")
    ldap: Ldap | None = Field(None, description="Directory: who people are on hosts.")


class Bmc(Strict):
    """Management controllers of the hosts."""

    credentials: SecretReference = Field(description="Reference to their login.", examples=["vault:bmc#default"])


class AccessSubject(Strict):
    """Access to hosts and clusters."""

    ssh: Ssh = Field(description="SSH.")
    from_: list[Network] | None = Field(
        None,
        alias="from",
        max_length=64,
        description="Networks from which operators and people log in; with it, each host has a firewall.",
        examples=[["10.8.0.0/24"]],
    )
    identity: Identity | None = Field(None, description="Identity of people.")
    bmc: Bmc | None = Field(None, description="Management controllers.")
