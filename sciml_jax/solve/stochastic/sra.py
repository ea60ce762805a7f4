"""Stochastic Runge-Kutta methods for additive noise, by tableau."""

from dataclasses import dataclass
from typing import ClassVar

from ...core import trees
from ..problem import Problem, State, Time
from .method import StochasticMethod, added

Row = tuple[float, ...]


@dataclass(frozen=True)
class SRATableau:
    r"""The coefficients of `SRA`: s entries in `c0`, `c1`, `alpha`, `beta1`, `beta2`; row i of `a` and `b` has i.

    They have strong order 1.5 where (with row sums of a and b)

    $$\textstyle\sum\alpha = 1,\; \sum\beta^1 = 1,\; \sum\beta^2 = 0,\; \beta^1 \cdot c^1 = 1,\; \beta^2 \cdot c^1 = -1,
    \; \alpha \cdot a = \tfrac12,\; \alpha \cdot b = 1,\; \alpha \cdot b^2 = \tfrac32.$$
    """

    c0: Row
    c1: Row
    a: tuple[Row, ...]
    b: tuple[Row, ...]
    alpha: Row
    beta1: Row
    beta2: Row

    def __post_init__(self):
        if self.c0[0] != 0.0:
            raise ValueError(f"the first stage of a SRATableau is that of the step's start, c0[0] = 0; got {self.c0}")


class SRA(StochasticMethod):
    r"""A stochastic Runge-Kutta method for additive noise; subclasses give a `tableau`.

    With $X = I_{(1,0)} / h$, the mean of the noise over the step,

    $$H_i = y_0 + h \sum_{j<i} a_{ij} f(t_0 + c^0_j h, H_j) + \sum_{j<i} b_{ij}\, g(t_0 + c^1_j h) X,$$
    $$y_1 = y_0 + h \sum_i \alpha_i f(t_0 + c^0_i h, H_i)
    + \sum_i g(t_0 + c^1_i h) (\beta^1_i \Delta W + \beta^2_i X).$$

    The error estimate is the difference to Euler's method with the same noise,
    $h \sum_i (\alpha_i - \delta_{i1}) f_i + \sum_i \beta^2_i g_i X$: what lifts the order from 1 to 1.5.

    Source: A. Rößler, Runge-Kutta methods for the strong approximation of solutions of stochastic differential
    equations, SIAM J. Numer. Anal. 48 (2010) 922-952, doi:10.1137/09076636X; the estimate follows C. Rackauckas &
    Q. Nie, Discrete Contin. Dyn. Syst. B 22 (2017) 2731-2761, doi:10.3934/dcdsb.2017133, with the weights of the pair.
    """

    tableau: ClassVar[SRATableau]
    noises: ClassVar[frozenset[str]] = frozenset({"additive"})
    strong_order: ClassVar[float] = 1.5
    drift_order: ClassVar[int] = 2
    error_order: ClassVar[float | None] = 1.5

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        field, args, rows = problem.field, problem.args, self.tableau
        w, area = field.increment_and_area(t, dt)
        mean = trees.axpy(0.5, w, area)
        gs = [field.spread(t + c * dt, y, args) for c in rows.c1]
        kicks = [field.apply(g, mean) for g in gs]
        fs: list[State] = []
        for c, a, b in zip(rows.c0, rows.a, rows.b, strict=True):
            inner = trees.axpy(dt, trees.combine(a, fs), trees.axpy(1.0, trees.combine(b, kicks[: len(b)]), y))
            fs.append(problem.evaluate(t + c * dt, inner))
        mixed = [trees.combine(pair, (w, mean)) for pair in zip(rows.beta1, rows.beta2, strict=True)]
        terms = [field.apply(g, z) for g, z in zip(gs, mixed, strict=True) if z is not None]
        y1 = added(trees.axpy(dt, trees.combine(rows.alpha, fs), y), *terms)
        drifts = trees.combine((rows.alpha[0] - 1.0, *rows.alpha[1:]), fs)
        error = trees.axpy(dt, drifts, trees.combine(rows.beta2, kicks))
        return y1, error
