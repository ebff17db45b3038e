"""The language server that editors run on YAML files, asked over its pipe what its user would see.

Run as `python -m tests.rig.language_server` it installs what the cache lacks and prints where it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from control_plane.tools import cache_folder, lock

PACKAGE = Path(__file__).parent / "editor"


def obstacle() -> str | None:
    """Say why the server cannot run here, or None."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"needs {' and '.join(missing)}" if missing else None


def install() -> Path:
    """Return the program, installed as its lock file says; a second run at the same time waits."""
    files = [PACKAGE / name for name in ("package.json", "package-lock.json")]
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = cache_folder() / f"editor-{key}"
    program = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    with lock(folder):
        if not program.exists():
            unfinished = folder / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            for file in files:
                shutil.copy(file, unfinished)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(command, cwd=unfinished, check=True, timeout=600)
            (unfinished / "node_modules").rename(folder / "node_modules")
    return program


@dataclass
class Editor:
    """A client with open files: what a person would be offered and told."""

    process: subprocess.Popen[bytes]
    settings: dict[str, Any]
    marks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _asked: int = 0

    def diagnostics(self, uri: str, text: str) -> list[dict[str, Any]]:
        """Open a file and return what is underlined in it, once the server has looked."""
        self._open(uri, text)
        while uri not in self.marks:
            self._hear()
        return self.marks[uri]

    def completions(self, uri: str, text: str) -> dict[str, dict[str, Any]]:
        """Return what is offered where the text has a bar, by label."""
        position, text = _at_the_bar(text)
        self._open(uri, text)
        answer = self._ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": position})
        return {item["label"]: item for item in answer["items"]}

    def hover(self, uri: str, text: str) -> str:
        """Return what is shown when the mouse rests where the text has a bar."""
        position, text = _at_the_bar(text)
        self._open(uri, text)
        answer = self._ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": position})
        return str(answer["contents"]["value"]) if answer else ""

    def start(self) -> None:
        self._ask("initialize", {"processId": None, "rootUri": None, "capabilities": CAPABILITIES})
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": self.settings})
        # Until it has read its settings and the schema, the server finds nothing wrong and offers nothing.
        probe = "file:///probe/center.yaml"
        self._open(probe, "nonsense: {}\n")
        while not self.marks.get(probe):
            self._hear()

    def stop(self) -> None:
        self._ask("shutdown", None)
        self._tell("exit", None)

    def _open(self, uri: str, text: str) -> None:
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})

    def _tell(self, method: str, params: Any, **identity: Any) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params, **identity})

    def _ask(self, method: str, params: Any) -> Any:
        self._asked += 1
        self._tell(method, params, id=self._asked)
        while True:
            message = self._hear()
            if message.get("id") == self._asked and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _hear(self) -> dict[str, Any]:
        """Read one message; questions of the server are answered, diagnostics kept."""
        message = _receive(_pipe(self.process.stdout))
        match message.get("method"):
            case "textDocument/publishDiagnostics":
                self.marks[message["params"]["uri"]] = message["params"]["diagnostics"]
            case "workspace/configuration":
                wanted = [self.settings.get(item.get("section", ""), {}) for item in message["params"]["items"]]
                self._send({"jsonrpc": "2.0", "id": message["id"], "result": wanted})
            case str() if "id" in message:
                self._send({"jsonrpc": "2.0", "id": message["id"], "result": None})
        return message

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        pipe = _pipe(self.process.stdin)
        pipe.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        pipe.flush()


CAPABILITIES = {
    "workspace": {"configuration": True},
    "textDocument": {
        "completion": {"completionItem": {"documentationFormat": ["markdown"], "snippetSupport": True}},
        "hover": {"contentFormat": ["markdown"]},
        "publishDiagnostics": {},
    },
}


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _receive(pipe: IO[bytes]) -> dict[str, Any]:
    length = 0
    while header := pipe.readline().strip():
        name, _, value = header.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    message = json.loads(pipe.read(length) or b"null")
    assert isinstance(message, dict), "the language server has ended"
    return message


def _at_the_bar(text: str) -> tuple[dict[str, int], str]:
    """Where the bar stands, as editors count, and the text without it."""
    before, after = text.split("|")
    line = before.count("\n")
    return {"line": line, "character": len(before) - (before.rfind("\n") + 1)}, before + after


@contextmanager
def editor(schema: Path) -> Iterator[Editor]:
    """Run an editor that knows the schema, set up as docs/ci.md tells; it ends with the block."""
    settings = {
        "yaml": {"schemas": {schema.as_uri(): "center.yaml"}, "schemaStore": {"enable": False}, "hover": True},
        "http": {},
        "[yaml]": {},
    }
    with subprocess.Popen(
        ["node", str(install()), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            client = Editor(process, settings)
            client.start()
            yield client
            client.stop()
        finally:
            process.kill()


if __name__ == "__main__":
    print(obstacle() or install())
