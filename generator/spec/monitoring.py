"""Whom the alerts of the centre reach."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field
from pydantic.functional_validators import BeforeValidator

from generator.spec.common import Name, Strict, got, refuse
from generator.spec.devices import PinnedImage
from generator.spec.site import HttpsUrl

_MAILBOX = re.compile(
    r"[a-z0-9](?:[a-z0-9._+-]{0,62}[a-z0-9])?@(?=.{1,253}$)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+", re.I
)
_RELAY = re.compile(r"(?=.{1,253}:)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*:[0-9]{1,5}")
_FILE = re.compile(r"file:(/[A-Za-z0-9._-]+)+")


def _check_mailbox(text: object) -> object:
    if isinstance(text, str) and _MAILBOX.fullmatch(text):
        return text
    raise refuse(f'needs a mail address such as "cooling@mingyue.example", {got(text)}')


def _check_relay(text: object) -> object:
    if isinstance(text, str) and _RELAY.fullmatch(text) and 0 < int(text.rpartition(":")[2]) < 65536:
        return text
    raise refuse(f'needs a mail server with its port such as "mail.mingyue.example:25", {got(text)}')


def _check_token(text: object) -> object:
    if isinstance(text, str) and _FILE.fullmatch(text):
        return text
    raise refuse(f'needs a file of the monitor nodes such as "file:/etc/center/credentials/pager", {got(text)}')


Mailbox = Annotated[
    str, Field(pattern=r"^[^@ ]+@[^@ ]+$", examples=["cooling@mingyue.example"]), BeforeValidator(_check_mailbox)
]
Relay = Annotated[
    str, Field(pattern=r"^[a-z0-9.-]+:[0-9]+$", examples=["mail.mingyue.example:25"]), BeforeValidator(_check_relay)
]
Token = Annotated[
    str, Field(pattern=r"^file:/", examples=["file:/etc/center/credentials/pager"]), BeforeValidator(_check_token)
]


class Webhook(Strict):
    """A program that takes alerts as JSON: a pager, a ticket system, a chat."""

    kind: Literal["webhook"] = Field(description="How it is reached.")
    url: HttpsUrl = Field(description="Where it takes alerts; no login in it.")
    token: Token | None = Field(None, description="File on the monitor nodes with its bearer token.")


class Mail(Strict):
    """People who read mail."""

    kind: Literal["mail"] = Field(description="How they are reached.")
    to: list[Mailbox] = Field(min_length=1, description="Who gets it.")
    from_: Mailbox = Field(alias="from", description="Who sends it.")
    relay: Relay = Field(description="Mail server that takes it from the monitor nodes; it must speak TLS.")


Receiver = Annotated[Webhook | Mail, Field(discriminator="kind")]


class ExporterPod(Strict):
    """The exporter of cooling devices as a pod, where Prometheus runs in a cluster too."""

    cluster: Name = Field(description="Kubernetes cluster that runs it.")
    image: PinnedImage = Field(description="Your image of it, by digest.")


class MonitoringSubject(Strict):
    """Whom alerts reach, and what reads the devices."""

    exporter: ExporterPod | None = Field(
        None, description="Reads devices from a cluster instead of from monitor nodes."
    )
    receivers: dict[Name, Receiver] = Field(default_factory=dict, description="Who can be told, by name.")
    critical: list[Name] = Field(default_factory=list, description="Who is told at once, at night too.")
    warning: list[Name] = Field(default_factory=list, description="Who is told of what can wait until morning.")
