"""Forward mode: tangents carried along with the solve."""

from .. import fixed
from ..driver import drive
from ..job import Job, Outcome
from .gradient import Gradient


class Forward(Gradient):
    """Forward-mode derivatives: `jax.jvp`, `jax.jacfwd`, and nothing to store.

    The tangent of the computed solution on its own grid: step sizes, errors and the choice of steps are constants.
    Use it for few parameters. Reverse mode and `jax.linearize` are refused: use `Recorded()` for those.

    Cost: about (1 + number of tangents) solves in time and memory.

    >>> import jax, sciml_jax as sj
    >>> end = lambda k: sj.solve_ode(lambda t, y, k: -k * y, (0.0, 1.0), 1.0, k, gradient=sj.Forward()).y
    >>> abs(float(jax.jacfwd(end)(1.0)) + 0.36787944) < 1e-5
    True
    """

    @property
    def forward_mode(self) -> bool:
        return True

    def solve(self, job: Job) -> Outcome:
        return (fixed.march(job) if fixed.applies(job) else drive(job))[0]
