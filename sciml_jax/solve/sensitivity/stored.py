"""What the adjoints along the stored solution share."""

import equinox as eqx

from ..job import Job, Outcome
from ..saving import Dense
from ..stochastic import Stochastic
from .continuous import ContinuousAdjoint
from .trajectory import Trajectory


class StoredAdjoint(ContinuousAdjoint):
    """A continuous adjoint along the dense output of the solve, of at most `capacity` steps."""

    capacity: int = eqx.field(default=4096, static=True)

    def __check_init__(self):
        if not isinstance(self.capacity, int) or self.capacity < 1:
            raise ValueError(f"capacity of {type(self).__name__} must be a positive int; got {self.capacity!r}")

    def check(self, job: Job) -> None:
        if isinstance(job.problem.field, Stochastic):
            raise ValueError(f"{type(self).__name__}() is for equations without noise: use Recorded() or Backsolve()")
        super().check(job)

    def keeping(self, job: Job) -> Job:
        return eqx.tree_at(lambda j: j.saves, job, (*job.saves, Dense(min(self.capacity, job.max_steps))))

    def trajectory(self, job: Job, outcome: Outcome) -> Trajectory:
        n, rows = outcome.saved[-1]
        return Trajectory.of(job.method, n, rows, job.direction)
