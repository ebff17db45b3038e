"""What offers the accelerators of a vendor in a cluster: programs by image, or a part that others have made."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.functional_validators import BeforeValidator

from generator.spec.common import Name, Strict, got, refuse

_IMAGE = re.compile(
    r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9._-]+)+(:[A-Za-z0-9._-]{1,128})?@sha256:[0-9a-f]{64}"
)


def _check_image(image: object) -> object:
    if isinstance(image, str) and len(image) <= 500 and _IMAGE.fullmatch(image):
        return image
    # A tag may mean another program tomorrow, and this one runs as root on every node.
    raise refuse(f'needs an image with its digest, such as "registry.example/plugin@sha256:...", {got(image)}')


PinnedImage = Annotated[
    str,
    Field(pattern=r"@sha256:[0-9a-f]{64}$", examples=["registry.example/plugin@sha256:" + "0" * 64]),
    BeforeValidator(_check_image),
]


class Devices(Strict):
    """Who offers the accelerators of one vendor to pods, and who tells how they are."""

    plugin: PinnedImage | None = Field(
        None, description="The site's copy of the device plugin, which the catalogue knows how to run."
    )
    part: Name | None = Field(
        None, description="Part of the cluster that brings a device plugin or a driver in its place."
    )
    claims: bool = Field(
        False,
        description="Whether that part is a driver, of which pods claim devices instead of asking for a resource.",
    )
    exporter: PinnedImage | None = Field(
        None, description="The site's copy of the exporter of metrics, for hosts that have none of their own."
    )

    @model_validator(mode="after")
    def _offers_once(self) -> Self:
        if (self.plugin is None) == (self.part is None):
            raise refuse('needs either "plugin", an image, or "part", the name of a part of the cluster')
        if self.claims and self.part is None:
            raise refuse('has "claims", which a driver serves; name the "part" that brings it')
        return self
