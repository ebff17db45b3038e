"""The verb that lets dates and credits count: it holds the queues of tenants whose time or credit is over."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generator.console import DIFFERENT, FAILED, FINE, Done, say, show
from generator.model import Center
from generator.problems import Problem, Refused
from generator.source import Source
from generator.steps import judged
from generator.world_verbs import center_argument, cluster_option, kubeconfig_option

if TYPE_CHECKING:
    from generator.apply.clusters.enforce import Judgement

SPENT_BYTES = 2**20
_CREDIT = "credit"
_FORMS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


@click.command()
@center_argument
@click.option("--as-of", type=click.DateTime(_FORMS), required=True, help="The day to judge by, at the site.")
@click.option(
    "--spent",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What tenants have spent: CSV with the columns tenant and amount. Without it, credits are not judged.",
)
@click.option("--check", is_flag=True, help="Change nothing; exit with 2 if something would change.")
@cluster_option
@kubeconfig_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def enforce(
    center: str | None,
    as_of: Any,
    spent: Path | None,
    check: bool,
    cluster: tuple[str, ...],
    kubeconfig: tuple[str, ...],
    form: str,
) -> None:
    """Hold the queues of tenants whose last day has passed or whose credit is used up, and give back all others.

    A held queue admits nothing new; what runs goes on, and data stays. A timer calls this; doing it twice changes
    nothing.
    """
    from generator.apply.clusters import enforce as enforcing
    from generator.apply.clusters.kubeconfig import accesses, check_known
    from generator.apply.clusters.runs import Target

    _, found = judged(center)
    known = sorted(name for name, words in found.clusters.items() if words.kind == "kubernetes")
    check_known(cluster, known)
    judgement = judge(replace(found, as_of=as_of.date().isoformat()), read_spent(spent) if spent else {})
    reached = accesses(kubeconfig, known)
    done = [
        enforcing.enforce(Target(found.name, name, reached[name]), judgement, check=check)
        if name in reached
        else enforcing.unreached(name)
        for name in cluster or known
    ]
    problems = [problem for each in done for problem in each.problems]
    changes = any(each.deeds for each in done)
    code = FAILED if problems else DIFFERENT if check and changes else FINE
    if form == "json":
        click.echo(enforcing.as_json(done, judgement, code))
    else:
        for line in (line for each in done for line in enforcing.lines(each, check=check)):
            click.echo(line)
    if problems:
        show(problems, Source(), err=True)
    raise Done(code)


def judge(center: Center, spent: Mapping[str, Decimal]) -> Judgement:
    """Whose queues are to be held, by the day of the centre and by what was spent."""
    from generator.apply.clusters.enforce import Judgement

    for name in sorted(set(spent) - set(center.tenants)):
        say(f'the spec has no tenant "{name[:60]}", what it has spent counts for nobody')
    reasons, unsure = {}, {}
    for name, tenant in center.tenants.items():
        credit = center.spec.organizations[tenant.organization].tenants[name].credit
        why = [f"its last day was {tenant.until}"] if center.is_past(tenant.until) else []
        if credit and name in spent and spent[name] >= Decimal(str(credit.magnitude)):
            why.append(f"{_CREDIT} of {credit.text} is used up")
        elif credit and name not in spent:
            unsure[name] = _CREDIT
        reasons[name] = tuple(why)
    return Judgement(str(center.as_of), reasons, unsure)


def read_spent(file: Path) -> dict[str, Decimal]:
    """What each tenant has spent so far, in the currency of its credit; Refused at the first line that is no sum."""

    def refused(message: str) -> Refused:
        return Refused([Problem("enforce.spent", f'"{file}" {message}')])

    try:
        with file.open("rb") as opened:
            raw = opened.read(SPENT_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise refused(f"cannot be read ({type(error).__name__})") from None
    if len(raw) > SPENT_BYTES:
        raise refused(f"is larger than {SPENT_BYTES} bytes")
    try:
        rows = list(csv.reader(text.splitlines(), strict=True))
    except csv.Error:
        raise refused("is not a CSV file") from None
    if not rows or rows[0] != ["tenant", "amount"]:
        raise refused('needs "tenant,amount" as its first line')
    found: dict[str, Decimal] = {}
    for number, row in enumerate(rows[1:], 2):
        tenant, amount = (row[0], _amount(row[1])) if len(row) == 2 else ("", None)
        if amount is None or tenant in found:
            raise refused(f"line {number}: needs a tenant that was not named before and an amount such as 1250.50")
        found[tenant] = amount
    return found


def _amount(text: str) -> Decimal | None:
    """A plain sum of money; None for anything else that Python takes for a number."""
    if not text or len(text) > 30 or set(text) - set("0123456789.") or not text.isascii():
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
