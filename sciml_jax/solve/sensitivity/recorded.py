"""The default gradient: the exact discrete adjoint, replayed from recorded times and thinned snapshots."""

from dataclasses import replace

import equinox as eqx

from .. import fixed
from ..driver import drive
from ..job import Job, Outcome
from ..step_end import cuttable
from .backward import pulled_back
from .gradient import Gradient
from .record import Record, Snapshots, recorded


class Recorded(Gradient):
    r"""Reverse-mode derivatives, exact for the computed solution on its own grid (discretise, then differentiate).

    The forward pass of a gradient keeps the time of every accepted step and some snapshots of the state, about
    $\sqrt{2n}$ with room for n steps. The backward pass replays a segment of steps at a time and pulls back step by
    step: rejected steps, error estimates and step-size control are neither repeated nor differentiated. Saved values,
    dense output, auxiliary outputs, event times and jumps take part. A solve without derivatives records nothing.

    **Arguments:**

    - `snapshots`: number of states kept, a power of two; by default the number that needs the least memory, but every
      state of delay equations, which remember them anyway, and of up to 256 steps of a plain `steps=`. As long as the
      solve has fewer steps, nothing is replayed. Of a plain `steps=`, every fourth state (a quarter as many snapshots
      as steps) takes hardly longer than all of them: four steps are pulled back in one piece.

    Works under `vmap`, `jit`, `scan`; `jax.jacfwd(jax.grad(...))` gives second derivatives (not inside `scan` and
    `jax.lax.map`, where JAX loses the rules of the loops: `TypeError`). Forward mode (`jax.jvp`) through it is refused:
    use `Forward()`.

    Room is for 4,096 steps of adaptive size, more of which end the solve with `record_capacity_reached`; or for
    `max_steps`, if given.

    Cost: a gradient takes about 4 solves in time while the snapshots hold every step, 5 beyond. Memory: 8n bytes and
    about $3\sqrt n$ states. Where those would take more than 8 MiB, about $6\sqrt[3]n$: then 6 solves for very many
    steps.

    >>> import jax, sciml_jax as sj
    >>> end = lambda k: sj.solve_ode(lambda t, y, k: -k * y, (0.0, 1.0), 1.0, k).y
    >>> abs(float(jax.grad(end)(1.0)) + 0.36787944) < 1e-5
    True
    """

    snapshots: int | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        n = self.snapshots
        if n is not None and (n < 2 or n & (n - 1)):
            raise ValueError(f"snapshots of Recorded must be a power of two, 2 or more; got {n!r}")

    def solve(self, job: Job) -> Outcome:
        if fixed.applies(job):
            return fixed.march(job, checkpoint=True, snapshots=self.snapshots)[0]
        recorder = Snapshots.sized(job, cuttable(job), self.snapshots)

        def record(job: Job) -> tuple[Outcome, Record]:
            if job.memory is not None:
                job = replace(job, memory=job.memory.recorded(job.method))
            outcome, ((level, dt), (grid, snapshots), memory) = recorded(job, recorder)
            return outcome, Record(level, dt, grid, snapshots, memory)

        return pulled_back(job, recorder, lambda job: drive(job)[0], record)
