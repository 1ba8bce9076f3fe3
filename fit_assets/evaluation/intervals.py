"""Intervals and tests for shares, in closed form: no resampling, the same figure in every run."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def wilson(successes: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson score interval of a share (Wilson 1927); ``n`` may be an effective sample size.

    Raises:
        ValueError: ``n`` is not positive.
    """
    if n <= 0:
        raise ValueError("an interval needs at least one observation")
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def clustered_share(parts: Sequence[float], wholes: Sequence[float]) -> tuple[float, float, float]:
    """A share of sums, ``sum(parts) / sum(wholes)``, whose observations come in clusters; with its interval.

    The pairs of one question are right or wrong together, so that counting each pair as an observation
    of its own would give too narrow an interval. The variance is that of the ratio estimator over clusters
    (Cochran, Sampling Techniques, section 6.3); the interval is Wilson's with the sample size that this variance
    amounts to (Korn and Graubard 1998), and with the number of clusters where all agree.

    Returns:
        The share and the two ends of its 95 % interval.

    Raises:
        ValueError: no cluster has a whole.
    """
    total = sum(wholes)
    if total <= 0:
        raise ValueError("a share needs at least one observation")
    share = sum(parts) / total
    clusters = len(wholes)
    squares = sum((part - share * whole) ** 2 for part, whole in zip(parts, wholes, strict=True))
    variance = clusters / max(clusters - 1, 1) * squares / total**2
    effective = share * (1 - share) / variance if variance > 0 and 0 < share < 1 else clusters
    effective = min(max(effective, 1.0), total)
    return share, *wilson(share * effective, effective)


def paired_difference(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float, float]:
    """Difference of two shares on the same questions, B minus A, with its 95 % interval.

    Newcombe's method 10 (Statistics in Medicine 1998, 17:2635): Wilson intervals of the single shares, joined
    with the correlation of the pairs; it keeps its width where nothing or everything differs.

    Raises:
        ValueError: no pairs.
    """
    n = both + only_a + only_b + neither
    share_a, share_b = (both + only_a) / n if n else 0.0, (both + only_b) / n if n else 0.0
    low_a, high_a = wilson(both + only_a, n)
    low_b, high_b = wilson(both + only_b, n)
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    covariance = float(both * neither - only_a * only_b)
    if covariance > 0:  # Newcombe's continuity correction
        covariance = max(covariance - n / 2, 0.0)
    phi = covariance / math.sqrt(margins) if margins else 0.0

    def side(to_b: float, to_a: float) -> float:
        return math.sqrt(max(to_b**2 - 2 * phi * to_b * to_a + to_a**2, 0.0))

    difference = share_b - share_a
    return (
        difference,
        max(-1.0, difference - side(share_b - low_b, high_a - share_a)),
        min(1.0, difference + side(high_b - share_b, share_a - low_a)),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value that A and B are equally good, from the questions on which they differ."""
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, tail / 2 ** (n - 1)) if n else 1.0


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile: a value that was really measured.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("a percentile needs at least one value")
    return sorted(values)[max(math.ceil(percent / 100 * len(values)) - 1, 0)]


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median with its distribution-free 95 % interval (order statistics, normal approximation of the ranks).

    Raises:
        ValueError: no values.
    """
    middle = percentile(values, 50)
    ordered, n = sorted(values), len(values)
    reach = Z95 * math.sqrt(n) / 2
    low, high = math.floor(n / 2 - reach), math.ceil(n / 2 + reach)
    return middle, ordered[max(low, 0)], ordered[min(high, n - 1)]
