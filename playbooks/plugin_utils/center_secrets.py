# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Read on the controller by the action plug-in; uses the standard library alone.
"""Ask the `center` that started this run for a secret, over its private socket; nothing of it is ever in a file."""

from __future__ import annotations

import base64
import json
import os
import socket

SECONDS = 120


def secret(reference: str, use: str) -> bytes:
    """The value of a reference; ValueError when the operator's configuration does not allow it for this use."""
    place = os.environ.get("CENTER_SECRETS")
    if not place:
        raise ValueError(f'"{reference}" is a secret, which only "center apply" can resolve')
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS)
        connection.connect(place)
        connection.sendall(json.dumps({"reference": reference, "use": use}).encode() + b"\n")
        with connection.makefile("rb") as answers:
            answer = json.loads(answers.readline())
    if "refused" in answer:
        raise ValueError(answer["refused"])
    return base64.b64decode(answer["value"])
