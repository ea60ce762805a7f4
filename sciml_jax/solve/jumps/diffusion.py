"""Jumps of differential equations: an integrated intensity as one more state, an event where it reaches its number."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ...core import trees
from .. import arguments
from ..events import Event
from ..noise.threefry import Words
from ..problem import State, Time, check_like
from ..saving import Dense, Save, as_saves
from ..solution import Solution
from .draws import bits, exponential, numbered, uniform

_STREAMS = 4  # of every kind of jump: waiting, thinning, marks
_WAIT, _THIN, _MARK = range(3)
_BASE = 1 << 20  # away from the streams of networks


class Jump(eqx.Module):
    r"""Jumps of a differential equation: at the rate `intensity` the state becomes `affect` of it.

    - `intensity`: `intensity(t, y, args)`, one number, not negative (negative ones count as zero); or a number.
    - `affect`: `affect(t, y, key, args) -> y`, the state after the jump; marks are drawn with the key, a new one for
      each jump.
    - `bound`: `bound(t, y, args)` or a number, at least the intensity. Candidates then come at the rate of the bound,
      and one at t is taken with the probability intensity / bound (thinning): with a constant bound their times are
      exact to rounding, however rough the intensity is along the path. An intensity above it makes the state NaN, and
      the solve fails. By default the intensity itself is integrated.

    >>> import jax, sciml_jax as sj
    >>> marks = lambda t, y, key, args: y + 0.1 * jax.random.normal(key)
    >>> merton = sj.Jump(2.0, marks)  # of a logarithm of a price
    >>> growth, noise = (lambda t, y, args: 0.05 + 0.0 * y), (lambda t, y, args: 0.2 + 0.0 * y)
    >>> sol = sj.solve_jump_diffusion(growth, noise, merton, (0.0, 1.0), 0.0, jax.random.key(0), dt=0.01)
    >>> bool(sol.success) and bool(sol.stats["jumps"] >= 0)
    True
    """

    intensity: Any
    affect: Callable
    bound: Any = None

    def __check_init__(self):
        for name, value in (("intensity", self.intensity), ("bound", self.bound)):
            if callable(value):
                arguments.callable_with(f"{name} of sj.Jump", value, "t, y, args")
            elif value is not None or name == "intensity":
                arguments.number(f"{name} of sj.Jump", value)
        arguments.callable_with("affect of sj.Jump", self.affect, "t, y, key, args")

    def clock(self, t: Time, y: State, args: PyTree) -> Float[Array, ""]:
        """The rate at which candidates come."""
        rate = _value("intensity", self.intensity, t, y, args) if self.bound is None else self._most(t, y, args)
        return jnp.maximum(rate, 0)

    def _most(self, t: Time, y: State, args: PyTree) -> Float[Array, ""]:
        return _value("bound", self.bound, t, y, args)

    def taken(self, words: Words, k: Time, stream: int, t: Time, y: State, args: PyTree) -> tuple[Array, Array]:
        """Whether candidate number k at t is a jump, and whether the intensity is below its bound there."""
        if self.bound is None:
            return jnp.asarray(True), jnp.asarray(True)
        u = uniform(bits(words, numbered(k), stream), t.dtype)
        most, intensity = self._most(t, y, args), _value("intensity", self.intensity, t, y, args)
        # as many units in the last place as the two may differ by where they are the same
        return u * most < intensity, intensity <= most * (1 + 8 * jnp.finfo(t.dtype).eps)


def _value(name: str, value: Any, t: Time, y: State, args: PyTree) -> Float[Array, ""]:
    number = jnp.asarray(value(t, y, args) if callable(value) else value)
    if number.size != 1:
        raise ValueError(f"{name} of sj.Jump must be one number; it has shape {number.shape}")
    return number.reshape(()).astype(t.dtype)


class Clock(NamedTuple):
    """What belongs to one kind of jump: the integrated intensity since the last candidate, how many candidates there
    have been, and how many of them were jumps (real numbers, as all of a state)."""

    integral: Time
    candidates: Time
    jumps: Time


class Jumping(NamedTuple):
    """A state and the clocks of its jumps."""

    y: State
    clocks: tuple[Clock, ...]


class Drift(eqx.Module):
    """The drift of a state with its clocks."""

    drift: Callable
    jumps: tuple[Jump, ...]

    def __call__(self, t: Time, s: Jumping, args: PyTree) -> Jumping:
        zero = jnp.zeros_like(t)
        clocks = tuple(Clock(jump.clock(t, s.y, args), zero, zero) for jump in self.jumps)
        return Jumping(self.drift(t, s.y, args), clocks)


class Diffusion(eqx.Module):
    """The diffusion of a state whose clocks have none."""

    diffusion: Callable

    def __call__(self, t: Time, s: Jumping, args: PyTree) -> Jumping:
        g = self.diffusion(t, s.y, args)
        first, like = jax.tree.leaves(g)[0], jax.tree.leaves(s.y)[0]
        zero = jnp.zeros(first.shape[like.ndim :], first.dtype)  # one axis more where the noise is a matrix
        return Jumping(g, tuple(Clock(zero, zero, zero) for _ in s.clocks))


class Due(eqx.Module):
    """Positive until a clock reaches its exponential number.

    A condition that is zero to rounding, of its size in a step, after its event counts as the one that has happened. So
    its size is at most one, in the longest step, and the number no smaller than such a zero: by a quarter of 1e-9 that
    makes waiting times longer on average in float32.
    """

    words: Words
    index: int = eqx.field(static=True)

    def __call__(self, t: Time, s: Jumping, args: PyTree) -> Time:
        clock = s.clocks[self.index]
        stream = _BASE + _STREAMS * self.index + _WAIT
        k = jax.lax.stop_gradient(clock.candidates)
        least = 200 * float(jnp.finfo(t.dtype).eps)
        number = jnp.maximum(exponential(self.words, numbered(k), stream, t.dtype), least)
        return jnp.clip(number - clock.integral, -1.0, 1.0)


class Happen(eqx.Module):
    """What a candidate does: the jump, if it is one, and the clock set back."""

    jump: Jump
    words: Words
    index: int = eqx.field(static=True)

    def __call__(self, t: Time, s: Jumping, args: PyTree) -> Jumping:
        stream, clock = _BASE + _STREAMS * self.index, s.clocks[self.index]
        k = jax.lax.stop_gradient(clock.candidates)
        mark = bits(self.words, numbered(k), stream + _MARK)
        key = jax.random.wrap_key_data(jnp.stack([mark.first, mark.second]), impl="threefry2x32")
        after = jax.tree.map(jnp.asarray, self.jump.affect(t, s.y, key, args))
        check_like(after, s.y, "affect of sj.Jump", "state")
        on, bounded = self.jump.taken(self.words, k, stream + _THIN, t, s.y, args)
        y = jax.tree.map(
            lambda new, old: jnp.where(bounded, jnp.where(on, new, old), jnp.nan).astype(old.dtype), after, s.y
        )
        clocks = list(s.clocks)
        clocks[self.index] = Clock(jnp.zeros_like(t), clock.candidates + 1, clock.jumps + on)
        return Jumping(y, tuple(clocks))


class OfState(eqx.Module):
    """A user's function of (t, y, args), which knows nothing of clocks."""

    function: Any

    def __call__(self, t: Time, s: Jumping, args: PyTree) -> PyTree:
        return s.y if self.function is None else self.function(t, s.y, args)


class OfAffect(eqx.Module):
    """A user's affect, which leaves clocks as they are."""

    affect: Callable

    def __call__(self, t: Time, s: Jumping, args: PyTree) -> Jumping:
        return Jumping(self.affect(t, s.y, args), s.clocks)


class Given(NamedTuple):
    """What is solved instead."""

    drift: Drift
    y0: Jumping
    save: Any
    events: tuple[Event, ...]


def augment(drift, jumps, y0, words: Words, save, events: tuple[Event, ...], options: dict) -> Given:
    """The equation with clocks, and the events at which its jumps happen."""
    jumps = tuple(jumps) if isinstance(jumps, Sequence) else (jumps,)
    jumps = tuple(arguments.instance("jumps", jump, Jump) for jump in jumps)
    for name in ("state", "has_aux", "mass", "jacobian", "jac_pattern", "projection"):
        if options.get(name):
            raise TypeError(f"solve_jump_diffusion takes no {name}=")
    y0 = jax.tree.map(trees.as_inexact, arguments.floats(y0))
    if any(jnp.iscomplexobj(x) for x in jax.tree.leaves(y0)):
        raise TypeError("a jump diffusion needs a real y0: give real and imaginary parts as two arrays")
    zero = jnp.zeros((), trees.real_dtype(y0))
    own = tuple(
        Event(Due(words, i), Happen(jump, words, i), direction=-1, terminate=False) for i, jump in enumerate(jumps)
    )
    others = tuple(
        Event(OfState(e.condition), None if e.affect is None else OfAffect(e.affect), e.direction, e.terminates)
        for e in events
    )
    start = Jumping(y0, tuple(Clock(zero, zero, zero) for _ in jumps))
    return Given(Drift(drift, jumps), start, _saved(save), others + own)


def _saved(save: Any) -> Any:
    """Requests for the user's part of the state."""

    def one(request: Save) -> Save:
        if isinstance(request, Dense):
            raise TypeError("save=sj.Dense() is not for jump diffusions: give times, or sj.Steps()")
        function = OfState(request.function)
        return eqx.tree_at(lambda s: s.function, request, function, is_leaf=lambda x: x is None or callable(x))

    requests, names = as_saves(save)
    return one(requests[0]) if names is None else dict(zip(names, map(one, requests), strict=True))


def stripped(solution: Solution) -> Solution:
    """The solution of the user's equation: jumps counted, states in the log without clocks."""
    jumps = sum(clock.jumps for clock in solution.state.y.clocks)
    stats = {**solution.stats, "jumps": jnp.asarray(jumps).astype(jnp.int32)}
    log = None if solution.event is None else solution.event._replace(y=solution.event.y.y)
    given = lambda x: x is solution.event or x is solution.stats  # noqa: E731
    return eqx.tree_at(lambda s: (s.stats, s.event), solution, (stats, log), is_leaf=given)
