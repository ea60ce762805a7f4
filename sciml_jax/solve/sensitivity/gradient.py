"""What a gradient implementation is: a way to run the driver so that derivatives can go through it."""

from abc import abstractmethod

import equinox as eqx

from ..job import Job, Outcome


class Gradient(eqx.Module):
    """Chooses how a solve is differentiated; it never changes what the solve computes."""

    @abstractmethod
    def solve(self, job: Job) -> Outcome:
        """Runs the driver on `job`."""
