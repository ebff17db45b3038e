"""One file of hostile text: YAML's own traps, characters, encodings, size and depth."""

from __future__ import annotations

from itertools import pairwise

from tests.hostile.case import Case, text

MEGABYTE = 1024 * 1024

BOMB = "a: &a [lol, lol]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))

YAML = {
    "duplicate key": text("2:1: error[source.duplicate]", "a: 1\na: 2\n"),
    "duplicate key, deep, in disguise": text("1:17: error[source.duplicate]", 'a: {"b": {c: 1, "\\x63": 2}}\n'),
    "anchor": text("1:4: error[source.alias]", "a: &x 1\nb: *x\n"),
    "anchor on a key": text("1:1: error[source.alias]", "&x a: 1\n*x : 2\n"),
    "alias without anchor": text("1:4: error[source.alias]", "a: *x\n"),
    "alias to itself": text("1:4: error[source.alias]", "a: &x [*x]\n"),
    "alias bomb": text("1:4: error[source.alias]", BOMB),
    "merge key": text("1:5: error[source.alias]", "a: {<<: {b: 1}}\n"),
    "merge of a bomb": text("1:4: error[source.alias]", "a: &a {b: 1}\nc: {<<: [*a, *a, *a]}\n"),
    "python object": text("1:4: error[source.tag]", "a: !!python/object/apply:os.system [id]\n"),
    "python module": text("1:4: error[source.tag]", "a: !!python/module:os\n"),
    "binary": text("1:4: error[source.tag]", "a: !!binary aHVudGVyMg==\n"),
    "set": text("1:4: error[source.tag]", "a: !!set {b}\n"),
    "timestamp": text("1:4: error[source.tag]", "a: !!timestamp 2026-01-01\n"),
    "text by tag": text("1:4: error[source.tag]", "a: !!str 1\n"),
    "tag of a key": text("1:1: error[source.tag]", "!!str a: 1\n"),
    "tag of the document": text("1:1: error[source.tag]", "!!map {a: 1}\n"),
    "vault": text("1:4: error[source.tag]", "a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n"),
    "unsafe": text("1:4: error[source.tag]", "a: !unsafe x\n"),
    "verbatim tag": text("1:4: error[source.tag]", "a: !<tag:yaml.org,2002:python/name:os.system> x\n"),
    "tag directive": text("3:4: error[source.tag]", "%TAG !! tag:evil.example,2026:\n---\na: !!x 1\n"),
    "unknown tag handle": text("1:4: error[source.syntax]", "a: !e!x 1\n"),
    "YAML 1.1 by directive": text("3:1: error[spec.", "%YAML 1.1\n---\na: no\n"),
    "YAML 3 by directive": text("1:1: error[source.syntax]", "%YAML 3.0\n---\na: 1\n"),
    "YAML of many digits": text("1:16: error[source.syntax]", f"%YAML {'9' * 5000}.1\n---\na: 1\n"),
    "directive without document": text("2:1: error[source.syntax]", "%YAML 1.1\na: 1\n"),
    "two documents": text("2:1: error[source.documents]", "a: 1\n---\nb: 2\n"),
    "100,000 documents": text("2:1: error[source.form]", "---\n" * 100_000),
    "document after the end": text("3:1: error[source.syntax]", "a: 1\n...\nb: 2\n"),
    "nothing": text("1:1: error[source.empty]", ""),
    "one line end": text("1:1: error[source.empty]", "\n"),
    "only comments": text("1:1: error[source.empty]", "# a\n\n  # b\n"),
    "a million empty lines": text("1:1: error[source.empty]", "\n" * 1_000_000),
    "only a byte order mark": text("1:1: error[source.empty]", b"\xef\xbb\xbf"),
    "a word": text("1:1: error[source.form]", "hello\n"),
    "a list": text("1:1: error[source.form]", "- a\n"),
    "null": text("1:1: error[source.form]", "~\n"),
    "list as key": text("1:3: error[source.key]", "? [a]\n: 1\n"),
    "mapping as key": text("1:5: error[source.key]", "a: {{b: 1}: 2}\n"),
    "Jinja in place of a value": text("1:5: error[source.key]", "a: {{ lookup('pipe', 'id') }}\n"),
    "tab as indentation": text("2:1: error[source.syntax]", "a:\n\tb: 1\n"),
    "never closed": text("2:1: error[source.syntax]", "a: [1, 2\n"),
    "never closed quote": text("2:1: error[source.syntax]", 'a: "b\n'),
    "colon in plain text": text("1:5: error[source.syntax]", "a: b: c\n"),
    "a key that is nothing": text("1:1: error[source.syntax]", ": 1\n"),
    "a key of lines": text("1:1: error[spec.", "? |\n  a\n  b\n: 1\n"),
    "key of 100,000 characters": text("1:3: error[source.key]", f'? "{"k" * 100_000}"\n: 1\n'),
    "key of 200 characters": text("1:1: error[spec.", f"{'k' * 200}: 1\n"),
    "text of 100,000 characters": text("1:4: error[source.length]", f"a: {'x' * 100_000}\n"),
}  # fmt: skip

DEPTH = {
    "deep list": text("1:43: error[source.depth]", "a: " + "[" * 1_000_000),
    "deep mapping": text("1:161: error[source.depth]", "{a: " * 500_000),
    "deep and closed": text("1:43: error[source.depth]", "a: " + "[" * 3_000 + "]" * 3_000),
    "deep block": text("41:41: error[source.depth]", "".join(f"{' ' * n}k:\n" for n in range(1_500))),
    "deep dashes": text("1:1: error[source.form]", "- " * 1_000_000),
    "deep dashes below a key": text("2:79: error[source.depth]", "a:\n" + "- " * 1_000_000),
    "deep question marks": text("1:3: error[source.key]", "? " * 1_000_000),
    "deep flow pairs": text("1:7: error[source.key]", "a: " + "[? " * 300_000),
}

SIZE = {
    "10 MB of zeros": text("1:1: error[source.size]", b"\0" * 10 * MEGABYTE),
    "10 MB of spaces": text("1:1: error[source.size]", b" " * 10 * MEGABYTE),
    "10 MB of one line": text("1:1: error[source.size]", b"a: " + b"x" * 10 * MEGABYTE),
    "a million short lines": text("1:4: error[source.syntax]", b"a: %" + b"\n" * 1_000_000),
    "a million lines of one list": text("50001:2: error[source.size]", b"a:\n" + b"- \n" * 690_000),
    "a line of 1 MB": text("2:4: error[source.length]", b"a: 1\nb: " + b"x" * MEGABYTE + b"\n"),
    "comment of 2 MB": text("1:1: error[source.empty]", b"#" + b"x" * (2 * MEGABYTE - 1)),
    "190,000 keys": text("50001:9: error[source.size]", b"".join(b"%06d: 1\n" % n for n in range(190_000))),
    "400,000 times one key": text("2:1: error[source.duplicate]", b"k: 1\n" * 400_000),
    "a million commas": text("1:5: error[source.syntax]", b"a: [" + b"," * 1_000_000),
    "a million pairs": text("1:125003: error[source.size]", b"a: [" + b"b: 1," * 400_000 + b"]"),
    "a million quotes": text("1:4: error[source.length]", b"a: '" + b"''" * 900_000 + b"'"),
    "a million escapes": text("1:4: error[source.length]", b'a: "' + b"\\n" * 900_000 + b'"'),
    "a folded text of a million lines": text("1:4: error[source.length]", b"a: >\n" + b" x\n" * 600_000),
    "a plain text of a million lines": text("2:3: error[source.length]", b"a:\n" + b"  x\n" * 500_000),
    "a million colons": text("1:1: error[source.form]", b":" * 1_000_000),
    "a million opened quotes": text("1:9: error[source.syntax]", b"a: [" + b'"a" ' * 400_000),
}

# In a text, a key and a comment: no such character gets any further, however it is written.
CHARACTERS = [
    *("\x00", "\x01", "\x07", "\x08", "\x0b", "\x0c", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9b", "\x9f"),
    *("\u2028", "\u2029", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"),
    *("\ufeff", "\ufdd0", "\ufdef", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff"),
    *("\ue000", "\uf8ff", "\U000f0000", "\U000ffffd", "\U00100000", "\U0010fffd"),
]


def character(one: str) -> dict[str, Case]:
    name, escape = f"U+{ord(one):04X}", f"\\U{ord(one):08x}"
    return {
        f"{name} in a text": text("2:5: error[source.character]", f"a: 1\nb: x{one}\n"),
        f"{name} in a key": text("1:2: error[source.character]", f"x{one}: 1\n"),
        f"{name} in a comment": text("1:3: error[source.character]", f"# {one}\na: 1\n"),
        f"{name} as an escape": text("2:4: error[source.character]", f'a: 1\nb: "x{escape}"\n'),
        f"{name} as an escape in a key": text("1:1: error[source.character]", f'"{escape}": 1\n'),
    }


ESCAPES = {
    "lone surrogate": text("1:7: error[source.syntax]", 'a: "\\ud800"\n'),
    "pair of surrogates": text("1:7: error[source.syntax]", 'a: "\\ud83d\\ude00"\n'),
    "beyond Unicode": text("1:7: error[source.syntax]", 'a: "\\U00110000"\n'),
    "next line": text("1:4: error[source.character]", 'a: "\\N"\n'),
    "line separator": text("1:4: error[source.character]", 'a: "\\L"\n'),
    "paragraph separator": text("1:4: error[source.character]", 'a: "\\P"\n'),
    "NUL": text("1:4: error[source.character]", 'a: "\\0"\n'),
    "escape": text("1:4: error[source.character]", 'a: "\\e[2J"\n'),
    "carriage return": text("1:4: error[source.character]", 'a: "x\\ry"\n'),
    "unknown": text("1:5: error[source.syntax]", 'a: "\\q"\n'),
    "cut": text("1:7: error[source.syntax]", 'a: "\\x4"\n'),
}

SAMPLE = "# 示例\na: 36 °C\n"
ENCODINGS = {
    "UTF-16": text("1:1: error[source.encoding]", SAMPLE.encode("utf-16")),
    "UTF-16 little-endian, no mark": text("1:2: error[source.character]", "a: 1\n".encode("utf-16-le")),
    "UTF-16 big-endian, no mark": text("1:1: error[source.character]", "a: 1\n".encode("utf-16-be")),
    "UTF-32": text("1:1: error[source.encoding]", SAMPLE.encode("utf-32")),
    "UTF-32 big-endian, no mark": text("1:1: error[source.character]", "a: 1\n".encode("utf-32-be")),
    "UTF-7": text("1:1: error[source.form]", "+AGE:+ACA-1\n"),
    "GBK": text("1:4: error[source.encoding]", SAMPLE.encode("gbk")),
    "Big5": text("1:4: error[source.encoding]", "a: 中\n".encode("big5")),
    "Latin-1": text("1:7: error[source.encoding]", "a: 36 °C\n".encode("latin-1")),
    "Latin-1, lines end as on old computers": text("3:7: error[source.encoding]", b"# a\r# b\ra: 36 \xb0C\r"),
    "overlong": text("1:4: error[source.encoding]", b"a: \xc0\x80\n"),
    "surrogate": text("1:4: error[source.encoding]", b"a: \xed\xa0\x80\n"),
    "beyond Unicode": text("1:4: error[source.encoding]", b"a: \xf4\x90\x80\x80\n"),
    "five bytes": text("1:4: error[source.encoding]", b"a: \xf8\x88\x80\x80\x80\n"),
    "cut": text("1:4: error[source.encoding]", "a: 中".encode()[:-1]),
    "every byte": text("1:1: error[source.encoding]", bytes(reversed(range(256)))),
    "bad byte behind 2 MB": text("1:600004: error[source.encoding]", b"a: " + "中".encode() * 600_000 + b"\xff"),
    "two byte order marks": text("1:1: error[source.character]", b"\xef\xbb\xbf\xef\xbb\xbfa: 1\n"),
}

CASES = {
    **{f"YAML: {name}": case for name, case in YAML.items()},
    **{f"depth: {name}": case for name, case in DEPTH.items()},
    **{f"size: {name}": case for name, case in SIZE.items()},
    **{f"character: {name}": case for one in CHARACTERS for name, case in character(one).items()},
    **{f"escape: {name}": case for name, case in ESCAPES.items()},
    **{f"encoding: {name}": case for name, case in ENCODINGS.items()},
}
