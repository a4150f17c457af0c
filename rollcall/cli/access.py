"""`rollcall access`: who may see which schools (docs/access.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sinks.access import Said

__all__ = ["register"]

User = Annotated[str, typer.Argument(help="The user, as ClickHouse or the embedded front knows the name.")]
Urn = Annotated[list[int] | None, typer.Option(help="A school; repeat for more.")]
La = Annotated[list[str] | None, typer.Option(help="Code of a local authority; repeat for more.")]
Trust = Annotated[list[str] | None, typer.Option(help="Id of a trust; repeat for more.")]
Author = Annotated[str, typer.Option(help="Who decided it: a role or a staff reference, no name.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall access`."""
    group = typer.Typer(no_args_is_help=True, help="Who may see which schools: by school, local authority or trust.")
    group.command(
        "grant",
        epilog="Examples: [bold]rollcall access grant office --urn 110001 --author 'data manager' --reason 'school "
        "office'[/bold]; [bold]--la 330[/bold] or [bold]--trust 5012[/bold] for all their schools.",
    )(grant)
    group.command(
        "revoke",
        epilog="Example: [bold]rollcall access revoke office --urn 110001 --author 'data manager' --reason 'left'"
        "[/bold]",
    )(revoke)
    group.command(
        "list", epilog="Examples: [bold]rollcall access list[/bold]; [bold]rollcall access list --user office[/bold]"
    )(list_)
    group.command(
        "password",
        epilog="Examples: [bold]rollcall access password office[/bold] prints a new one; [bold]--remove[/bold] lets "
        "the user in no more. On a ClickHouse server: CREATE USER, and GRANT rollcall_scoped.",
    )(password)
    app.add_typer(group, name="access")


def grant(
    user: User,
    author: Author,
    reason: Reason,
    urn: Urn = None,
    la: La = None,
    trust: Trust = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First day of the access; today when not said.", metavar="YYYY-MM-DD")
    ] = None,
    last: Annotated[str | None, typer.Option("--until", help="Last day of the access.", metavar="YYYY-MM-DD")] = None,
    as_json: Json = False,
) -> None:
    """Let a user see schools: by URN, or all that are in an LA or trust on the day of asking."""
    from rollcall.cli import _dates
    from rollcall.cli._client import answer
    from rollcall.domain.clock import OPEN_END, london_date, now
    from sinks import access

    valid_from = london_date(now()) if first is None else _dates.day("--from", first)
    valid_to = OPEN_END if last is None else _dates.day("--until", last)
    wanted = _wanted(urn, la, trust)
    said = answer(
        lambda client: [
            access.grant(
                client, user, kind, value, author=author, reason=reason, valid_from=valid_from, valid_to=valid_to
            )
            for kind, value in wanted
        ]
    )
    _print(said, as_json)


def revoke(
    user: User, author: Author, reason: Reason, urn: Urn = None, la: La = None, trust: Trust = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Take access back, from the next question on. What was granted stays to be seen."""
    from rollcall.cli._client import answer
    from sinks import access

    wanted = _wanted(urn, la, trust)
    said = answer(
        lambda client: [
            access.revoke(client, user, kind, value, author=author, reason=reason) for kind, value in wanted
        ]
    )
    _print(said, as_json)


def list_(
    user: Annotated[str, typer.Option(help="One user, and the schools that it comes to.")] = "",
    as_json: Json = False,
) -> None:
    """Show what was granted and taken back, and of one user the schools that it comes to today."""
    from rollcall.cli._client import answer
    from sinks import access

    said, urns = answer(lambda client: (access.listed(client, user), access.schools(client, user) if user else None))
    if as_json:
        typer.echo(json.dumps({"access": [_document(one) for one in said], "schools": urns}, indent=2))
        return
    _print(said, as_json=False)
    if urns is not None:
        typer.echo(f"{len(urns):,} schools today: {', '.join(map(str, urns[:20]))}{' ...' if len(urns) > 20 else ''}")


def password(
    user: User, remove: Annotated[bool, typer.Option("--remove", help="Let the user in no more.")] = False
) -> None:
    """Make a user's password for the embedded ClickHouse and print it. It is shown this once: only its hash is kept."""
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from rollcall.stack.clickhouse.members import FILE, give_password, take_password
    from rollcall.stack.home import Home
    from sinks.access import USER

    settings = Settings.load()
    file = settings.home / "clickhouse" / FILE
    if remove:
        take_password(file, user)
        typer.echo(f"{user} is let in no more", err=True)
        return
    if not USER.fullmatch(user):
        raise UsageError(f"{user!r} is no name of a user: a letter, then up to 63 letters, digits, . _ @ or -")
    where = Home(settings.home).read_state().get("clickhouse_scoped")
    if where is None:
        raise UsageError(f"no embedded ClickHouse was started in {settings.home}: on a server, CREATE USER does this")
    typer.echo(give_password(file, user, settings.clickhouse.database))
    typer.secho(
        f"password of {user} at http://{where['host']}:{where['port']}: keep it now, it is not shown again", err=True
    )


def _wanted(urn: list[int] | None, la: list[str] | None, trust: list[str] | None) -> list[tuple[str, str]]:
    from rollcall.errors import UsageError

    wanted = [
        *(("urn", str(one)) for one in urn or ()),
        *(("la", one) for one in la or ()),
        *(("trust", one) for one in trust or ()),
    ]
    if not wanted:
        raise UsageError("say which schools with --urn, --la or --trust")
    return wanted


def _print(said: list[Said], as_json: bool) -> None:
    from rollcall.cli._listed import table
    from rollcall.domain.clock import OPEN_END, london_date, now

    if as_json:
        typer.echo(json.dumps([_document(one) for one in said], indent=2))
        return
    today = london_date(now())
    rows = [
        (one.user, one.kind, one.value, "yes" if one.in_force(today) else "no" if one.granted else "taken back",
         one.valid_from, None if one.valid_to == OPEN_END else one.valid_to, f"{one.said_at:%Y-%m-%d %H:%M}",
         one.author, one.reason)
        for one in said
    ]  # fmt: skip
    table(("User", "Kind", "Value", "In force", "From", "Until", "Said (UTC)", "By", "Reason"), rows)


def _document(said: Said) -> dict[str, object]:
    return {
        **said._asdict(), "valid_from": said.valid_from.isoformat(), "valid_to": said.valid_to.isoformat(),
        "said_at": said.said_at.isoformat(),
    }  # fmt: skip
