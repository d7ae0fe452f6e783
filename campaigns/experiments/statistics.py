"""How sure a difference between shares is. Pure: counts go in, probabilities come out.

All is for large counts but for Fisher's test, which stands in where they are small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

LEVEL = 0.05  # of error: a difference by chance alone is taken for real once in twenty tests
POWER = 0.8  # a difference that is there is found in four tests of five
# Fabijan et al. 2019, “Diagnosing Sample Ratio Mismatch”: a split that chance gives more rarely
# than that has a fault.
SPLIT_LEVEL = 0.001
_FEW = 5  # expected counts below that are too small for the normal distribution (Cochran 1954)


def _quantile(level: float, comparisons: int = 1) -> float:
    """How many standard errors leave `level` outside, on both sides, shared by comparisons."""
    return NormalDist().inv_cdf(1 - level / comparisons / 2)


@dataclass(frozen=True, slots=True)
class Share:
    """A count, and of how many."""

    part: int
    whole: int

    @property
    def rate(self) -> float | None:
        """From 0 to 1; None where there is nothing to take a share of."""
        return self.part / self.whole if self.whole else None

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Within which the true share lies, at 1 - `level` (Wilson 1927): 0 to 1 where unknown."""
        if not self.whole:
            return 0.0, 1.0
        z, n, p = _quantile(level), self.whole, self.part / self.whole
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low = 0.0 if self.part == 0 else centre - half
        return low, 1.0 if self.part == n else centre + half


def difference(one: Share, other: Share, level: float = LEVEL) -> tuple[float, float, float]:
    """`one` less `other`, and the interval of it: Newcombe 1998, method 10. Both have a whole."""
    p, q = one.part / one.whole, other.part / other.whole
    (p_low, p_high), (q_low, q_high) = one.interval(level), other.interval(level)
    below = math.hypot(p - p_low, q_high - q)
    above = math.hypot(p_high - p, q - q_low)
    return p - q, p - q - below, p - q + above


def p_value(one: Share, other: Share) -> float:
    """How often chance alone gives a difference as large, either way, between equal shares.

    The two-proportion z test with the common share; Fisher's exact test where counts are small.
    1.0 where one of them has no whole.
    """
    if not one.whole or not other.whole:
        return 1.0
    whole = one.whole + other.whole
    common = (one.part + other.part) / whole
    if min(one.whole, other.whole) * min(common, 1 - common) < _FEW:
        return _fisher(one, other)
    error = math.sqrt(common * (1 - common) * (1 / one.whole + 1 / other.whole))
    z = abs(one.part / one.whole - other.part / other.whole) / error
    return math.erfc(z / math.sqrt(2))


def _fisher(one: Share, other: Share) -> float:
    """Both sides: the sum over all tables that are no likelier than this one."""
    total = one.part + other.part
    lowest, highest = max(0, total - other.whole), min(total, one.whole)

    def weight(part: int) -> float:
        """Logarithm of the number of ways to get so many in `one`."""
        return _log_choose(one.whole, part) + _log_choose(other.whole, total - part)

    weights = [weight(part) for part in range(lowest, highest + 1)]
    own, largest = weight(one.part), max(weights)
    ways = [math.exp(each - largest) for each in weights]
    as_rare = [way for way, each in zip(ways, weights, strict=True) if each <= own + 1e-9]
    return min(1.0, math.fsum(as_rare) / math.fsum(ways))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979), in their order: none above 1."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    corrected = [0.0] * len(p_values)
    reached = 0.0
    for place, at in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - place) * p_values[at]))
        corrected[at] = reached
    return corrected


def split_p_value(counts: Sequence[int], weights: Sequence[int]) -> float:
    """How often chance alone splits so unevenly: chi-square of 2 to 4 counts against weights."""
    total = sum(counts)
    if not total:
        return 1.0
    expected = [total * weight / sum(weights) for weight in weights]
    pairs = zip(counts, expected, strict=True)
    square = sum((count - wanted) ** 2 / wanted for count, wanted in pairs)
    return chi_square_tail(square, len(counts) - 1)


def chi_square_tail(square: float, freedom: int) -> float:
    """P(X > `square`) for 1, 2 or 3 degrees of freedom, for which it has a closed form."""
    if freedom == 2:
        return math.exp(-square / 2)
    tail = math.erfc(math.sqrt(square / 2))
    if freedom == 1:
        return tail
    if freedom == 3:
        return tail + math.sqrt(2 * square / math.pi) * math.exp(-square / 2)
    raise ValueError(f"{freedom} degrees of freedom: 1, 2 or 3 are known")


def detectable_difference(n: int, base_rate: float, comparisons: int = 1) -> float | None:
    """The smallest rise over `base_rate` that `n` messages a variant can tell; shares, 0 to 1.

    At LEVEL (shared by the comparisons) and POWER, with the usual formula for two proportions
    (Fleiss, “Statistical Methods for Rates and Proportions”, without continuity correction). None:
    not even a rise to 100 %.
    """
    if n < 1 or needed_per_variant(base_rate, 1 - base_rate, comparisons) > n:
        return None
    low, high = 0.0, 1 - base_rate
    for _ in range(40):
        middle = (low + high) / 2
        if needed_per_variant(base_rate, middle, comparisons) > n:
            low = middle
        else:
            high = middle
    return high


def needed_per_variant(base_rate: float, rise: float, comparisons: int = 1) -> float:
    """Messages a variant needs for a rise over `base_rate` to be told; infinite for none."""
    if rise <= 0:
        return math.inf
    p, q = base_rate, base_rate + rise
    middle = (p + q) / 2
    by_chance = _quantile(LEVEL, comparisons) * math.sqrt(2 * middle * (1 - middle))
    found = NormalDist().inv_cdf(POWER) * math.sqrt(p * (1 - p) + max(0.0, q * (1 - q)))
    return float(((by_chance + found) / rise) ** 2)
