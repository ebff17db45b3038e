"""Alertmanager: whom an alert reaches, how soon, and which other alerts are not worth a call meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from generator.artifact import Artifact, Yaml
from generator.catalog.alarm_models import Alert
from generator.model import Center
from generator.outputs.alarms import alerts_of
from generator.spec.monitoring import Mail, Receiver, Webhook

NOBODY = "nobody"
PORT = 9093
_CAUSES = ("monitoring", "cooling.loops", "halls", "metadata.name")


def artifacts(center: Center) -> Iterator[Artifact]:
    alerts = list(alerts_of(center))
    if center.has_cooling_devices:
        yield Artifact("monitoring/alertmanager.yml", Yaml((_configuration(center, alerts),)), _CAUSES)


def _configuration(center: Center, alerts: Iterable[Alert]) -> dict[str, Any]:
    words = center.spec.monitoring
    told = {"critical": words.critical, "warning": words.warning}
    return {
        "global": {"resolve_timeout": "2m"},
        "route": {
            "receiver": NOBODY,
            "group_by": ["center", "loop", "alertname"],
            "group_wait": "30s",
            "group_interval": "2m",
            "repeat_interval": "4h",
            "routes": [
                # Leaks are told one by one and at once, and again while nobody has acted.
                _route(
                    "critical",
                    told["critical"],
                    family="leak",
                    group_wait="0s",
                    group_interval="10s",
                    repeat_interval="15m",
                ),
                _route("critical", told["critical"], group_wait="10s", group_interval="1m", repeat_interval="30m"),
                _route("warning", told["warning"]),
            ],
        },
        "receivers": [{"name": NOBODY}, *(_group(level, names, words.receivers) for level, names in told.items())],
        "inhibit_rules": [_graver(), *(rule for alert in alerts for rule in _silences(alert, alerts))],
    }


def _route(level: str, names: list[str], family: str | None = None, **times: str) -> dict[str, Any]:
    matchers = [f'severity="{level}"', *([f'family="{family}"'] if family else [])]
    by = {"group_by": ["..."]} if family else {}
    return {"receiver": level if names else NOBODY, "matchers": matchers, **by, **times}


def _group(level: str, names: list[str], receivers: dict[str, Receiver]) -> dict[str, Any]:
    """Everybody whom a level reaches."""
    chosen = [receivers[name] for name in dict.fromkeys(names) if name in receivers]
    hooks = [_webhook(one) for one in chosen if isinstance(one, Webhook)]
    mails = [mail for one in chosen if isinstance(one, Mail) for mail in _mails(one)]
    found = {"webhook_configs": hooks, "email_configs": mails}
    return {"name": level, **{name: configs for name, configs in found.items() if configs}}


def _webhook(words: Webhook) -> dict[str, Any]:
    login = {"authorization": {"credentials_file": words.token.removeprefix("file:")}} if words.token else {}
    return {"url": words.url, "send_resolved": True, "http_config": {"follow_redirects": False, **login}}


def _mails(words: Mail) -> list[dict[str, Any]]:
    common = {"from": words.from_, "smarthost": words.relay, "require_tls": True, "send_resolved": True}
    return [{"to": to, **common} for to in words.to]


def _graver() -> dict[str, Any]:
    """A warning says nothing new while the same alert is critical."""
    return {
        "source_matchers": ['severity="critical"'],
        "target_matchers": ['severity="warning"'],
        "equal": ["alertname", "center", "loop", "device"],
    }


def _silences(alert: Alert, alerts: Iterable[Alert]) -> Iterator[dict[str, Any]]:
    """A warning is no reason to keep a critical alert from anybody, unless the file of the alert says that it is."""
    names = {other.name: other.alertname for other in alerts}
    for silence in alert.silences:
        known = sorted(names[name] for name in silence.alerts if name in names)
        target = f'alertname=~"{"|".join(known)}"' if known else f'family=~"{"|".join(sorted(silence.families))}"'
        if not known and not silence.families:
            continue
        for level in alert.levels:
            lesser = [] if level == "critical" or silence.graver else ['severity="warning"']
            yield {
                "source_matchers": [f'alertname="{alert.alertname}"', f'severity="{level}"'],
                "target_matchers": [target, *lesser],
                "equal": sorted({"center", *silence.equal}),
            }
