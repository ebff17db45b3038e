"""Kinds of Kubernetes as paths of its API have them."""

from __future__ import annotations


def plural(kind: str) -> str:
    word = kind.lower()
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("ss") else f"{word}s"
