"""SKenCarp: a diagonally implicit method for stiff drifts with additive noise."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ...core import trees
from ..implicit.dirk import derivatives_at, dirk_step
from ..implicit.dirk_tableau import DirkTableau
from ..implicit.kencarp3 import KenCarp3
from ..implicit.newton import COUNTS, check_iteration
from ..layout import Layout
from ..method import MethodState, Step
from ..problem import Problem, State, Time
from .field import Stochastic
from .method import Ends, StochasticMethod, added


def stage_noise(tableau: DirkTableau) -> np.ndarray:
    r"""Weights of $\Delta W$ and of the mean X of the noise over the step in every stage, shape (s, 2).

    At node c the path's mean, given $\Delta W$ and X, is $c\,\Delta W + 6 c (1 - c) (X - \Delta W / 2)$. These
    have $\sum b_i N_i = X$ where the weights b integrate parabolas, but their squares want what the two numbers do not
    know of the path: stages 2 and 3 are moved along their difference until $\sum b_i E N_i^2 = h / 2$.
    """
    b, c = np.asarray(tableau.b), tableau.nodes
    rows = np.stack([c - 3 * c * (1 - c), 6 * c * (1 - c)], axis=1)
    covariance = np.array([[1, 1 / 2], [1 / 2, 1 / 3]])  # of the two numbers, over h
    missing = 1 / 2 - b @ np.einsum("si,ij,sj->s", rows, covariance, rows)
    away = rows[2] - rows[1]
    square, ratio = b[1] * (away @ covariance @ away), b[1] / b[2]
    # square ((1 + ratio) x^2 - 2 x) = missing
    x = (1 - np.sqrt(1 + (1 + ratio) * missing / square)) / (1 + ratio)
    rows[1] += x * away
    rows[2] -= ratio * x * away
    return rows


class SKenCarp(StochasticMethod):
    r"""Kennedy and Carpenter's pair 3(2) with additive noise: for stiff drifts. With $X = I_{(1,0)} / h$, the mean of
    the noise over the step, and $N_i = p_i \Delta W + d_i X$,

    $$H_i = y_0 + h \sum_{j \le i} a_{ij} f(t_0 + c_j h, H_j) + g_0 N_i, \qquad
    y_1 = H_4, \quad g_0 N_4 \to g_0 X + g_1 (\Delta W - X):$$

    L-stable and stiffly accurate, so that fast decay damps the noise too. Strong order 1.5, order 3 without noise; of
    a drift `sj.Split(explicit, implicit)` the first part is treated explicitly.

    Adaptive steps: beside the drift's estimate of the pair, that of the noise starts from what a method of order 1
    leaves out, $e = (I - h\gamma J)^{-1} h J g_0 (X - \Delta W / 2) + (g_0 - g_1) (X - \Delta W / 2)$, and is
    $\sqrt{|e|\,|(I - h\gamma J)^{-1} e|}$ in each component: e where decay is slow, and where it is fast, with a rate
    $\lambda > 1 / h$, of the size $g / \sqrt\lambda$ of the fluctuations that such steps leave out. So fast decay costs
    no steps where its fluctuations are below the tolerance.

    - `newton_tolerance`: what Newton's iteration leaves, as a fraction of `rtol` and `atol`.

    **Raises** `ValueError` for other numbers; an adaptive step is repeated with a smaller size where the iteration does
    not converge, constant steps end with `step_failed`.

    Cost a step: one Jacobian, one factorisation, two to four evaluations of the drift and solves for each of three
    stages, two more solves for the estimate, and two evaluations of the diffusion.

    Source: after SKenCarp of C. Rackauckas & Q. Nie, Stability-optimized high order methods and stiffness detection for
    pathwise stiff stochastic differential equations, arXiv:1804.04344, with other weights of the noise (theirs go up to
    14; these, below 1.6, are near those of the path itself) and another estimate; the pair of C. A. Kennedy & M. H.
    Carpenter, Appl. Numer. Math. 44 (2003) 139-181, doi:10.1016/S0168-9274(02)00138-1; conditions of A. Rößler, SIAM J.
    Numer. Anal. 48 (2010) 922-952, doi:10.1137/09076636X.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> drift, diffusion = (lambda t, y, args: -1e4 * (y - jnp.cos(t))), (lambda t, y, args: jnp.ones_like(y))
    >>> options = {"noise": "additive", "method": sj.SKenCarp(), "rtol": 1e-2, "atol": 1e-2}
    >>> sol = sj.solve_sde(drift, diffusion, (0.0, 1.0), 1.0, jax.random.key(0), **options)
    >>> abs(float(sol.y) - 0.54) < 0.05
    True
    """

    newton_tolerance: float = 0.01

    tableau: ClassVar[DirkTableau] = KenCarp3.tableau
    noises: ClassVar[frozenset[str]] = frozenset({"additive"})
    strong_order: ClassVar[float] = 1.5
    drift_order: ClassVar[int] = 3
    stages: ClassVar[int] = 4
    error_order: ClassVar[float | None] = 1.5

    def __check_init__(self):
        check_iteration(self)

    @property
    def uses_jacobian(self) -> bool:
        return True

    def init(self, problem: Problem, t: Time, y: State, dt: Time) -> MethodState:
        return MethodState(derivatives_at(problem, self.tableau, t, y))

    def restart(self, problem: Problem, t: Time, y: State, state: MethodState) -> MethodState:
        return self.init(problem, t, y, t)

    def init_counts(self) -> dict[str, int]:
        return dict.fromkeys((*COUNTS, "diffusion_evaluations"), 0) | {"field_evaluations": 1}

    def advance(self, problem: Problem, t: Time, y: State, dt: Time) -> tuple[State, State | None]:
        step = self.step(problem, t, y, dt, self.init(problem, t, y, dt))
        return step.y, step.error

    def step(self, problem: Problem, t: Time, y: State, dt: Time, state: MethodState) -> Step:
        field, layout = problem.field, Layout(y)
        assert isinstance(field, Stochastic)
        w, area = field.increment_and_area(t, dt)
        mean = trees.axpy(0.5, w, area)
        g0, g1 = field.spread(t, y, problem.args), field.spread(t + dt, y, problem.args)
        kicks = [layout.vector(field.apply(g0, trees.combine(row, (w, mean)))) for row in STAGE_NOISE[1:-1]]
        last = layout.vector(added(field.apply(g0, mean), field.apply(g1, trees.subtract(w, mean))))
        shift_of_noise = layout.vector(field.apply(g0, area))
        curved = shift_of_noise - layout.vector(field.apply(g1, area))

        def estimate(error, damp):
            linear = (damp(shift_of_noise) - shift_of_noise) / self.tableau.gamma + curved
            noise = jnp.sqrt(jnp.abs(linear * damp(linear)))
            return jax.lax.stop_gradient(jnp.abs(error) + noise)

        how = (self.tableau, self.newton_tolerance)
        step = dirk_step(*how, problem, t, y, dt, state, estimate, [*kicks, last])
        counts = {**step.counts, "diffusion_evaluations": 2, "linear_solves": step.counts["linear_solves"] + 2}
        # between h^1.5, with which the estimate of noise shrinks, and h^3, that of the drift: steps settle for both
        return step._replace(dense=Ends(y, step.y), counts=counts, order=2)


STAGE_NOISE = stage_noise(KenCarp3.tableau)
