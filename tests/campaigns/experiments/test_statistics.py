"""Statistics against published figures, and against chance itself."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.experiments.statistics import (
    Share,
    chi_square_tail,
    detectable_difference,
    difference,
    holm,
    needed_per_variant,
    p_value,
    split_p_value,
)


# Newcombe 1998, “Two-sided confidence intervals for the single proportion”, table I, method 3.
@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_interval_is_wilsons(part, whole, low, high):
    assert Share(part, whole).interval() == pytest.approx((low, high), abs=5e-5)


# Newcombe 1998, “Interval estimation for the difference …”, table II, method 10.
@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        (Share(56, 70), Share(48, 80), 0.0524, 0.3339),
        (Share(9, 10), Share(3, 10), 0.1705, 0.8090),
        (Share(5, 56), Share(0, 29), -0.0381, 0.1926),
    ],
)
def test_difference_has_newcombes_interval(one, other, low, high):
    found = difference(one, other)
    assert found[1:] == pytest.approx((low, high), abs=5e-5)


def test_p_value_of_large_counts_is_that_of_the_z_test():
    # Physicians' Health Study 1989: heart attacks with placebo and with aspirin, z = 5.00.
    assert p_value(Share(189, 11_034), Share(104, 11_037)) == pytest.approx(5.7e-7, rel=0.01)
    assert p_value(Share(60, 200), Share(60, 200)) == 1.0


# Fisher 1935, the lady who tastes tea: three cups of four told, and all of them.
@pytest.mark.parametrize(
    ("one", "other", "p"),
    [(Share(3, 4), Share(1, 4), 0.4857), (Share(4, 4), Share(0, 4), 0.0286)],
)
def test_p_value_of_small_counts_is_fishers(one, other, p):
    assert p_value(one, other) == pytest.approx(p, abs=5e-5)
    assert p_value(other, one) == pytest.approx(p, abs=5e-5)


def test_p_value_without_messages_is_one():
    assert p_value(Share(0, 0), Share(5, 10)) == 1.0


def test_holm_corrects_as_r_does():
    # p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(("square", "freedom"), [(3.8415, 1), (5.9915, 2), (7.8147, 3)])
def test_chi_square_has_its_critical_values(square, freedom):
    assert chi_square_tail(square, freedom) == pytest.approx(0.05, abs=1e-5)


def test_split_is_held_against_the_weights():
    assert split_p_value([821, 1580], [1, 2]) > 0.1
    assert split_p_value([821, 1580], [1, 1]) < 1e-6
    # Fabijan et al. 2019: 821,588 against 815,482 looks even and is not.
    assert split_p_value([821_588, 815_482], [1, 1]) == pytest.approx(1.8e-6, rel=0.05)


# Fleiss, Levin and Paik, table A.4 without the continuity correction; Casagrande 1978.
@pytest.mark.parametrize(("base", "rise", "n"), [(0.10, 0.05, 686), (0.20, 0.05, 1094)])
def test_needed_per_variant_is_that_of_the_tables(base, rise, n):
    assert needed_per_variant(base, rise) == pytest.approx(n, abs=1)
    assert detectable_difference(n, base) == pytest.approx(rise, abs=1e-3)


def test_detectable_difference_of_300_messages_is_11_points():
    found = detectable_difference(300, 0.5)
    assert found is not None
    assert round(100 * found) == 11


def test_detectable_difference_of_too_few_is_none():
    assert detectable_difference(3, 0.5) is None
    assert detectable_difference(0, 0.1) is None


@given(st.integers(20, 5000), st.floats(0.01, 0.9), st.integers(1, 3))
def test_detectable_difference_shrinks_with_messages_and_grows_with_comparisons(n, base, arms):
    few, many = (detectable_difference(count, base, arms) for count in (n, 2 * n))
    if few is not None:
        assert many is not None
        assert many <= few
        more = detectable_difference(n, base, arms + 1)
        assert more is None or more >= few


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 50), st.integers(1, 50))
def test_p_value_is_a_probability_whatever_the_counts(a, n, b, m):
    p = p_value(Share(min(a, n), n), Share(min(b, m), m))
    assert 0 <= p <= 1


def _is_called(chance: random.Random, looks: range) -> bool:
    """Whether a test of two equal variants is called at one of the looks."""
    one = other = 0
    for sent in range(1, max(looks) + 1):
        one += chance.random() < 0.25
        other += chance.random() < 0.25
        if sent in looks and p_value(Share(one, sent), Share(other, sent)) < 0.05:
            return True
    return False


def test_looking_once_errs_once_in_twenty_and_looking_each_day_far_oftener():
    chance = random.Random(7)
    once = sum(_is_called(chance, range(400, 401)) for _ in range(400)) / 400
    daily = sum(_is_called(chance, range(20, 401, 20)) for _ in range(400)) / 400
    assert once < 0.08
    assert daily > 0.15  # why no verdict is given before the end
