r"""Orders of the symmetric compositions, from their algebra and from a nonlinear oscillator.

A symmetric method of order 2 is $\Phi_h = \exp(h Y_1 + h^3 Y_3 + h^5 Y_5 + \ldots)$ with operators $Y_k$ that do not
commute. A composition has order p when the product of the exponentials with $h \to \gamma_i h$, a series in words
$Y_{k_1} Y_{k_2} \cdots$, agrees with $\exp(h Y_1)$ in every word of weight $k_1 + k_2 + \ldots \le p$ (Hairer, Lubich &
Wanner, Geometric Numerical Integration, sect. III.4-5).
"""

from fractions import Fraction
from functools import reduce
from math import factorial, log2

import mpmath as mp
import pytest

from sciml_jax.solve.symplectic.coefficients import KAHANLI8, YOSHIDA4, YOSHIDA6

METHODS = [
    pytest.param(YOSHIDA4, 3, 4, id="yoshida4"),
    pytest.param(YOSHIDA6, 7, 6, id="yoshida6"),
    pytest.param(KAHANLI8, 17, 8, id="kahanli8"),
]
DIGITS = 50


def words(weight: int) -> list[tuple[int, ...]]:
    """The words of odd letters with a given sum."""
    if weight == 0:
        return [()]
    return [(letter, *rest) for letter in range(1, weight + 1, 2) for rest in words(weight - letter)]


def product(left: dict, right: dict) -> dict:
    return {word: sum(left[word[:i]] * right[word[i:]] for i in range(len(word) + 1)) for word in left}


def composition(gammas, upto: int) -> dict:
    """Coefficients of all words up to a weight in the product of the exponentials."""
    every = [word for weight in range(upto + 1) for word in words(weight)]
    series = [{word: gamma ** sum(word) / factorial(len(word)) for word in every} for gamma in gammas]
    return reduce(product, series)


@pytest.mark.parametrize(("gammas", "stages", "order"), METHODS)
def test_order_conditions(gammas, stages, order):
    assert len(gammas) == stages and sum(gammas) == 1 and gammas == gammas[::-1]
    series = composition(gammas, order + 1)
    # Each weight has 50 digits, a relative error of up to 5e-50, and a word holds one factor per unit of weight.
    absolute = composition([abs(gamma) for gamma in gammas], order + 1)
    above = []
    for word, value in series.items():
        exact = Fraction(1, factorial(len(word))) if set(word) <= {1} else 0
        if sum(word) <= order:
            assert abs(value - exact) <= sum(word) * 5 * Fraction(1, 10**DIGITS) * absolute[word], word
        else:
            above.append(abs(value - exact))
    assert max(above) > 1e-4  # a symmetric method misses the next, odd, order


def leapfrog(q, p, h):
    """One step of H = p^2/2 + q^2/2 + q^4/4 in the order kick, drift, kick."""
    p = p - h / 2 * (q + q**3)
    q = q + h * p
    return q, p - h / 2 * (q + q**3)


@pytest.mark.parametrize(("gammas", "stages", "order"), METHODS)
def test_order_on_a_nonlinear_oscillator(gammas, stages, order):
    with mp.workdps(40):
        exact = mp.odefun(lambda t, y: [y[1], -y[0] - y[0] ** 3], 0, [1, mp.mpf(1) / 2])(1)
        weights = [mp.mpf(x.numerator) / x.denominator for x in gammas]
        errors = []
        for steps in (64, 128):
            q, p = mp.mpf(1), mp.mpf(1) / 2
            for _ in range(steps):
                for gamma in weights:
                    q, p = leapfrog(q, p, gamma / steps)
            errors.append(mp.hypot(q - exact[0], p - exact[1]))
        # The next term is h^2 smaller, with gammas up to 1.7: a few per cent here.
        assert log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)
