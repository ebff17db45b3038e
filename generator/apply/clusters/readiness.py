"""Wait until objects do their work, and say all the time which of them do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from generator.apply.clusters.comparison import Comparison
from generator.apply.clusters.health import ailment
from generator.apply.clusters.kube import Kube, spread
from generator.apply.clusters.membership import Key

SHOWN = 5
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0


def await_ready(
    kube: Kube, found: Comparison, keys: Iterable[Key], seconds: float, tell: Callable[[str], None]
) -> list[str]:
    """Why objects do not do their work when the time is over, a sentence each; none as soon as all of them do."""
    end, pause, told, waited = time.monotonic() + seconds, FIRST_PAUSE, "", sorted(keys)
    while True:
        ailing = _ailing(kube, found, waited)
        rest = end - time.monotonic()
        if not ailing or rest <= 0:
            return ailing
        if (news := _brief(ailing)) != told:
            tell(f"waiting for {news}")
            told = news
        # Whoever is ready once is not asked again: what fails later is a matter of status.
        waited = [key for key in waited if any(line.startswith(f"{key} ") for line in ailing)]
        time.sleep(min(pause, rest))
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _ailing(kube: Kube, found: Comparison, keys: list[Key]) -> list[str]:
    def asked(key: Key) -> str:
        body = kube.get(found.wanted[key].resource.item(key.namespace, key.name))
        why = "is not there" if body is None else ailment({**body, "kind": key.kind})
        return f"{key} {why}" if why else ""

    return [line for line in spread(asked, keys) if line]


def _brief(ailing: list[str]) -> str:
    more = f" and {len(ailing) - SHOWN} more" if len(ailing) > SHOWN else ""
    return ", ".join(ailing[:SHOWN]) + more
