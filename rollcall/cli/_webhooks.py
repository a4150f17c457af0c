"""`rollcall ingest webhook`: webhooks of kiosk vendors, and where their secrets are. Part of `rollcall ingest`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = ["group"]

Home = Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def group() -> typer.Typer:
    """The commands `add`, `list` and `revoke`."""
    webhook = typer.Typer(no_args_is_help=True, help="Webhooks of kiosk vendors: noted with a secret by reference.")
    webhook.command(
        "add",
        epilog="Examples: [bold]rollcall ingest webhook add --source front-desk --urn 123456[/bold] makes a secret and "
        "shows it once; [bold]rollcall ingest webhook add --source front-desk --site 41=123456 --site 42=123457 "
        "--secret env:SIGN_IN_APP_SECRET --pupil-field upn[/bold]",
    )(add)
    webhook.command("list", epilog="Example: [bold]rollcall ingest webhook list --json[/bold]")(list_)
    webhook.command("revoke", epilog="Example: [bold]rollcall ingest webhook revoke 3f2a9c01b7de[/bold]")(revoke)
    return webhook


def add(
    source: Annotated[str, typer.Option(help="What its kiosk facts are called, e.g. front-desk.")],
    urn: Annotated[int | None, typer.Option(help="The school of every site that --site does not name.")] = None,
    site: Annotated[
        list[str] | None, typer.Option("--site", metavar="ID=URN", help="A site's school; repeat for more.")
    ] = None,
    secret: Annotated[
        str | None, typer.Option(help="env:NAME or file:path, where the vendor's secret is; without it one is made.")
    ] = None,
    pupil_field: Annotated[str, typer.Option(help="The vendor's extra field that holds the pupil's reference.")] = "",
    pupil_scheme: Annotated[str, typer.Option(help="What it holds: upn or mis.")] = "upn",
    header: Annotated[str, typer.Option(help="The header the signature comes in.")] = "X-Signature",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Note a webhook of Sign In App. Prints the path to enter in the vendor's portal, and the secret if it was made."""
    from connectors.ingest import hooks
    from rollcall.errors import UsageError

    sites: dict[str, int] = {}
    for one in site or []:
        name, equals, number = one.rpartition("=")
        if not (name and equals and number.isdecimal()):
            raise UsageError(f"--site {one}: ID=URN is wanted, as 41=123456")
        sites[name] = int(number)
    hook, made = hooks.add(
        _settings(home).ingest_webhooks_file,
        source,
        urn=urn,
        sites=sites,
        named=secret,
        header=header,
        pupil_field=pupil_field,
        pupil_scheme=pupil_scheme,
    )
    path = f"/v1/webhooks/sign-in-app?webhook={hook.id}"
    if as_json:
        typer.echo(json.dumps({"id": hook.id, "source": hook.source, "path": path, "secret": made}))
        return
    typer.echo(path)
    if made is not None:
        typer.echo(made)
        typer.secho("the second line is the secret: keep it now, it is not shown again", err=True)


def list_(home: Home = None, as_json: AsJson = False) -> None:
    """Show every webhook: its id, source, schools, where its secret is. Never the secret."""
    from connectors.ingest import hooks

    rows = [
        {
            "id": hook.id,
            "source": hook.source,
            "schools": len({*hook.sites.values(), *([] if hook.urn is None else [hook.urn])}),
            "secret": hook.secret,
            "created_at": hook.created_at,
            "revoked_at": hook.revoked_at,
        }
        for hook in hooks.read(_settings(home).ingest_webhooks_file)
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("Webhook", "Source", "Schools", "Secret", "Made", "Revoked", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(str(value) if value is not None else "" for value in row.values()))
    Console().print(table)


def revoke(
    webhook_id: Annotated[str, typer.Argument(help="As `rollcall ingest webhook list` shows it.")], home: Home = None
) -> None:
    """Take no more from a webhook: a running API follows within a second."""
    from connectors.ingest import hooks

    hook = hooks.revoke(_settings(home).ingest_webhooks_file, webhook_id)
    typer.echo(f"webhook {hook.id} of {hook.source} is revoked since {hook.revoked_at}")


def _settings(home: Path | None) -> Settings:
    from rollcall.settings import Settings

    return Settings.load(home=home) if home is not None else Settings.load()
