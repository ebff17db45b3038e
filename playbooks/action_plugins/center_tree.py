# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Loaded and run inside Ansible, on the controller; uses nothing of Ansible but its plug-in interface.
"""Hand a node what it gets from the rendered tree, in one module call."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


def part(name: str) -> Any:
    """A file of plugin_utils: Ansible finds such parts in collections only, and this is none."""
    file = Path(__file__).parent.parent / "plugin_utils" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ActionModule(ActionBase):  # type: ignore[misc]
    """`center_tree:` takes no file in production: what a node gets follows from its groups."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        values = task_vars or {}
        node = str(values["inventory_hostname"])
        groups = ["all", *sorted(set(values["group_names"]) - {"all", "ungrouped"})]
        try:
            secret = part("center_secrets").ask
            wanted = part("center_wanted").gather(Path(values["inventory_dir"]), node, groups, secret)
        except (OSError, ValueError) as fault:
            return {"failed": True, "msg": f"the rendered tree cannot be used for {node}: {fault}"}
        result: dict[str, Any] = self._execute_module(
            module_name="center_tree", module_args={**self._task.args, **wanted}, task_vars=values
        )
        return result
