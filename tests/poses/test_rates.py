from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poses.rates import read_rate

LARGEST = 10**60


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("25", Fraction(25)),
        (" 30000/1001 ", Fraction(30000, 1001)),
        ("12.5", Fraction(25, 2)),
        (".5", Fraction(1, 2)),
        ("23.976", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        ("29.970", Fraction(30000, 1001)),
    ],
)
def test_rates_are_exact_fractions(text, value):
    assert read_rate(text) == value


@pytest.mark.parametrize(
    "text", ["", "fast", "/2", "nan", "inf", "1/2/3", "25 30", "0x19", "9" * 99]
)
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match=r"no rate|Invalid literal"):
        read_rate(text)


@pytest.mark.parametrize("text", ["1e999999999", "1E-999999999", "1e9"])
def test_an_exponent_is_refused_before_it_is_written_out(text):
    with pytest.raises(ValueError, match="is no rate"):
        read_rate(text)


@given(st.text("0123456789./eE+-_ ٣", max_size=80))
def test_whatever_is_written_a_rate_has_few_digits_or_is_refused(text):
    try:
        rate = read_rate(text)
    except (ValueError, ZeroDivisionError):
        return
    assert abs(rate.numerator) < LARGEST
    assert rate.denominator < LARGEST
