"""The continuous adjoint: the adjoint equation solved backwards in time, in constant memory."""

import equinox as eqx

from ..job import Job, Outcome
from ..stochastic import Stochastic, StratonovichHeun
from ..symplectic import ReversibleHeun
from .continuous import ContinuousAdjoint
from .leaves import Leaves


class Backsolve(ContinuousAdjoint):
    r"""Reverse-mode derivatives by the continuous adjoint (differentiate, then discretise), in constant memory:

    $$\dot a = -a^\top \partial_y f, \qquad \frac{dL}{d\theta} = -\int_{t_1}^{t_0} a^\top \partial_\theta f\, dt$$

    solved backwards together with y, with the method and tolerances of the solve; the error control leaves the
    integrals for θ out (seminorm), which saves up to half the steps. The gradient is that of the exact flow, not of the
    computed solution: it carries the error of the tolerance, and that of running y backwards. Where the solution decays
    fast (stiff problems, long spans) running it backwards is unstable: methods that damp such decay are refused, so
    stabilised ones are, and implicit ones but for `sj.Trapezoid` and the Gauss methods. Use `Recorded()` there.

    For stochastic equations the adjoint equation has the same noise, and is solved on the same path, a reconstructible
    one such as `sj.BrownianTree`, by `sj.StratonovichHeun()` or `sj.ReversibleHeun()`: the stochastic adjoint. Its
    error is that of the method's strong order; derivatives with respect to times are refused.

    For the final state and saved times, functions and auxiliary outputs of them included. Events, `sj.Steps`,
    `sj.Dense`, projections, geometric methods and prescribed grids are refused: the adjoint equation does not see them.
    A backward solve that fails, or misses a state that it comes from by more than a tenth, gives NaN.

    Cost: about one more solve of a system twice as large. Memory: independent of the number of steps.

    Source: L. S. Pontryagin et al., 1962; R. T. Q. Chen, Y. Rubanova, J. Bettencourt & D. Duvenaud, NeurIPS 2018,
    arXiv:1806.07366; seminorm: P. Kidger, R. T. Q. Chen & T. Lyons, ICML 2021, arXiv:2009.09457;
    noise: X. Li, T.-K. L. Wong, R. T. Q. Chen & D. Duvenaud, AISTATS 2020, algorithm 2, arXiv:2001.01328.

    >>> import jax, sciml_jax as sj
    >>> end = lambda k: sj.solve_ode(lambda t, y, k: -k * y, (0.0, 1.0), 1.0, k, gradient=sj.Backsolve()).y
    >>> abs(float(jax.grad(end)(1.0)) + 0.36787944) < 1e-5
    True
    """

    seminorm: bool = eqx.field(default=True, static=True)

    def trajectory(self, job: Job, outcome: Outcome) -> None:
        return None

    def check(self, job: Job) -> None:
        super().check(job)
        if isinstance(job.problem.field, Stochastic):
            _check_noise(job)
        if job.method.damps:
            raise ValueError(
                "Backsolve() runs the solution backwards in time, where the fast decay that "
                f"{type(job.method).__name__} is made for is unbounded growth: use Recorded(), or Forward()"
            )

    def check_derivatives(self, leaves: Leaves, job: Job, flags: tuple[bool, ...]) -> None:
        if isinstance(job.problem.field, Stochastic) and any(flags[i] for i in leaves.places(_all_times)):
            raise ValueError(
                "Backsolve() has no derivatives of stochastic equations with respect to times, at which paths have no "
                "slope: use Recorded(), or jax.lax.stop_gradient on the times"
            )


def _all_times(job: Job):
    return job.t0, job.t1, [getattr(save, "ts", None) for save in job.saves]


def _check_noise(job: Job) -> None:
    """The adjoint of an equation with noise is one with general noise, in Stratonovich's sense, on the same path."""
    name, path = type(job.method).__name__, type(job.problem.field.path).__name__
    if not job.problem.field.path.reconstructible:
        raise ValueError(
            f"Backsolve() reads the noise backwards, at times of its own, which {path} does not know: give "
            "path=sj.BrownianTree, or use Recorded()"
        )
    if not isinstance(job.method, StratonovichHeun | ReversibleHeun):
        raise ValueError(
            f"Backsolve() solves an equation with general noise in Stratonovich's sense, and {name} does not: give "
            "method=sj.StratonovichHeun(), or use Recorded()"
        )
