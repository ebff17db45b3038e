"""How a value stands in a text format: each syntax quotes what it can carry and refuses the rest.

A carrier gets the value and the text before and after it on its line, so it knows whether it stands in a key, a value
or inside quotes. Refusing is always safe; guessing never is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Carrier = Callable[[str, str, str], str]

# What no text format of ours carries: controls and line ends, directions that make text look like other text
# (bidirectional overrides), characters that are not characters, and lone surrogates.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff\ud800-\udfff]"
)
_WORD = re.compile(r"[A-Za-z0-9_.:/][A-Za-z0-9_.:/@+=,~-]*|-?[0-9]+(?:\.[0-9]+)?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PATH = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_NETWORK = re.compile(rf"{_OCTET}(\.{_OCTET}){{3}}(/(3[0-2]|[12]?[0-9]))?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class CannotCarry(ValueError):
    """The reason why a value cannot stand where a template wants it."""


def carry(syntax: str, value: str, before: str, after: str) -> str:
    """The value as that syntax writes it between these parts of its line; raises CannotCarry."""
    if syntax not in _CARRIERS:
        raise CannotCarry(f'no text syntax is called "{syntax}"; there are {", ".join(sorted(_CARRIERS))}')
    if found := _CONTROL.search(value):
        raise CannotCarry(f"a text file cannot carry the character U+{ord(found.group()):04X}: {value!r:.60}")
    if before.lstrip().startswith("#") and syntax != "markdown":
        _require(not value.endswith("\\"), value, "a backslash would continue the comment")
        return value
    return _CARRIERS[syntax](value, before, after)


def prometheus_text(value: str) -> str:
    """Text that stays as it is when Prometheus expands an annotation or a label of a rule as a Go template."""
    return value.replace("{", '{{ "{" }}')


def kubernetes_text(value: str) -> str:
    """Text that stays as it is when a kubelet expands $(NAME) in a container's command, args or env."""
    return value.replace("$", "$$")


def _require(condition: object, value: str, reason: str) -> None:
    if not condition:
        raise CannotCarry(f"{reason}: {value!r:.60}")


def _quote_open(text: str) -> str:
    """The quote that is still open at the end of this text, or an empty string."""
    mark, escaped = "", False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and mark != "'":
            escaped = True
        elif mark:
            mark = "" if character == mark else mark
        elif character in "\"'":
            mark = character
    return mark


def _plain(value: str, before: str, after: str) -> str:
    return value


def _word(value: str, before: str, after: str) -> str:
    """For formats whose lines are words: hosts, ssh_config, chrony.conf, sources.list."""
    _require(_WORD.fullmatch(value), value, "only one plain word can stand here")
    return value


def _sysctl(value: str, before: str, after: str) -> str:
    if "=" not in before:
        _require(_NAME.fullmatch(value), value, "a kernel setting has a plain name")
    for word in value.split(" "):
        _word(word, before, after)
    return value


def _ini(value: str, before: str, after: str) -> str:
    """The readers of ini files disagree about quotes, comments and expansion: only what all read alike."""
    if "=" not in before:
        _require(_NAME.fullmatch(value), value, "a section or a key has a plain name")
    _require(value == value.strip(), value, "blanks around a value get lost")
    _require(not re.search(r"(^|\s)[#;]", value), value, "this would begin a comment")
    _require(not re.search(r"^[\"'`]|\\$", value), value, "leading quotes and a last backslash have a meaning")
    _require(not re.search(r"%|\$\{|\$__", value), value, "some readers would expand this")
    return value


def _slurm(value: str, before: str, after: str) -> str:
    """A line is split at blanks and cut at `#`; double quotes hold a whole value and know no escapes."""
    inside = before.count('"') % 2
    if not inside and "=" not in before.rpartition(" ")[2]:
        _require(_VARIABLE.fullmatch(value), value, "a setting has a plain name")
    _require(not set(value) & set('"#\\'), value, "slurm.conf cannot hold quotes, # or a backslash in a value")
    if inside or (value and not re.search(r"\s", value)):
        return value
    _require(before.endswith("=") and after[:1] in ("", " "), value, "blanks can stand in a whole value only")
    return f'"{value}"'


def _systemd(value: str, before: str, after: str) -> str:
    """Unit files expand `%` everywhere and `$` in commands; only commands and Environment= surely know quotes."""
    directive, assigned, written = before.partition("=")
    directive, written = directive.strip(), written.lstrip()
    if not assigned:
        _require(_NAME.fullmatch(value), value, "a section or a directive has a plain name")
        return value
    if directive == "Description":
        _require(value == value.strip() and not value.endswith("\\"), value, "blanks and a last backslash get lost")
        return value.replace("%", "%%")
    command = directive.startswith("Exec")
    if not command and directive != "Environment":
        _require(_WORD.fullmatch(value.replace("%", "")), value, f"{directive}= takes one plain word")
        return value.replace("%", "%%")
    if command and " " not in written:  # the program itself: prefixes mean something, `$` is not expanded
        _require(_WORD.fullmatch(value), value, "a program has a plain path")
        _require("/" in written or value.startswith("/"), value, "a program has an absolute path")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    escaped = escaped.replace("$", "$$") if command else escaped
    quote = _quote_open(written)
    if quote == '"' or (not quote and _WORD.fullmatch(value)):
        return escaped
    whole = (not written or written.endswith(" ")) and after[:1] in ("", " ")
    _require(whole and not quote, value, "put double quotes around the whole argument")
    return f'"{escaped}"'


def _shell(value: str, before: str, after: str) -> str:
    """Assignments that sh and systemd's EnvironmentFile= read alike."""
    if "=" not in before:
        _require(_VARIABLE.fullmatch(value), value, "a variable has a plain name")
    quote = _quote_open(before)
    if not value or (_WORD.fullmatch(value) and "~" not in value):
        return value
    whole = before.endswith("=") and not after
    for mark, special in {"'": "'", '"': '"\\$`'}.items():
        if not set(value) & set(special):
            if quote == mark:
                return value
            if whole and not quote:
                return f"{mark}{value}{mark}"
    raise CannotCarry(f"no quotes can hold this here: {value!r:.60}")


def _toml(value: str, before: str, after: str) -> str:
    """Text stands between double quotes that the template writes; numbers and booleans stand bare."""
    if _quote_open(before) == '"':
        return value.replace("\\", "\\\\").replace('"', '\\"')
    bare = re.fullmatch(r"true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?", value)
    _require(bare, value, "text needs double quotes around it")
    return value


def _nft(value: str, before: str, after: str) -> str:
    """Addresses and networks of version 4 stand bare, names of files between double quotes; nft knows no escapes."""
    if _quote_open(before) == '"':
        _require(_PATH.fullmatch(value), value, "only a plain absolute path can stand here")
    else:
        _require(_NETWORK.fullmatch(value), value, "only an IPv4 address or network can stand here")
    return value


def _exports(value: str, before: str, after: str) -> str:
    """A line begins with the folder, then come clients: anything unusual means something, such as a netgroup."""
    if not before:
        _require(_PATH.fullmatch(value), value, "only a plain absolute path can stand here")
    else:
        _require(_NETWORK.fullmatch(value), value, "only an IPv4 address or network can stand here")
    return value


def _markdown(value: str, before: str, after: str) -> str:
    """Text only: no markup, HTML, table cell or link comes out of a value."""
    if re.sub(r"\\.", "", before).count("`") % 2:
        _require(value and "`" not in value, value, "this cannot stand between backticks")
        return value.replace("|", "\\|") if before.lstrip().startswith("|") else value
    text = re.sub(r"([\\`*_{}\[\]<>()|~&!#$^])", r"\\\1", value)
    text = re.sub(r"://", r"\\://", text)
    text = re.sub(r"(?i)\b(www)\.", r"\1\\.", text)
    if re.fullmatch(r"(\s|[>*+-]|\d+[.)])*", before):  # where a line, an item or a quotation begins
        text = re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", text.lstrip())
    return text


def _xml(value: str, before: str, after: str) -> str:
    """Text between tags, or an attribute between double quotes."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


_CARRIERS: dict[str, Carrier] = {
    "exports": _exports,
    "hosts": _word,
    "ini": _ini,
    "markdown": _markdown,
    "nft": _nft,
    "plain": _plain,
    "shell": _shell,
    "slurm": _slurm,
    "ssh_config": _word,
    "sysctl": _sysctl,
    "systemd": _systemd,
    "toml": _toml,
    "words": _word,
    "xml": _xml,
}
