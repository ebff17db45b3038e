"""Run Python of ours on a node over SSH, from memory: nothing is written there, and what comes back is only data.

The node needs an interpreter and nothing else. Its answer is bounded in size, and a node that says something else than
an answer has failed, whatever it says. What a login shell of its user prints around the answer is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from generator.apply.hosts.blocks import Node
from generator.apply.hosts.ssh import NOT_CONNECTED, Connections
from generator.text import visible

INTERPRETER = "/usr/bin/python3"
ANSWER_BYTES = 2 * 2**20
MARK = "center-answer:"
# The parts come over standard input, like everything that may be secret: the process list shows only this.
_LOADER = f"""
import json, sys, types
work = json.loads(sys.stdin.buffer.read().decode("utf-8"))
for name, text in work["parts"]:
    for end in [i for i, c in enumerate(name) if c == "."]:
        sys.modules.setdefault(name[:end], types.ModuleType(name[:end])).__path__ = []
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, name, "exec"), module.__dict__)
print("\\n{MARK}" + json.dumps({{"answer": module.main(work["given"])}}))
"""


class Unanswered(Exception):
    """A node gave no answer; the message is one line that is safe to print. `reached` tells whether SSH worked."""

    def __init__(self, reason: str, reached: bool) -> None:
        super().__init__(reason)
        self.reached = reached


def ask(connections: Connections, node: Node, parts: Sequence[tuple[str, str]], given: Any, seconds: float = 60) -> Any:
    """Run `main(given)` of the last of `parts` (names and texts of modules) as root on `node`; what it returns.

    Modules may import each other by their names, dotted ones included. Unanswered when the node did not answer.
    """
    work = json.dumps({"parts": [list(part) for part in parts], "given": given})
    command = [INTERPRETER, "-I", "-c", _LOADER]
    answer = connections.run(node, command, given=work, seconds=seconds, limit=ANSWER_BYTES)
    if answer.status != 0:
        lines = answer.complaint.strip().splitlines() or ["no answer"]
        raise Unanswered(visible(lines[-1]), reached=answer.status != NOT_CONNECTED)
    try:
        return json.loads(_marked(answer.output))["answer"]
    except (ValueError, KeyError, TypeError):
        raise Unanswered(f"its answer is no answer: {visible(answer.output[:100])}", reached=True) from None


def _marked(output: str) -> str:
    """The last line that is marked as our answer; empty without one."""
    _, found, answer = f"\n{output}".rpartition(f"\n{MARK}")
    return answer.partition("\n")[0] if found else ""
