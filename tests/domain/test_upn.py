"""UPNs: the check letter, temporary UPNs, LAs made since 2011, and the keyed hash (rules 5 and 27). All are made up."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.gb.upn import calc_check_digit

from rollcall.domain import upn
from rollcall.errors import ConfigError
from rollcall.settings import Settings

KEY = bytes(range(32))
_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
digits = st.text("0123456789", min_size=8, max_size=8)
valid_upns = st.builds(
    lambda la, rest, last: calc_check_digit(f"{la:03}{rest}{last}") + f"{la:03}{rest}{last}",
    st.sampled_from(sorted(upn.LOCAL_AUTHORITIES)),
    digits,
    st.sampled_from("0123456789" + _LETTERS),
)


@pytest.mark.parametrize("number", ["B801200005001", "A80120000501A", "P207000016049", "p207 0000 16049"])
def test_valid(number: str) -> None:
    """Acceptance fact 14: P207000016049 is one, and temporary UPNs are."""
    assert upn.upn_valid(number)
    assert upn.pupil_scheme(number) == "upn"


@pytest.mark.parametrize(
    "number",
    [
        "Q207000016049",  # the worked example of a supplier's help page: 266 mod 23 is 13, P
        "A801200005001",  # wrong check letter
        "E000200005001",  # LA 000
        "X80120000A001",  # a letter in the middle
        "B80120000500",
        "B8012000050011",
        "",
        "I801200005001",  # I, O and S are no check letters
        "B80120000500S",
        "\N{ARABIC-INDIC DIGIT EIGHT}801200005001",
    ],
)
def test_invalid(number: str) -> None:
    """Acceptance fact 14: Q207000016049 is none."""
    assert not upn.upn_valid(number)
    assert upn.pupil_scheme(number) == "upn-invalid"


@pytest.mark.parametrize("authority", [838, 839, 940, 941, 942, 943])
def test_authorities_made_since_2011_are_known(authority: int) -> None:
    body = f"{authority}200005001"
    assert upn.upn_valid(calc_check_digit(body) + body)


@pytest.mark.parametrize("authority", [0, 6, 199, 214, 804, 999])
def test_numbers_that_no_authority_has_are_refused(authority: int) -> None:
    body = f"{authority:03}200005001"
    assert not upn.upn_valid(calc_check_digit(body) + body)


@given(valid_upns, st.integers(0, 12), st.data())
def test_one_wrong_sign_is_found(number: str, place: int, data: st.DataObject) -> None:
    assert upn.upn_valid(number)
    wrong = data.draw(
        st.sampled_from(_LETTERS if place == 0 else "0123456789").filter(lambda sign: sign != number[place])
    )
    if place == 12 and not number[12].isdecimal():
        return  # a temporary UPN's letter and a digit may weigh the same
    assert not upn.upn_valid(number[:place] + wrong + number[place + 1 :])


@given(
    st.lists(
        st.text(st.characters(codec="ascii"), min_size=1, max_size=15),
        unique_by=lambda text: text.replace(" ", "").upper(),
        max_size=50,
    )
)
def test_the_reference_tells_pupils_apart_and_nothing_else(numbers: list[str]) -> None:
    references = [upn.keyed(number, KEY) for number in numbers]
    assert len(set(references)) == len(numbers)
    for number, reference in zip(numbers, references, strict=True):
        assert len(reference) == len("k1:") + 32
        assert reference == upn.keyed(f" {number.upper()} ", KEY)
        assert reference != upn.keyed(number, bytes(32))


def test_the_key_s_id_stands_before_the_hash() -> None:
    one, other = upn.keyed("B801200005001", KEY), upn.keyed("B801200005001", KEY, "k2")
    assert one.startswith("k1:")
    assert other.startswith("k2:")
    assert "801200005001" not in one


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        upn.keyed("B801200005001", b"short")


def test_the_key_is_made_once_for_our_eyes_only(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path / "home")
    key = upn.load_key(settings)
    assert len(key) == 32
    assert upn.load_key(settings) == key
    assert stat.S_IMODE(settings.upn_key_file.stat().st_mode) == 0o600
    assert [file.name for file in settings.upn_key_file.parent.iterdir()] == ["upn.key"]
    assert upn.load_key(Settings.load(home=tmp_path / "other")) != key


def test_a_key_file_of_the_wrong_length_is_refused_without_saying_the_key(tmp_path: Path) -> None:
    file = tmp_path / "upn.key"
    file.write_bytes(b"secret")
    with pytest.raises(ConfigError, match="6 bytes") as error:
        upn.load_key(Settings.load(home=tmp_path))
    assert "secret" not in str(error.value)
