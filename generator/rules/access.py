"""Access: people are somebody, logins travel protected, and secrets are never in the spec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from generator.known_hosts import PEOPLE_KINDS, is_key
from generator.model import Center
from generator.problems import Path
from generator.rules import Finding, rule

# What is told apart is told by name, never by the value: a finding is read by strangers.
_SECRETS = {
    "a private key": re.compile(r"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----"),
    "a key of a cloud account": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of a code forge": re.compile(
        r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,})"
    ),
    "a token of a chat service": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a key of a model service": re.compile(r"\b(sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,})"),
    "a signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    "a login inside an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s:@]+@"),
}
_NAMES = r"(?:pass(?:word|wd|phrase)|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|密码|口令)"
# A value that a shell or Kubernetes fills in is a name, and so is a reference of ours.
_GIVEN = r"(?!\$|<|\*|(?:env|file|vault|store):|[\"']?\$)[^\s,;]{4,}"
_ASSIGNED = re.compile(rf"(?i)(?:^|[\s\"'_-]){_NAMES}[\"']?\s*[=:：]\s*{_GIVEN}")
_OPTION = re.compile(rf"(?i)--?(?:[a-z0-9]+[-_])*{_NAMES}")


@rule("access.no-identity", severity="warning")
def groups_have_a_provider(center: Center) -> Iterator[Finding]:
    """Tenants are groups of an identity provider; without one nobody can log in as a member of any."""
    identity = center.spec.access.identity
    if identity and identity.oidc:
        return
    for tenant in center.tenants.values():
        named = [cluster for share in tenant.quota for cluster in share.pool.clusters]
        clusters = [name for name in named if center.clusters[name].kind == "kubernetes"]
        if clusters:
            message = f'"{tenant.admins[0]}" has rights in cluster "{clusters[0]}", and no identity provider is named'
            yield Finding(("access",), message, 'say "identity: {oidc: {issuer: ...}}"', at_key=True)
            return


@rule("access.no-accounts", severity="warning")
def people_have_accounts_on_hosts(center: Center) -> Iterator[Finding]:
    """Batch jobs run as the person who sent them: without a directory, each host would know other people."""
    identity = center.spec.access.identity
    if identity and identity.ldap:
        return
    for pool in center.pools.values():
        slurm = any(center.clusters[name].kind == "slurm" for name in pool.clusters)
        shared = slurm and any(share.pool is pool for tenant in center.tenants.values() for share in tenant.quota)
        if shared or (pool.role == "login" and center.tenants and center.counts[pool.name]):
            what = "people log in" if pool.role == "login" else "batch jobs of tenants run"
            message = f'{what} on pool "{pool.name}", and no directory gives them accounts'
            hint = 'say "identity: {ldap: {uri: ..., base: ...}}"'
            yield Finding(("access",), message, hint, at_key=True)
            return


@rule("access.plain-ldap")
def directories_are_read_protected(center: Center) -> Iterator[Finding]:
    """Without TLS, every host sends its login for the directory in clear text, and believes any answer."""
    identity = center.spec.access.identity
    if identity and identity.ldap and identity.ldap.uri.startswith("ldap://"):
        what = "login for" if identity.ldap.bind else "accounts of"
        message = f'the {what} directory "{identity.ldap.uri}" would cross the network in clear text'
        hint = f'use "{identity.ldap.uri.replace("ldap://", "ldaps://")}"'
        yield Finding(("access", "identity", "ldap", "uri"), message, hint)


@rule("access.ldap-reader")
def readers_have_a_name_and_a_password(center: Center) -> Iterator[Finding]:
    """A directory asks for a name and a password together; with one of them hosts are refused, or read as nobody."""
    identity = center.spec.access.identity
    if identity and identity.ldap and bool(identity.ldap.reader) != bool(identity.ldap.bind):
        has, lacks = ("bind", "reader") if identity.ldap.bind else ("reader", "bind")
        message = f'hosts read directory "{identity.ldap.uri}" with "{has}" and without "{lacks}"'
        hint = 'say both, the name in "reader" and a reference to its password in "bind", or neither'
        yield Finding(("access", "identity", "ldap", has), message, hint)


@rule("access.locked-out")
def operators_reach_the_hosts(center: Center) -> Iterator[Finding]:
    """A firewall that lets nobody log in also keeps out whoever would have to correct it."""
    if center.spec.access.from_ == []:
        message = "the firewall of every host would refuse each login, also yours"
        yield Finding(("access", "from"), message, "name the networks that operators log in from, or leave it out")


@rule("access.trust")
def trusted_files_hold_certificates(center: Center) -> Iterator[Finding]:
    """What hosts are told to trust is public: certificates of authorities, as PEM, and no key of one."""
    reference = center.spec.network.trust
    if reference is None:
        return
    text = center.public_files[reference]
    if _SECRETS["a private key"].search(text):
        message, hint = f'"{reference}" holds a private key', "keep its certificates only, and change the key"
    elif "-----BEGIN CERTIFICATE-----" not in text:
        message, hint = f'"{reference}" holds no certificate', 'it needs blocks "-----BEGIN CERTIFICATE-----"'
    else:
        return
    yield Finding(("network", "trust"), message, hint)


@rule("access.ssh-key")
def files_of_keys_hold_keys(center: Center) -> Iterator[Finding]:
    """A line that is no key is passed over by OpenSSH without a word: nobody is trusted, nobody can log in."""
    ssh = center.spec.access.ssh
    for field, reference in (("authority", ssh.authority), ("keys", ssh.keys)):
        lines = center.public_files[reference].splitlines() if reference else []
        said = {number: line.split() for number, line in enumerate(lines, 1) if line.split("#")[0].strip()}
        wrong = [number for number, words in said.items() if not _is_key(words, options=field == "keys")]
        if reference and (wrong or not said):
            message = f'line {wrong[0]} of "{reference}" is no public key' if wrong else f'"{reference}" holds no key'
            hint = 'each line is a key as "ssh-keygen" writes it: KIND KEY NAME'
            yield Finding(("access", "ssh", field), message, hint)


def _is_key(words: Sequence[str], options: bool) -> bool:
    """Whether a line is a key; what an operator may do with it can stand before."""
    pairs = list(pairwise(words))
    return any(kind in PEOPLE_KINDS and is_key(kind, key) for kind, key in (pairs if options else pairs[:1]))


@rule("access.bmc", severity="warning")
def management_controllers_have_a_login(center: Center) -> Iterator[Finding]:
    """A management controller can switch its host off; with an address but without a login it keeps the maker's."""
    plans = center.spec.network.plans
    if plans.bmc and center.spec.access.bmc is None:
        message = f"management controllers have addresses ({plans.bmc}), and no login for them is named"
        yield Finding(("network", "plans", "bmc"), message, 'say "bmc: {credentials: "vault:FILE#KEY"}" in access')


@rule("access.unknown-hosts", severity="warning")
def hosts_are_known(center: Center) -> Iterator[Finding]:
    """A host whose key nobody vouches for and nobody has recorded is not contacted: it could be anybody."""
    ssh = center.spec.access.ssh
    if ssh.authority or not ssh.known_hosts:
        return
    path = ("access", "ssh", "known-hosts")
    for pool in center.pools.values():
        unknown = [node.name for node in center.nodes_of([pool]) if node.name not in center.known_hosts]
        if unknown:
            count = "1 node" if center.counts[pool.name] == 1 else f"{center.counts[pool.name]} nodes"
            message = (
                f'no host key is recorded of {len(unknown)} of {count} of pool "{pool.name}", first "{unknown[0]}"'
            )
            yield Finding(path, message, 'run "center trust", which reads, shows and records them')


@rule("secret.literal")
def secrets_stay_outside(center: Center) -> Iterator[Finding]:
    """A spec is reviewed, copied and kept for ever: what was a secret when it was typed is one no longer."""
    for path, text, before in _texts(center.spec.model_dump(by_alias=True, exclude_none=True), ()):
        what = _secret(text, before)
        if what:
            message = f"looks like {what}, which may not stand in a spec"
            hint = 'say a reference such as "env:NAME", and change the secret: it has been read'
            yield Finding(path, message, hint, hidden=True)


def _texts(value: Any, path: Path, before: str = "") -> Iterator[tuple[Path, str, str]]:
    """Every text of the spec, with what stands before it in its list."""
    if isinstance(value, str):
        yield path, value, before
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            last = value[index - 1] if index else ""
            yield from _texts(part, (*path, index), last if isinstance(last, str) else "")


def _secret(text: str, before: str) -> str | None:
    """What a text seems to be, if it is a secret; a word after ``--password`` is one."""
    found = next((what for what, pattern in _SECRETS.items() if pattern.search(text)), None)
    if found is None and (_ASSIGNED.search(text) or (_OPTION.fullmatch(before) and re.match(_GIVEN, text))):
        return "a password or a token"
    return found
