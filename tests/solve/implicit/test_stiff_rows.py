"""What every implicit method does where a relaxation is far faster than its steps: one row a method."""

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from ..registry import BY_NAME, METHODS


class Stiff(NamedTuple):
    """A method on Prothero & Robinson's equation.

    - `order`: to which the design order falls, at a fixed rate and in steps far longer than the relaxation. That of the
      stages, or one more where the remaining error is divided by the rate (stiffly accurate methods) or the number of
      stages is odd (Gauss); 3 of the 5 of Rodas5P, which was made for this equation (Steinebach 2023); 1 of the
      Rosenbrock methods that were not.
    - `damping`: R(infinity), what is left of a distance from the slow solution after one long step.
    - `steps`: two numbers of steps between which the order is seen: errors above rounding, and below the next term.
    """

    order: int
    damping: float
    steps: tuple[int, int] = (64, 96)
    method: sj.Method | None = None


ROWS = {
    "Rosenbrock23": Stiff(2, 0.0, (8, 12)),
    "Rodas3": Stiff(1, 0.0, (16, 24)),
    "Rodas4": Stiff(1, 0.0, (16, 24)),
    "Rodas42": Stiff(1, 0.0, (16, 24)),
    "Rodas5P": Stiff(3, 0.0, (8, 12)),
    "ImplicitEuler": Stiff(1, 0.0),
    "Trapezoid": Stiff(2, -1.0, (8, 12)),
    "TRBDF2": Stiff(2, 0.0),
    "Kvaerno3": Stiff(2, 0.0),
    "Kvaerno4": Stiff(2, 0.0),
    "Kvaerno5": Stiff(2, 0.0),
    "KenCarp3": Stiff(2, 0.0),
    "KenCarp4": Stiff(2, 0.0, (128, 192)),
    "KenCarp5": Stiff(2, 0.0, (96, 144)),
    "IMEXEuler": Stiff(1, 0.0),
    "SBDF2": Stiff(2, 0.0, (128, 192), sj.SBDF2(newton_tolerance=1e-10)),
    # the modification of its formula of order 1 leaves kappa = -0.1850 (Shampine & Reichelt, table 2.1)
    "BDF": Stiff(1, -0.1850),
    "Radau5": Stiff(3, 0.0, (8, 12)),
    "RadauIIA": Stiff(5, 0.0, (4, 6)),
    "GaussLegendre4": Stiff(2, 1.0, (4, 6)),
    "GaussLegendre6": Stiff(4, -1.0, (4, 6)),
    "Exprb32": Stiff(2, 0.0),
    "Exprb43": Stiff(3, 0.0, (16, 24)),
}
each = pytest.mark.parametrize("name", ROWS)
RATE, END = 1e5, 1.2


def slow(t):
    return jnp.sin(t + 0.5)


def field(t, y, rate):
    return -rate * (y - slow(t)) + jnp.cos(t + 0.5)


@cache
def solver(name):
    """The end of a solve with constant steps, less the slow solution there."""
    method = ROWS[name].method or BY_NAME[name].method

    @jax.jit
    def solve(end, steps, y0, rate):
        sol = sj.solve_ode(field, (0.0, end), y0, rate, method=method, dt=end / steps, throw=False)
        reached = (sol.result == sj.RESULT.successful) & (sol.stats["accepted"] == steps)
        return jnp.where(reached, sol.y - slow(end), jnp.nan)

    return lambda *args: float(solve(*map(float, args)))


def test_every_implicit_method_has_a_row():
    implicit = {row.name for row in METHODS if row.method.uses_jacobian} - {"Auto"}
    assert implicit <= set(ROWS)


@each
def test_the_order_under_stiffness(name):
    order, _, steps, _ = ROWS[name]
    # errors of Gauss methods are not divided by the rate, and fall off where h times the rate is small
    rate = 1e6 if name.startswith("Gauss") else RATE
    coarse, fine = (abs(solver(name)(END, n, slow(0.0), rate)) for n in steps)
    observed = np.log(coarse / fine) / np.log(steps[1] / steps[0])
    assert abs(observed - order) < 0.2, (observed, coarse, fine)


@each
def test_what_is_left_of_a_distance(name):
    ends = [solver(name)(0.1, 1, slow(0.0) + distance, 1e9) for distance in (0.0, 1.0)]
    # the equation is linear: the difference is R(z), z = -1e8, which a constant over z separates from its limit
    assert abs(ends[1] - ends[0] - ROWS[name].damping) < 30 / 1e8
