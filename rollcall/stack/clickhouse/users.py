"""Who may do what at the embedded front. chDB has no users of its own: a user is what its handle is held to."""

from __future__ import annotations

from dataclasses import dataclass

from rollcall.stack.clickhouse.errors import QueryError
from rollcall.stack.clickhouse.request import Request

__all__ = ["UserRules", "authenticate"]

#: readonly = 2: reads only, may change settings for itself, may not lift readonly.
READ_ONLY = "SET readonly = 2"


@dataclass(frozen=True)
class UserRules:
    """`default` may do everything, `reader` may read everything."""

    readers: frozenset[str] = frozenset({"reader"})

    def knows(self, user: str) -> bool:
        return user == "default" or user in self.readers

    def held_to(self, request: Request) -> tuple[str, ...]:
        """Statements run on the handle before the user's own."""
        return (READ_ONLY,) if request.readonly or request.user in self.readers else ()


def authenticate(request: Request, rules: UserRules) -> None:
    """Raise code 516 for a user nobody knows. There are no passwords on loopback."""
    if not rules.knows(request.user):
        message = f"{request.user}: Authentication failed: password is incorrect, or there is no user with such name."
        raise QueryError.of(516, "AUTHENTICATION_FAILED", message)
