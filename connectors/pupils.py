"""What may leave the edge in place of a UPN (rule 27)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rollcall.domain.upn import keyed, load_key, pupil_scheme
from rollcall.settings import Settings

__all__ = ["PupilReference", "UpnKey"]


class PupilReference(NamedTuple):
    """A pupil as a message names them: the scheme ('upn', 'upn-invalid', 'mis', a source's own) and the reference."""

    scheme: str
    ref: str


class UpnKey:
    """Turns UPNs into references with one key, the same for all who send marks of a school.

    The last 100,000 UPNs are remembered, in memory only: the same pupils come every session, and a check digit and a
    hash for each would be a third of the cost of a register.
    """

    def __init__(self, key: bytes, key_id: str) -> None:
        def reference(upn: str) -> PupilReference:
            return PupilReference(pupil_scheme(upn), keyed(upn, key, key_id))

        self.reference = lru_cache(maxsize=100_000)(reference)

    @classmethod
    def of(cls, settings: Settings) -> UpnKey:
        """With the key of the settings. Raises ConfigError when it cannot be read."""
        return cls(load_key(settings), settings.identity.upn_key_id)
