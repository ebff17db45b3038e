"""What every subject of the spec shares: strict keys, names, references, ranges of names."""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError


def kebab(name: str) -> str:
    """The spelling of a field in YAML: ``dry_bulb`` is ``dry-bulb``."""
    return name.replace("_", "-")


class Strict(BaseModel):
    """A mapping with known keys only; keys are written with dashes, values are not converted."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, alias_generator=kebab, populate_by_name=False, defer_build=True
    )
    hints: ClassVar[dict[str, str]] = {}
    """What helps where a key is missing."""

    @classmethod
    def around(cls, written: str) -> str | None:
        """This mapping around a value that stands alone; None where that is no slip that we know."""
        return None


def got(value: object) -> str:
    """What stood there, as a finding shows it."""
    if value is None:
        return "got nothing"
    return f'got "{value[:60]}"' if isinstance(value, str) else f"got {str(value)[:60]}"


def refuse(sentence: str) -> PydanticCustomError:
    """A finding of ours from inside a model; the sentence is shown to the user as it is."""
    return PydanticCustomError("spec", "{sentence}", {"sentence": sentence})


def refuse_secret(sentence: str) -> PydanticCustomError:
    """The same about a value that may be a secret: neither it nor its line is shown."""
    return PydanticCustomError("secret", "{sentence}", {"sentence": sentence})


def refuse_login(place: object, where: str = "") -> None:
    """A place with a login in it is refused without being repeated; `where` says where the login belongs."""
    if isinstance(place, str) and "@" in place:
        belongs = f", say a reference to it in {where}" if where else ""
        raise refuse_secret(f"may not carry a login; take it out{belongs} and change it: it has been read")


# Patterns stand before our own check, which runs first and says more; they are what editors get to know.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def _check_name(name: object) -> object:
    if not isinstance(name, str) or not _LABEL.fullmatch(name) or "--" in name:
        raise refuse(f"needs a name of lower-case letters, digits, single dashes, at most 40 characters, {got(name)}")
    return name


Name = Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9])*$", max_length=40), BeforeValidator(_check_name)]


Isolation = Literal["shared", "sandbox", "dedicated"]
"""What stands between pods of different organizations: one kernel for all, a sandbox, or nodes of their own."""


def _check_text(text: str) -> str:
    if len(text) > 2000:
        raise refuse("is longer than 2,000 characters")
    return text


Text = Annotated[str, AfterValidator(_check_text)]

_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def _check_host(host: object) -> object:
    refuse_login(host)
    if isinstance(host, str):
        if _DOMAIN.fullmatch(host):
            return host
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            pass
    raise refuse(f"needs a host name or an IP address, {got(host)}")


Host = Annotated[str, Field(pattern=r"^[a-z0-9.:-]{1,253}$"), BeforeValidator(_check_host)]
Domain = Annotated[
    str, Field(pattern=r"^[a-z0-9.-]{1,253}$", examples=["mingyue.example"]), BeforeValidator(_check_host)
]


def _check_network(network: object) -> object:
    try:
        if isinstance(network, str) and "/" in network:
            return str(ipaddress.IPv4Network(network))
    except ValueError:
        pass
    raise refuse(f'needs an IPv4 network such as "10.16.0.0/14" without host bits, {got(network)}')


Network = Annotated[
    str,
    Field(pattern=r"^[0-9]+(\.[0-9]+){3}/[0-9]+$", examples=["10.16.0.0/14"]),
    BeforeValidator(_check_network),
]


def _check_address(address: object) -> object:
    try:
        if isinstance(address, str):
            return str(ipaddress.IPv4Address(address))
    except ValueError:
        pass
    raise refuse(f'needs an IPv4 address such as "10.16.0.0", {got(address)}')


Address = Annotated[
    str, Field(pattern=r"^[0-9]+(\.[0-9]+){3}$", examples=["10.16.0.0"]), BeforeValidator(_check_address)
]

_PUBLIC = re.compile(r"path:[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_SECRET = re.compile(
    r"env:[A-Z_][A-Z0-9_]*|file:[A-Za-z0-9_./-]+|vault:[A-Za-z0-9_./-]+#[A-Za-z0-9_.-]+|store:[a-z0-9-]+#[A-Za-z0-9_.-]+"
)


def _check_public(reference: object) -> object:
    if (
        isinstance(reference, str)
        and _PUBLIC.fullmatch(reference)
        and ".." not in reference.removeprefix("path:").split("/")
    ):
        return reference
    raise refuse(f'needs a public file beside the spec such as "path:ssh_ca.pub", {got(reference)}')


def _check_secret(reference: object) -> object:
    if isinstance(reference, str) and _SECRET.fullmatch(reference):
        return reference
    # The value is not repeated: it may be the secret itself.
    raise refuse_secret(
        'needs a reference to a secret such as "env:CDU_LOGIN" or "vault:facility#tanks", not the secret'
    )


PublicFile = Annotated[
    str, Field(pattern=r"^path:[A-Za-z0-9_.-]", examples=["path:ssh_ca.pub"]), BeforeValidator(_check_public)
]
SecretReference = Annotated[
    str, Field(pattern=r"^(env|file|vault|store):", examples=["env:CDU_LOGIN"]), BeforeValidator(_check_secret)
]

_RANGE = re.compile(r"(?P<prefix>[a-z](?:[a-z0-9-]{0,38}[a-z-])?)(?P<first>[0-9]{1,6})(?:\.\.(?P<last>[0-9]{1,6}))?")


@dataclass(frozen=True, slots=True)
class NameRange:
    """Numbered names: ``a01..24`` is prefix ``a``, numbers 1 to 24, two digits wide."""

    prefix: str
    first: int
    last: int
    width: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``a01``, ``a01..24`` or ``cdu-1..3``; raises ValueError with the sentence for the user."""
        match = _RANGE.fullmatch(text)
        if match is None or "--" in text:
            raise ValueError(f'needs a name or a range such as "a01..24", got "{text[:60]}"')
        first, last = match["first"], match["last"] or match["first"]
        if int(last) < int(first):
            raise ValueError(f'the range "{text[:60]}" ends before it begins')
        if "0" in (first[0], last[0]) and len(first) != len(last):
            raise ValueError(f'the range "{text[:60]}" changes its number of digits')
        width = len(first) if first.startswith("0") or len(first) == len(last) else 1
        return cls(match["prefix"], int(first), int(last), width)

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def name(self, number: int) -> str:
        return f"{self.prefix}{number:0{self.width}d}"

    def names(self) -> Iterator[str]:
        return (self.name(number) for number in range(self.first, self.last + 1))

    def overlaps(self, other: NameRange) -> bool:
        return self.prefix == other.prefix and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        last = f"{self.last:0{self.width}d}"
        return self.name(self.first) + (f"..{last}" if self.count > 1 else "")


def _check_range(text: object) -> object:
    if not isinstance(text, str):
        raise refuse(f'needs a name or a range such as "a01..24", {got(text)}')
    try:
        NameRange.parse(text)
    except ValueError as error:
        raise refuse(str(error)) from None
    return text


RangeText = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9-]*[0-9]+(\.\.[0-9]+)?$", examples=["a01..24"]), BeforeValidator(_check_range)
]

Redundancy = Literal["N", "N+1"]


def _check_date(text: object) -> object:
    try:
        if isinstance(text, str) and len(text) == 10:
            return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise refuse(f'needs a date such as "2027-01-31", {got(text)}')


Date = Annotated[
    str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", examples=["2027-01-31"]), BeforeValidator(_check_date)
]
"""A day in ISO 8601; as text its order is that of the calendar. The day itself still counts."""
