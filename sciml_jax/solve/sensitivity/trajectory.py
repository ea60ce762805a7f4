"""A solution that was kept, as a function of time."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import Rows, read_row
from ..method import Method
from ..problem import State, Time


class Trajectory(NamedTuple):
    """The dense output of a solve; `starts` are those of its steps, times the direction, and infinite beyond."""

    method: Method
    rows: Rows
    starts: Float[Array, " steps"]
    direction: Time

    @staticmethod
    def of(method: Method, n, rows: Rows, direction: Time) -> "Trajectory":
        """From what `sj.Dense` kept."""
        t_left = direction * rows.all()[0]
        return Trajectory(method, rows, jnp.where(jnp.arange(t_left.size) < n, t_left, jnp.inf), direction)

    def __call__(self, t: Time) -> State:
        row = jnp.searchsorted(self.starts, self.direction * t, side="right") - 1
        left, right, data = read_row(self.rows, jnp.maximum(row, 0))
        return self.method.interpolate(data, left, right, t)

    def start_before(self, t: Time) -> Time:
        """Where the step began that led to t: the next knot for who goes backwards."""
        row = jnp.searchsorted(self.starts, self.direction * t, side="left") - 1
        return self.direction * self.starts[jnp.maximum(row, 0)]
