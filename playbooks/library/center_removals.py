#!/usr/bin/python
# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Runs inside Ansible, on the node (Python 3.8 or newer); uses nothing of Ansible but its module interface.
"""Refuse an installation that would remove packages of which nobody was told."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.center_disk import RefusedError
from ansible.module_utils.center_packages import unlisted

DOCUMENTATION = r"""
module: center_removals
short_description: Refuse an installation that would remove packages of which nobody was told
description:
  - Asks the lists of packages that are on the node, so they are to be read anew before. Changes nothing.
  - Package managers that cannot rehearse an installation refuse nothing.
options:
  package_manager: {type: str, required: true, description: The package manager of the node.}
  packages: {type: list, elements: str, required: true, description: What is to be installed.}
  listed: {type: list, elements: str, required: true, description: Effects that were named before.}
author: the center authors
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "package_manager": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "str", "required": True},
            "listed": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    packages = module.params["packages"]
    try:
        found = unlisted(module.params["package_manager"], packages, module.params["listed"])
    except RefusedError as fault:
        module.fail_json(msg=str(fault))
    if found:
        module.fail_json(
            msg=f"installing {', '.join(packages)} would also {', '.join(found)}, which had not been shown: "
            "the lists of packages are new, so look again before the next apply"
        )
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
