"""What a node answers is told apart from what its login shell says around it, by a real shell in place of ssh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.apply.hosts.blocks import Node
from generator.apply.hosts.onhost import ANSWER_BYTES, Unanswered, ask
from generator.apply.hosts.ssh import Connections, SshAccess

SSH = """#!/bin/bash
{before}
bash -c "${{@: -1}}"; status=$?
{after}
exit $status
"""
ECHO = (("echo", "def main(given):\n    return given\n"),)


class Shell:
    """A node on which the login shell prints what it likes."""

    def __init__(self, folder: Path, connections: Connections) -> None:
        self.program = folder / "bin/ssh"
        self.connections = connections
        self.node = Node("train-1", folder)

    def answers(self, given: object, before: str = ":", after: str = ":") -> object:
        self.program.write_text(SSH.format(before=before, after=after))
        self.program.chmod(0o755)
        return ask(self.connections, self.node, ECHO, given)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").touch(mode=0o755)
    (tmp_path / "nodes.json").write_text('{"train-1": {"address": "10.16.1.1"}}')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with Connections(SshAccess()) as connections:
        yield Shell(tmp_path, connections)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (":", ":"),
        ("echo Welcome", ":"),
        ("printf 'no end of line'", "echo Bye"),
        ('echo "center-answer:{}"; echo "{\\"answer\\": 0}"', "echo '{}'"),
    ],
)
def test_a_greeting_around_the_answer_is_passed_over(shell: Shell, before: str, after: str) -> None:
    given = {"text": "a\ncenter-answer:0\n ü", "number": 1}
    assert shell.answers(given, before, after) == given


def test_a_greeting_without_end_and_a_node_that_only_greets_are_no_answer(shell: Shell) -> None:
    with pytest.raises(Unanswered, match=f"more than {ANSWER_BYTES} bytes"):
        shell.answers(1, before="yes Welcome")
    with pytest.raises(Unanswered, match="its answer is no answer: Welcome") as silent:
        shell.answers(1, before="echo Welcome; exit 0")
    assert silent.value.reached
