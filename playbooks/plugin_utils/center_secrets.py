# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Used inside Ansible, on the controller; nothing but the standard library.
"""Ask the process that started Ansible for a secret; the other end is generator/apply/hosts/secret_server.py."""

from __future__ import annotations

import base64
import json
import os
import socket

VARIABLE = "CENTER_SECRETS"
ANSWER_BYTES = 128 * 1024
SECONDS = 120


def ask(reference: str, use: str) -> bytes:
    """The secret behind a reference; ValueError, with a sentence for the user, when it is not to be had."""
    place = os.environ.get(VARIABLE)
    if not place:
        raise ValueError(f'the secret "{reference}" is asked for, but nobody serves secrets to this run')
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SECONDS)
            connection.connect(place)
            connection.sendall(json.dumps({"reference": reference, "use": use}).encode("ascii") + b"\n")
            with connection.makefile("rb") as lines:
                said = json.loads(lines.readline(ANSWER_BYTES) or b'{"refused": "no answer"}')
    except OSError as error:
        said = {"refused": str(error)}
    if "refused" in said:
        raise ValueError(f'the secret "{reference}" cannot be had: {said["refused"]}')
    return base64.b64decode(said["value"])
