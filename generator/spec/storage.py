"""File systems that clusters mount: external ones, or on nodes of a pool of the centre."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.functional_validators import BeforeValidator

from generator.quantity import Capacity
from generator.spec.common import Host, Name, SecretReference, Strict, Text, got, refuse

_KINDS = Literal["nfs", "lustre", "cephfs", "beegfs", "gpfs"]
_SYSTEM = ("/", "/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr", "/var")


def _check_mount(path: object) -> object:
    if not isinstance(path, str) or not path.startswith("/") or "//" in path or ".." in path:
        raise refuse(f'needs an absolute path such as "/home", {got(path)}')
    if path.rstrip("/") in ("", *_SYSTEM):
        raise refuse(f"may not hide a folder of the operating system, {got(path)}")
    return path


MountPoint = Annotated[
    str,
    Field(pattern=r"^/[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*$", max_length=120, examples=["/scratch"]),
    BeforeValidator(_check_mount),
]


class FileSystem(Strict):
    """A shared file system."""

    kind: _KINDS = Field(description="Protocol.")
    servers: list[Host] = Field(default_factory=list, description="External servers; or say the pool.", max_length=64)
    pool: Name | None = Field(None, description="Pool of storage nodes that serves it; or say the servers.")
    export: Annotated[str, Field(pattern=r"^/?[A-Za-z0-9._/-]{1,120}$")] = Field(
        description="What the servers export.", examples=["/export/home"]
    )
    mount: MountPoint = Field(description="Where nodes mount it.")
    purpose: Literal["home", "project", "scratch", "data", "software"] = Field(description="What it is for.")
    clusters: list[Name] = Field(min_length=1, description="Clusters whose workers and login nodes mount it.")
    fabric: Name | None = Field(None, description="Fabric that its servers are on; default: every node reaches them.")
    secret: SecretReference | None = Field(
        None,
        description="Reference to the key with which nodes mount it, where its kind has one.",
        examples=["vault:storage#project"],
    )
    capacity: Capacity | None = Field(None, description="Usable size.")
    quota: Capacity | None = Field(None, description="Limit of a home for each person, of the rest for each tenant.")
    title: Text | None = Field(None, description="Free text.")
