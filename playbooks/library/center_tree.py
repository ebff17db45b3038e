#!/usr/bin/python
# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Runs inside Ansible, on the node (Python 3.8 or newer); uses nothing of Ansible but its module interface.
"""Bring one node to what the tree wants, in one call: directories, files, what is left over, and notes for units."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.center_disk import RefusedError
from ansible.module_utils.center_node import bring

DOCUMENTATION = r"""
module: center_tree
short_description: Place the rendered files of one node
description:
  - Called through the action plug-in of the same name, which reads the rendered tree on the controller.
  - While packages are missing, only files marked before_packages are placed and C(complete) is false.
options:
  root: {type: str, default: /, description: Place below this folder; systemd is then left alone.}
  bears:
    type: str
    default: restart
    choices: [live, restart, drain, reboot]
    description: What the node can bear now; what needs more is named and left alone.
  packages_ready: {type: bool, default: false, description: Packages that are still missing are a failure.}
  packages: {type: list, elements: str, default: [], description: Package names, or name=version.}
  directories: {type: list, elements: dict, default: [], description: Directories with path, mode, owner and group.}
  files: {type: list, elements: dict, default: [], description: Files, as directories, with content in base64.}
  units: {type: list, elements: dict, default: [], description: systemd units with name, class, gate and packages.}
author: the center authors
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "str", "default": "/"},
            "bears": {"type": "str", "default": "restart", "choices": ["live", "restart", "drain", "reboot"]},
            "packages_ready": {"type": "bool", "default": False},
            "packages": {"type": "list", "elements": "str", "default": []},
            "directories": {"type": "list", "elements": "dict", "default": []},
            "files": {"type": "list", "elements": "dict", "default": []},
            "units": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        result = bring(module.params, module.check_mode)
    except RefusedError as fault:
        module.fail_json(msg=str(fault), invocation={})
    if not module._diff:
        del result["diff"]
    module.exit_json(invocation={}, **result)


if __name__ == "__main__":
    main()
