"""The operator's kubeconfig: read without running a command from it and without leaving its keys on a disk."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.apply.operator import operator
from generator.problems import Problem, Refused, did_you_mean
from generator.text import visible

if TYPE_CHECKING:
    from kubernetes.client import Configuration

Json = dict[str, Any]
KUBECONFIG_BYTES = 2**20
LOOPBACK = "localhost,127.0.0.0/8,::1"


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cluster: a kubeconfig, a context in it, and whether commands named in it may be run."""

    kubeconfig: Path
    context: str | None = None
    allow_commands: bool = False


def accesses(given: Sequence[str], clusters: Sequence[str]) -> dict[str, Access]:
    """How to reach clusters: each `given` is a FILE or CLUSTER=FILE; clusters that none of them reaches are left out.

    In a file the context with the cluster's own name counts; else the current one, if the file is for that cluster
    alone. Refused when a name is none of `clusters`. What is wrong with a file shows when it is used.
    """
    own: dict[str, Path] = {}
    shared: list[Path] = []
    for word in given:
        name, equals, file = word.partition("=")
        if not (file if equals else word):
            raise Refused([Problem("usage.kubeconfig", f'"{visible(word)}" names no kubeconfig', hint="CLUSTER=FILE")])
        if not equals or "/" in name:
            shared.append(Path(word))
        elif name in clusters:
            own[name] = Path(file)
        else:
            check_known([name], clusters)
    contexts = {file: _contexts(file) for file in (*own.values(), *shared)}
    found: dict[str, Access] = {}
    for name in clusters:
        files = [own[name]] if name in own else shared
        holding = next((file for file in files if name in contexts[file]), None)
        if holding:
            found[name] = Access(holding, name, _may_command(holding))
        elif len(files) == 1 and (name in own or len(clusters) == 1):
            found[name] = Access(files[0], None, _may_command(files[0]))
    return found


def _may_command(file: Path) -> bool:
    return file.resolve() in operator().commanding


def check_known(names: Iterable[str], known: Collection[str]) -> None:
    """Refused for the first of these clusters that is none of the known ones."""
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"clusters: {', '.join(known)}"
            message = f'the tree has no cluster "{visible(name)}"'
            raise Refused([Problem("usage.unknown-cluster", message, hint=hint)])


def out_of_reach(cluster: str, hint: str) -> Problem:
    """The finding about a cluster that no kubeconfig reaches."""
    return Problem("cluster.kubeconfig", f'nothing says how to reach cluster "{cluster}"', hint=hint)


def _contexts(file: Path) -> list[str]:
    """The contexts of a kubeconfig; none when it cannot be read."""
    try:
        return [context["name"] for context in _content(file)["contexts"]]
    except (_Unreadable, LookupError, TypeError):
        return []


class _Unreadable(Exception):
    """A file that is no kubeconfig, and why."""


def _content(file: Path) -> Json:
    import yaml

    if file.exists() and not file.is_file():  # a pipe would be waited for
        raise _Unreadable("is no file")
    try:
        with file.open("rb") as opened:
            text = opened.read(KUBECONFIG_BYTES + 1)
        if len(text) > KUBECONFIG_BYTES:
            raise _Unreadable(f"is larger than {KUBECONFIG_BYTES} bytes")
        content = yaml.safe_load(text)
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _Unreadable(f"is no kubeconfig ({type(error).__name__}: {visible(error)})") from error
    if not isinstance(content, dict):
        raise _Unreadable("is no kubeconfig")
    return content


def read_kubeconfig(access: Access, secrets: contextlib.ExitStack) -> Configuration:
    """Read the operator's kubeconfig; Refused if it is unusable, unsafe, or would run a command unasked."""
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader

    def refused(message: str, hint: str | None = None) -> Refused:
        return Refused([Problem("cluster.kubeconfig", f'kubeconfig "{access.kubeconfig}": {message}', hint=hint)])

    try:
        content = _content(access.kubeconfig)
        cluster, user = _chosen(content, access.context)
    except _Unreadable as error:
        raise refused(str(error)) from error
    except (LookupError, TypeError) as error:
        raise refused(f"is no kubeconfig ({type(error).__name__}: {visible(error)})") from error
    if not access.allow_commands and (how := user.keys() & {"exec", "auth-provider"}):
        hint = 'allow it in your operator.yaml, "kubernetes: {allow-commands: [FILE]}", or use a certificate or a token'
        raise refused(f'gets its credentials by "{min(how)}", which may run a command', hint)
    for holder, name in (
        (cluster, "certificate-authority"),
        (user, "client-certificate"),
        (user, "client-key"),
    ):
        if encoded := holder.pop(f"{name}-data", None):
            holder[name] = _in_memory(base64.b64decode(encoded), secrets)
    configuration = Configuration()
    try:
        folder = str(access.kubeconfig.resolve().parent)
        loader = KubeConfigLoader(content, active_context=access.context, config_base_path=folder)  # type: ignore[no-untyped-call]
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, TypeError, ValueError) as error:
        raise refused(visible(error)) from error
    if "proxy-url" not in cluster:
        # As kubectl does: a proxy of the environment knows nothing of this machine's loopback.
        configuration.no_proxy = ",".join(filter(None, (configuration.no_proxy, LOOPBACK)))
    if not configuration.host.startswith("https://") or not configuration.verify_ssl:
        raise refused("does not verify the API server (https with a certificate authority is needed)")
    return configuration


def _chosen(content: Json, context: str | None) -> tuple[Json, Json]:
    """The cluster and the user that a context names; LookupError or TypeError if the file is not a kubeconfig."""

    def named(section: str, name: str) -> Json:
        for entry in content[section]:
            if entry["name"] == name:
                found = entry[section.removesuffix("s")]
                if isinstance(found, dict):
                    return found
        raise LookupError(f'no "{name}" in {section}')

    chosen = named("contexts", context or content["current-context"])
    return named("clusters", chosen["cluster"]), named("users", chosen["user"]) if "user" in chosen else {}


def _in_memory(secret: bytes, secrets: contextlib.ExitStack) -> str:
    """A path to the bytes that lives and dies with this process, so that a killed run leaves no key on a disk."""
    descriptor = os.memfd_create("center")
    secrets.callback(os.close, descriptor)
    os.write(descriptor, secret)
    return f"/proc/self/fd/{descriptor}"
