"""Unique Pupil Numbers: whether one is valid, and the keyed hash that leaves the edge in its place (rule 27).

A UPN is 13 characters: check letter, LA (3 digits), establishment (4), year of allocation (2), serial (3). In a
temporary UPN the last character is a letter. Check letter: the sum of value times position over positions 2 to 13,
modulo 23, as an index into the 23 letters without I, O and S; a letter's value is its index.
Source: the Department's UPN guide and the GovTalk data standard UniquePupilNumber 2.0.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from stdnum.gb.upn import calc_check_digit

from rollcall.errors import ConfigError

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = [
    "KEY_BYTES",
    "LOCAL_AUTHORITIES",
    "SCHEME",
    "SCHEME_INVALID",
    "keyed",
    "load_key",
    "pupil_scheme",
    "upn_valid",
]

#: `pupil_scheme` of a keyed UPN, and of one that is not valid.
SCHEME = "upn"
SCHEME_INVALID = "upn-invalid"
#: Length of the key, in bytes.
KEY_BYTES = 32

_FORM = re.compile(r"[A-HJ-NP-RT-Z][0-9]{11}[0-9A-HJ-NP-RT-Z]")


def _codes(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


#: LAs and pseudo-LAs that have allocated UPNs. The list of January 2011 (as in python-stdnum), the pseudo-LAs of the
#: UPN guide, and the authorities made since: 838 Dorset, 839 Bournemouth, Christchurch and Poole, 940 and 941 North and
#: West Northamptonshire, 942 Cumberland, 943 Westmorland and Furness. Codes given up stay: pupils keep their UPN.
LOCAL_AUTHORITIES: frozenset[int] = _codes(
    "1-5 201-213 301-320 330-336 340-344 350-359 370-373 380-384 390-394 420 660-681 701-708 800-803 805-808 810-813 "
    "815 816 821-823 825 826 830 831 835-841 845 846 850-852 855-857 860 861 865-874 876-896 908 909 916 919 921 925 "
    "926 928 929 931 933 935-938 940-943"
)


def upn_valid(upn: str) -> bool:
    """Whether this is a valid UPN, permanent or temporary. Spaces and small letters are let pass."""
    compact = _compact(upn)
    if _FORM.fullmatch(compact) is None or int(compact[1:4]) not in LOCAL_AUTHORITIES:
        return False
    return bool(calc_check_digit(compact[1:]) == compact[0])


def pupil_scheme(upn: str) -> str:
    """The `pupil_scheme` under which a UPN is sent: 'upn', or 'upn-invalid' (rule 5: it never loses a mark)."""
    return SCHEME if upn_valid(upn) else SCHEME_INVALID


def keyed(upn: str, key: bytes, key_id: str = "k1") -> str:
    """The reference that stands for a UPN outside the edge: the key's id, a colon, 32 hexadecimal digits.

    BLAKE2b with a key, 16 bytes long: who has no key can neither read the UPN nor try the ten million likely ones.
    Spelling (spaces, small letters) makes no difference. Raises ValueError when the key is not 16 to 64 bytes.
    """
    if not 16 <= len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise ValueError("the key for UPNs has 16 to 64 bytes")
    return f"{key_id}:{hashlib.blake2b(_compact(upn).encode(), digest_size=16, key=key).hexdigest()}"


def load_key(settings: Settings) -> bytes:
    """Read the key for UPNs, 32 random bytes in `settings.upn_key_file`. When there is none, make it (mode 0600).

    Everybody who sends marks of a school must use the same key: in production it is put there as a secret.
    Raises ConfigError when it cannot be read or made, or is not 32 bytes.
    """
    file = settings.upn_key_file
    try:
        if not file.exists():
            _make_key(file)
        key = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"the key for UPNs, {file}, cannot be read: {error.strerror}") from None
    if len(key) != KEY_BYTES:
        raise ConfigError(f"the key for UPNs, {file}, has {len(key)} bytes; it must be {KEY_BYTES} random bytes")
    return key


def _make_key(file: Path) -> None:
    """Write a new key whole or not at all; of two processes that try, the first wins and both read the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_bytes(KEY_BYTES))
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _compact(upn: str) -> str:
    return upn.replace(" ", "").upper()
