"""The contract of methods for jump processes."""

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Bool, Int, PyTree

from ..noise.threefry import Words
from ..problem import State, Time
from .network import Many, Network


class JumpStep(NamedTuple):
    """What one attempt returns.

    - `wait`: how far time goes, at most what is left. `state`: the method's.
    - `chosen`: what fires then, for `JumpMethod.fire`: the number of a channel, or what else a method makes of it.
    - `fires`: whether something happens at the end of `wait`. `ends`: whether t1 is reached.
    - `valid`: whether the rates were.
    """

    wait: Time
    chosen: PyTree
    state: PyTree
    fires: Bool[Array, ""]
    ends: Bool[Array, ""]
    valid: Bool[Array, ""]


class JumpMethod(eqx.Module):
    """A method for `sj.solve_jump`: configuration, and pure functions of a `Network`.

    Random numbers are functions of the key's `words` and of counters, so that a step may be repeated.
    """

    @abstractmethod
    def init(self, network: Network, words: Words, t: Time, x: Many) -> PyTree:
        """The method's state before the first attempt."""

    @abstractmethod
    def step(
        self, network: Network, words: Words, n: Int[Array, ""], t: Time, x: Many, left: Time, state: PyTree
    ) -> JumpStep:
        """Attempt number n from time t, with the time `left` to t1."""

    def fire(
        self, network: Network, x: Many, state: PyTree, chosen: PyTree, on: Bool[Array, ""]
    ) -> tuple[Many, PyTree]:
        """Counts and state after what was chosen has fired, where `on`; by default one channel."""
        return network.fire_one(x, chosen, on), state

    def check(self, network: Network) -> None:
        """Raises `ValueError` for a network that this method cannot run."""
        if not network.rates.ignores(0):
            raise ValueError(
                f"these rates depend on t, but sj.{type(self).__name__} takes them as constant between jumps: give a "
                "bound of their sum, method=sj.SSA(bound=...)"
            )

    @property
    def total_bound(self) -> Callable | None:
        """A bound of the sum of the rates, `bound(t, x, args)`, where the method was given one."""
        return None

    # Between jumps the state is constant: what savers and dense solutions ask of a method.

    @property
    def prepares(self) -> bool:
        """Dense data is complete."""
        return False

    def prepare(self, problem, t: Time, dt: Time, dense: State) -> State:
        """Dense data is complete."""
        return dense

    def interpolate(self, dense: State, t_left: Time, t_right: Time, t: Time) -> State:
        """The state at t: that of the left end, until the jump."""
        return dense
