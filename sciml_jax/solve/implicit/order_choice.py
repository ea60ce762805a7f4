"""The order of the next step, chosen by how fast Newton's iteration contracts, and a log of what was chosen."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .collocation_newton import Work

_FAST, _SLOW = 2e-3, 0.8  # rates of convergence that raise and lower the order
_STAY = 10  # steps of one order before it is raised
_STEADY = (0.8, 1.2)  # ratio of two step sizes within which a rate is taken for that of the order
_LOGGED = 256  # changes that are remembered: ten steps each at least, far more in practice


class Choice(NamedTuple):
    """What the choice of the order rests on; part of the cache.

    - `step`: steps accepted so far; `since`: those since the order changed. `failed`: whether Newton's iteration has
      failed since the last of them.
    - `log`: the last changes, as 4 times the number of the step plus the place of its order; `changes`: how many.
    """

    step: Int[Array, ""]
    since: Int[Array, ""]
    failed: Bool[Array, ""]
    log: Int[Array, " 256"]
    changes: Int[Array, ""]


def first_choice() -> Choice:
    """Before the first step, which has the lowest order."""
    zero = jnp.int32(0)
    log = jnp.full(_LOGGED, -1, jnp.int32).at[0].set(0)
    return Choice(zero, zero, jnp.asarray(False), log, zero)


def after_rejection(choice: Choice, work: Work) -> Choice:
    """Remembers a failure; the order itself changes after accepted steps only."""
    return choice._replace(failed=choice.failed | ~work.ok)


def after_acceptance(
    choice: Choice, work: Work, ratio: Float[Array, ""], step: Int[Array, ""], which: int, highest: int
) -> tuple[Int[Array, ""], Choice]:
    """The place of the next step's order, from 0 to `highest`, and the choice after it.

    `step` is the number of this step, `which` the place of its order, `ratio` that of its size to the last one's.
    A recorded gradient repeats steps with matrices of its own, and rates differ: the order of a step that lies behind
    is looked up.

    Source: Hairer & Wanner, J. Comput. Appl. Math. 111 (1999) 93-111: up where the rate is at most 0.002, no sooner
    than ten steps after a change and at a steady step size; down where it is 0.8, or the iteration has failed.
    """
    since = choice.since + 1
    steady = (ratio > _STEADY[0]) & (ratio < _STEADY[1])
    up = (since >= _STAY) & (work.iterations > 1) & (work.rate <= _FAST) & steady
    down = choice.failed | (work.rate >= _SLOW)
    chosen = jnp.clip(which + jnp.where(down, -1, jnp.where(up, 1, 0)), 0, highest).astype(jnp.int32)
    known = jnp.max(jnp.where(choice.log <= 4 * (step + 1) + 3, choice.log, -1))
    # changes that the log has lost are decided anew
    chosen = jnp.where((step < choice.step) & (known >= 0), known % 4, chosen)
    changed = chosen != which
    changes = choice.changes + changed
    # the log goes round; where nothing has changed its newest entry is written again
    place = changes % _LOGGED
    entry = jnp.where(changed, 4 * (step + 1) + chosen, choice.log[place])
    return chosen, Choice(
        step=choice.step + 1,
        since=jnp.where(changed, 0, since),
        failed=jnp.asarray(False),
        log=choice.log.at[place].set(entry),
        changes=changes,
    )
