"""Stochastic Runge-Kutta methods for diagonal and scalar noise in Itô's sense, by tableau."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from ...core import trees
from ..problem import Problem, State, Time
from .method import StochasticMethod, added

Row = tuple[float, ...]


@dataclass(frozen=True)
class SRITableau:
    r"""The coefficients of `SRI`: s entries in `c0`, `c1`, `alpha` and the four `beta`; row i of the matrices has i.

    Column sums of the error terms vanish, and 25 conditions give strong order 1.5 (Rößler 2010, theorem 5.1).
    """

    c0: Row
    c1: Row
    a0: tuple[Row, ...]
    a1: tuple[Row, ...]
    b0: tuple[Row, ...]
    b1: tuple[Row, ...]
    alpha: Row
    betas: tuple[Row, Row, Row, Row]

    @property
    def drifts(self) -> tuple[int | None, ...]:
        """For every stage, the earlier one whose drift it shares: the first where it stands at (t0, y0); `None` where
        its drift is not used."""
        s, found = len(self.c0), []
        for i in range(s):
            used = self.alpha[i] or any(row[i] for m in (self.a0, self.a1) for row in m[i + 1 :])
            first = self.c0[i] == 0 and not any(self.a0[i]) and not any(self.b0[i])
            found.append(None if not used else 0 if first else i)
        return tuple(found)

    @property
    def drift_stages(self) -> int:
        """How many drifts a step evaluates."""
        return len(set(self.drifts) - {None})


class SRI(StochasticMethod):
    r"""A stochastic Runge-Kutta method for diagonal or scalar noise in Itô's sense; subclasses give a `tableau`.

    $$H^0_i = y_0 + h \sum_j a^0_{ij} f_j + X \sum_j b^0_{ij} g_j, \qquad
    H^1_i = y_0 + h \sum_j a^1_{ij} f_j + \sqrt h \sum_j b^1_{ij} g_j,$$
    $$y_1 = y_0 + h \sum_i \alpha_i f_i + \sum_i \Big(\beta^1_i \Delta W + \beta^2_i \frac{I_{(1,1)}}{\sqrt h}
    + \beta^3_i X + \beta^4_i \frac{I_{(1,1,1)}}{h}\Big) g_i$$

    with $f_i = f(t_0 + c^0_i h, H^0_i)$, $g_i = g(t_0 + c^1_i h, H^1_i)$, the mean $X = I_{(1,0)} / h$ of the noise
    over the step, $I_{(1,1)} = \tfrac12 (\Delta W^2 - h)$ and $I_{(1,1,1)} = \tfrac16 (\Delta W^3 - 3 h \Delta W)$.
    Forwards in time: backwards the order is 1.

    The error estimate is what lifts the order from 1 to 1.5: the terms with $\beta^3$ and $\beta^4$, and
    $h \sum_i (\alpha_i - \delta_{i1}) f_i$.

    Source: A. Rößler, Runge-Kutta methods for the strong approximation of solutions of stochastic differential
    equations, SIAM J. Numer. Anal. 48 (2010) 922-952, doi:10.1137/09076636X; the estimate follows C. Rackauckas &
    Q. Nie, Discrete Contin. Dyn. Syst. B 22 (2017) 2731-2761, doi:10.3934/dcdsb.2017133, with the weights of the pair.
    """

    tableau: ClassVar[SRITableau]
    noises: ClassVar[frozenset[str]] = frozenset({"diagonal", "scalar"})
    interpretations: ClassVar[frozenset[str]] = frozenset({"ito"})
    strong_order: ClassVar[float] = 1.5
    drift_order: ClassVar[int] = 2
    error_order: ClassVar[float | None] = 1.5

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        field, rows, drift = problem.field, self.tableau, self.drift(problem)
        w, area = field.increment_and_area(t, dt)
        size = jnp.abs(dt)
        step = jnp.where(size == 0, 1.0, dt)  # steps of no length have no noise
        root = jnp.sqrt(jnp.abs(step))
        twice = jax.tree.map(lambda z: 0.5 * (z * z - dt) / root, w)
        mean = trees.axpy(0.5, w, area)
        thrice = jax.tree.map(lambda z: z * (z * z - 3 * dt) / (6 * step), w)

        def moved(noise, h, a, b, i):
            """y, the drifts so far and the diffusions so far times a noise."""
            total, spread = trees.combine(a[i], fs[:i]), trees.combine(b[i], gs[:i])
            start = trees.axpy(h, total, y)
            return start if spread is None else added(start, field.apply(spread, noise))

        fs: list[State] = []
        gs: list[State] = []
        for i, (c0, c1, same) in enumerate(zip(rows.c0, rows.c1, rows.drifts, strict=True)):
            if same is None or same < i:
                fs.append(fs[0])
            else:
                fs.append(drift(t + c0 * dt, moved(mean, dt, rows.a0, rows.b0, i)))
            ones = jax.tree.map(lambda z: jnp.full_like(z, root), w)
            gs.append(field.spread(t + c1 * dt, moved(ones, dt, rows.a1, rows.b1, i), problem.args))
        noises = zip(rows.betas, (w, twice, mean, thrice), strict=True)
        first, second, third, fourth = (field.apply(trees.combine(beta, gs), z) for beta, z in noises)
        y1 = added(trees.axpy(dt, trees.combine(rows.alpha, fs), y), first, second, third, fourth)
        drifts = trees.combine((rows.alpha[0] - 1.0, *rows.alpha[1:]), fs)
        return y1, trees.axpy(dt, drifts, added(third, fourth))
