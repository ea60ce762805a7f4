"""`solve_jump`: the front of jump processes."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, PyTree

from ..core import RESULT, call_jitted, in_turn, succeeded
from . import arguments, checks
from .failure import SolveError, checked, known
from .jumps import (
    SSA,
    Diffusion,
    Jump,
    JumpMethod,
    LocalRates,
    augment,
    known_changes,
    known_counts,
    prepare,
    run,
    stripped,
)
from .noise import key_words
from .ode import solve_ode
from .saving import as_saves
from .sde import solve_sde
from .solution import Solution, assemble


def solve_jump(
    rates: Callable,
    stoichiometry: ArrayLike,
    t_span: tuple[ArrayLike, ArrayLike],
    x0: ArrayLike,
    key: Any,
    args: PyTree = None,
    *,
    method: JumpMethod | None = None,
    save: Any = None,
    max_steps: int = 10_000_000,
    throw: bool = True,
) -> Solution:
    r"""One path of a jump process: channel j fires with rate $a_j(t, x, \mathrm{args})$ and adds $\nu_j$ to x.

    **Arguments:**

    - `rates`: `rates(t, x, args) -> a`, shape (channels,), per unit of time, not negative; x comes as real numbers. For
      reactions, a `sj.MassAction`; for large networks of other kinds, a `sj.LocalRates`.
    - `stoichiometry`: $\nu$, shape (channels, species), known while tracing; whole numbers where x0 are.
    - `t_span`: `(t0, t1)`, t1 >= t0. `x0`: the counts at t0, shape (species,), whole or real numbers; the result has
      their dtype. Times and rates have it too where it is real, else the default one. `args`: as of `solve_ode`.
    - `key`: a key of `jax.random`, which decides the path.
    - `method`: exact paths by `sj.SSA()`, the default, or `sj.NextReaction()`; approximate ones for large counts by
      `sj.TauLeaping()`.
    - `save`: `None` (the final state), an array of times, `sj.Steps(capacity)` (t0 and every jump, the state after it),
      `sj.Dense(capacity)`, or others as of `solve_ode`. Paths are constant between jumps and right-continuous; what
      pads `sj.Steps` is the state at t1.
    - `max_steps`: jumps before giving up (static). `throw`: raise when the solve fails; else look at `sol.result`.

    **Returns** a `Solution`; `sol.stats["accepted"]` counts the jumps. Where all rates are zero the path stays as it is
    until t1, at no cost.

    **Raises** `ValueError` or `TypeError` for what can be seen before solving, among it rates that depend on t with a
    method that takes them as constant between jumps (`sj.SSA(bound=...)` does not); and `sj.SolveError`, with the
    channel, for rates that are negative or no numbers, or too many jumps.

    Paths have no derivatives in `args`: the numbers of jumps are whole. For means, difference two runs with one key by
    `sj.NextReaction()`. Many paths: `jax.vmap` over keys, or `jax.lax.map(..., keys, batch_size=64)`, whose chunks do
    not wait for the longest path of all.

    Cost: compiled once for a function and shapes; then the rates and one cipher a jump. Up to 64 channels and species
    are written out one by one, which under `jax.vmap` becomes one loop of vector instructions. Of larger networks a CPU
    computes one path after another, and of a `sj.MassAction` or `sj.LocalRates` only those rates whose counts have
    changed.

    >>> import jax, jax.numpy as jnp, sciml_jax as sj
    >>> def sir(t, x, args):
    ...     infection, recovery = args
    ...     return jnp.stack([infection * x[0] * x[1], recovery * x[1]])
    >>> change = [[-1, 1, 0], [0, -1, 1]]
    >>> one = lambda key: sj.solve_jump(sir, change, (0.0, 50.0), [98, 2, 0], key, (0.01, 0.4))
    >>> many = jax.vmap(one)(jax.random.split(jax.random.key(0), 100))
    >>> many.y.shape, bool((many.y.sum(1) == 100).all())
    ((100, 3), True)
    """
    arguments.callable_with("rates", rates, "t, x, args")
    method = arguments.instance("method", SSA() if method is None else method, JumpMethod)
    changes = known_changes(stoichiometry)
    start = known_counts(x0, changes, rates)
    span = arguments.span(t_span)
    if known(span) and float(span[1]) < float(span[0]):
        raise ValueError(f"a jump process goes forwards in time: t_span must have t1 >= t0; got {t_span}")
    if key is None:
        raise ValueError("solve_jump needs a key, jax.random.key(0)")
    words = key_words(key)
    saves, names = as_saves(save)
    checks.save_requests(saves, span, start)
    ordered = checks.sorted_saves(saves, span)
    max_steps = arguments.count("max_steps", max_steps)
    given = (rates, changes, span, start, words, args)
    solution = call_jitted(_solve, given, method, saves, ordered, names, max_steps)
    return _report(solution, given, throw, max_steps)


def _solve(given: tuple, method: JumpMethod, saves, ordered, names, max_steps: int) -> Solution:
    job, network, words = prepare(given, method, saves, ordered, max_steps)
    path = lambda job, network, words: run(job, method, network, words)  # noqa: E731
    outcome = in_turn(path, job, network, words) if network.alone else path(job, network, words)
    return assemble(job, outcome, names)


def _report(solution: Solution, given: tuple, throw: bool, max_steps: int) -> Solution:
    """Raises once where the solve failed: on the host where the result is known, else as a runtime check."""
    if not throw:
        return solution
    if not known(solution.result):
        return checked(solution, solution.result)
    if bool(succeeded(solution.result)):
        return solution
    raise SolveError(_message(solution, given, max_steps), solution)


def _message(solution: Solution, given: tuple, max_steps: int) -> str:
    rates, _, span, _, _, args = given
    t, x = solution.state.t, solution.state.y
    reason = str(RESULT[solution.result])  # type: ignore[type-arg, name-defined, valid-type]
    if solution.result == RESULT.max_steps_reached:
        reason = (
            f"There were more than max_steps={max_steps} jumps before t1. Raise max_steps=, shorten t_span, or, for "
            "large counts, leap over many jumps at once: method=sj.TauLeaping()."
        )
    elif solution.result == RESULT.bad_rates:
        reason = _bad_rates(rates, t, x, args)
    place = f"at t = {float(t):.6g} (of {float(span[0]):.6g} to {float(span[1]):.6g}), x = {np.asarray(x).tolist()}"
    return f"{reason}\nThe solve stopped {place}, after {int(solution.stats['accepted'])} jumps."


def _bad_rates(rates: Callable, t, x, args: PyTree) -> str:
    """What is wrong with the rates in a state, and the cure."""
    args = jax.tree.map(lambda a: jnp.asarray(a) if isinstance(a, np.ndarray) else a, args)  # as the solve saw them
    if isinstance(rates, LocalRates) and np.any(unread := rates.undeclared(x, args)):
        channels = ", ".join(map(str, np.flatnonzero(unread)[:10]))
        return f"Rates read counts that reads= of sj.LocalRates leaves out; their channels are {channels}."
    a = np.asarray(rates(t, x.astype(t.dtype), args))
    bad = [f"channel {j} has {a[j]:.6g}" for j in range(len(a)) if not (a[j] >= 0 and a[j] < np.inf)]
    if bad:
        return f"Rates must be finite and not negative: {', '.join(bad)}. Check rates= at this state."
    return (
        "The rates of the next step are negative, no numbers, or above the bound=; or, in tau-leaping, positive "
        "without reactants."
    )


def solve_jump_diffusion(
    drift: Callable,
    diffusion: Callable | None,
    jumps: Jump | Sequence[Jump],
    t_span: tuple[ArrayLike, ArrayLike],
    y0: PyTree[ArrayLike],
    key: Any,
    args: PyTree = None,
    *,
    save: Any = None,
    events: Any = (),
    max_events: int = 1000,
    **options: Any,
) -> Solution:
    r"""One path of $dy = f(t, y)\,dt + g(t, y)\,dW$ that jumps at random times, with an intensity that depends on y.

    Without a diffusion it is a piecewise-deterministic process: a differential equation between jumps.

    **Arguments:**

    - `drift`, `diffusion`: functions of (t, y, args), as of `solve_sde`; `diffusion=None` for none.
    - `jumps`: a `sj.Jump(intensity, affect)`, or several.
    - `t_span`: `(t0, t1)` with t1 >= t0. `y0`: real, any pytree. `args`: as of `solve_ode`.
    - `key`: a key of `jax.random`, which decides the path: jumps, their marks and the noise.
    - `save`: `None`, an array of times, `sj.Times`, `sj.Final`, `sj.Steps` or a dictionary of these. Paths are
      right-continuous.
    - `max_events`: jumps and other events before giving up (1,000). `events`: further ones, as of `solve_ode`.
    - `options`: without a diffusion those of `solve_ode` (`method`, `rtol`, ...); else those of `solve_sde` (`dt=` or
      `steps=` among them, `noise`, `interpretation`, `method`).

    **Returns** a `Solution`; `sol.stats["jumps"]` counts the jumps. `sol.event` logs their times and the states before
    them; in its `which` the given `events` come first, and with a bound there are candidates that were not taken.

    **Raises** what `solve_ode` and `solve_sde` raise.

    Each kind of jump happens where its integrated intensity reaches an exponential number, an event of the solve. With
    a diffusion that, and the state at the jump, are read from the straight line of a step: of weak order one in it.
    Derivatives are those of this path, its jump times included; they are not those of means where a parameter changes
    how many jumps there are. Cost: a step more for each jump.

    Source: M. H. A. Davis, Piecewise-deterministic Markov processes, J. R. Stat. Soc. B 46 (1984); E. Platen &
    N. Bruti-Liberati, Numerical Solution of Stochastic Differential Equations with Jumps in Finance, Springer 2010.

    >>> import jax, sciml_jax as sj
    >>> shots = sj.Jump(5.0, lambda t, y, key, args: y + 1.0)  # shot noise: jumps by one at rate 5, and decay
    >>> decay = lambda t, y, args: -args * y
    >>> one = lambda key: sj.solve_jump_diffusion(decay, None, shots, (0.0, 4.0), 0.0, key, 1.0, throw=False).y
    >>> ends = jax.vmap(one)(jax.random.split(jax.random.key(0), 200))
    >>> bool(abs(ends.mean() - 5.0) < 0.5)
    True
    """
    arguments.callable_with("drift", drift, "t, y, args")
    span = arguments.span(t_span)
    if known(span) and float(span[1]) < float(span[0]):
        raise ValueError(f"a jump process goes forwards in time: t_span must have t1 >= t0; got {t_span}")
    if diffusion is not None:
        arguments.callable_with("diffusion", diffusion, "t, y, args")
    if key is None:
        raise ValueError("solve_jump_diffusion needs a key, jax.random.key(0)")
    given = augment(drift, jumps, y0, key_words(key), save, arguments.event_list(events), options)
    rest = {**options, "save": given.save, "events": given.events, "max_events": max_events}
    if diffusion is None:
        rest = {name: value for name, value in rest.items() if value is not None}
        solution = solve_ode(given.drift, t_span, given.y0, args, **rest)
    else:
        solution = solve_sde(given.drift, Diffusion(diffusion), t_span, given.y0, key, args, **rest)
    return stripped(solution)
