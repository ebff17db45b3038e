"""What a cluster runs that others have made: named by version, place and digest, never copied."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from generator.spec.common import Strict
from generator.spec.site import HttpsUrl

Version = Annotated[str, Field(pattern=r"^v?[0-9][A-Za-z0-9.+-]{0,39}$", examples=["0.18.4"])]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", examples=["sha256:" + "0" * 64])]


class Part(Strict):
    """Manifests of others, such as a queue manager, a device plugin or a gateway."""

    version: Version = Field(description="Its version, for people.")
    source: HttpsUrl = Field(description="Where its manifests lie, one file.")
    digest: Digest = Field(description="SHA-256 of that file; anything else is not applied.")
