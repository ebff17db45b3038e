"""Texts of an enemy, seeded: each wants a program behind the product to run something or to read something else.

CANARY stands for a path below a folder that has to stay empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

CANARY = "@CANARY@"
COMMAND = f"touch {CANARY}"
IN_FULL = "@COMMAND@"

TEMPLATES = [
    "{{ lookup('pipe', '@COMMAND@') }}",
    '{{ lookup("pipe", "@COMMAND@") }}',
    "{{ lookup('ansible.builtin.pipe', '@COMMAND@') }}",
    "{{ query('pipe', '@COMMAND@') | first }}",
    "{{ cycler.__init__.__globals__.os.system('@COMMAND@') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ namespace.__init__.__globals__.os.popen('@COMMAND@').read() }}",
    "{% set x = lookup('pipe', '@COMMAND@') %}{{ x }}",
    "{% raw %}{{ x }}{% endraw %}",
    "{# a comment #}",
    "{{ 7 * 7 }}",
    "{{ ansible_env }}",
    "{{",
    "}}",
    "{%",
    "#jinja2: variable_start_string:'[%', variable_end_string:'%]'",
    "[% lookup('pipe', '@COMMAND@') %]",
]
SHELL = [
    f"$({COMMAND})",
    f"`{COMMAND}`",
    f"; {COMMAND}",
    f"| {COMMAND}",
    f"&& {COMMAND}",
    f"x' ; {COMMAND} ; '",
    f'x" ; {COMMAND} ; "',
    f"'$({COMMAND})'",
    f'"$({COMMAND})"',
    f"x; {COMMAND} #",
    f"${{IFS}}$({COMMAND})",
    f"() {{ :;}}; {COMMAND}",
    f"<({COMMAND})",
    f"> {CANARY}",
    f">> {CANARY}",
    f"|| {COMMAND} ||",
    "$HOME",
    "${PATH}",
    "$$",
    "~root",
    "*",
    "../../../../etc/passwd",
    f"../../..{CANARY}",
    CANARY,
]
OPTIONS = [
    f"-oProxyCommand={COMMAND}",
    f"-o ProxyCommand={COMMAND}",
    f"ProxyCommand {COMMAND}",
    f"--extra-vars=@{CANARY}",
    "-",
    "--",
    "--help",
    f"-e {CANARY}",
    "-oUserKnownHostsFile=/dev/null",
    f"--vault-password-file={CANARY}",
    f"@{CANARY}",
]
SYSTEMD = [
    "%h",
    "%%",
    "%n %i %t",
    f"x\nExecStartPre=/bin/{COMMAND}",
    f"x\n[Service]\nExecStart=/bin/{COMMAND}",
    f"\\\nExecStart=/bin/{COMMAND}",
    f"-/bin/{COMMAND}",
    f"+/bin/{COMMAND}",
    f"!/bin/{COMMAND}",
    "$${HOME}",
    "x \\",
]
YAML = [
    "!unsafe x",
    f"!!python/object/apply:os.system ['{COMMAND}']",
    "__ansible_unsafe",
    f"{{\"__ansible_unsafe\": \"{{{{ lookup('pipe', '{COMMAND}') }}}}\"}}",
    '{"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256"}',
    "$ANSIBLE_VAULT;1.1;AES256\n6162",
    "&a [*a]",
    "*a",
    "<<",
    "yes",
    "no",
    "0o17",
    "010",
    "1e3",
    "22:30",
    "1_000",
    "2024-01-01",
    ".nan",
    "null",
    "~",
    "- x",
    "? x",
    ": x",
    "x: y",
    "x #y",
    "#x",
    "---",
    "...",
    "%YAML 1.1",
    "|\n  x",
    "> x",
    "'",
    '"',
    "''",
    '""',
    "\\",
    "{x: y}",
    "[x, y]",
    '", "ansible_connection": "local',
    "x\nansible_connection: local",
    "x ansible_connection=local ansible_ssh_common_args='-o ProxyCommand=@COMMAND@'",
    "n[1:3]",
    "node:2222",
    "all:!x",
    "localhost",
]
OTHERS = [
    "x\n::warning file=a::b",
    "::set-output name=a::b",
    "<script>alert(1)</script>",
    "![x](http://e.example/x)",
    "[x](javascript:alert(1))",
    "| a | b |",
    "# head",
    "@{node.name}",
    "@{secret.munge}",
    "{{ $labels.instance }}",
    '{{ query "up" }}',
    "{{/*",
    "$(POD_IP)",
    "$$(X)",
    "$__interval",
    "%(x)s",
    "${x}",
    "x\nInclude /etc/shadow",
    "x Prolog=/bin/@COMMAND@",
    "node-[1-9999999]",
    "=cmd|'/C calc'!A0",
    '+1";x;"',
    "a;b,c\td",
    "中心 😀 é",
    "x" * 1999,
    " x ",
]
CHARACTERS = [
    f"x{character}y"
    for character in (
        "\x00", "\x01", "\x07", "\x08", "\x1b[2J", "\x1b]0;x\x07", "\x7f", "\x85", "\x9b2J", "\u2028", "\u2029",
        "\u202e", "\u2066", "\ufeff", "\ufdd0", "\uffff", "\ue000", "\uf8ff", "\U000f0000", "\U0010fffd", "\r", "\r\n",
        "\n", "\n\n", "\t", "\u200b", "\u00a0", "\v", "\f",
    )
]  # fmt: skip
KINDS = {
    "templates": TEMPLATES,
    "shell": SHELL,
    "options": OPTIONS,
    "systemd": SYSTEMD,
    "yaml": YAML,
    "others": OTHERS,
    "characters": CHARACTERS,
}


def payloads(count: int, seed: int = 5) -> list[str]:
    """The known ones in turn of their kinds, then pairs of them; always the same for a seed, none twice."""
    found: dict[str, None] = {}
    for text in _all(seed):
        if len(found) == count:
            break
        found[text.replace(IN_FULL, COMMAND)] = None
    return list(found)


def _all(seed: int) -> Iterator[str]:
    longest = max(map(len, KINDS.values()))
    yield from (texts[number] for number, texts in product(range(longest), KINDS.values()) if number < len(texts))
    chance = Random(seed)
    known = [text for texts in KINDS.values() for text in texts if len(text) < 200]
    while True:
        yield chance.choice(["", " ", "\n", '"', "'", "}}", "x"]).join(chance.sample(known, chance.randint(2, 3)))
