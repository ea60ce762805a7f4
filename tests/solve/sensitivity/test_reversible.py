"""The reversible gradient: steps are undone, and gradients are those of the recorded one without its memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

PENDULUM = sj.SecondOrder(lambda t, q, a: -a * jnp.sin(q) + 0.1 * jnp.cos(t))
START = (jnp.array([1.0, 0.3]), jnp.array([0.2, -0.4]))


def pendulum(t, y, a):
    return jax.tree.map(jnp.asarray, (y[1], -a * jnp.sin(y[0]) + 0.1 * jnp.cos(t)))


METHODS = {
    "ReversibleHeun": (sj.ReversibleHeun(), pendulum),
    "ALF": (sj.ALF(), pendulum),
    "StormerVerlet": (sj.StormerVerlet(), PENDULUM),
    "Yoshida6": (sj.Yoshida6(), PENDULUM),
    "Bosh3": (sj.ReversibleCoupling(sj.Bosh3()), pendulum),
    "RK4": (sj.ReversibleCoupling(sj.RK4(), coupling=0.9), pendulum),
}
GRIDS = {
    "equal steps": {"steps": 40},
    "equal steps, every one saved": {"steps": 40, "save": sj.Steps(41)},
    "constant steps": {"dt": 0.06},
    "chosen steps, saved times": {"rtol": 1e-3, "atol": 1e-3, "save": [0.5, 1.0, 1.7]},
    "chosen steps, dense": {"rtol": 1e-3, "atol": 1e-3, "save": sj.Dense(400)},
}


def weighed(tree):
    """A number that every entry has its own part in."""
    return sum(jnp.vdot(jnp.cos(jnp.arange(x.size)).reshape(x.shape), x) for x in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", METHODS)
def test_a_step_is_undone(name):
    """To rounding: both states, after a step of a tenth of the period, forwards and backwards in time."""
    method, field = METHODS[name]
    problem = sj.Problem(field, 1.3, 1e-6, 1e-6)
    t, dt = jnp.asarray(0.3), jnp.asarray(0.5)
    for h in (dt, -dt):
        state = method.init(problem, t, START, h)
        first = method.step(problem, t, START, h, state)  # so that the second state is no copy of the first
        step = method.step(problem, t + h, first.y, h, first.accepted)
        y, carry = method.undo(problem, t + h, step.y, h, step.accepted)
        for a, b in zip(jax.tree.leaves((y, carry)), jax.tree.leaves((first.y, first.accepted.carry)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-14)


PAIRS = [
    *((name, "equal steps, every one saved") for name in METHODS),
    *((name, "chosen steps, saved times") for name, (method, _) in METHODS.items() if method.adaptive),
    *(("ReversibleHeun", grid) for grid in ("equal steps", "constant steps", "chosen steps, dense")),
]


@pytest.mark.parametrize("name, grid", PAIRS)
def test_it_gives_what_recording_gives(name, grid):
    method, field = METHODS[name]
    options = GRIDS[grid]

    def total(inputs, gradient):
        y0, a, t0, t1 = inputs
        sol = sj.solve_ode(field, (t0, t1), y0, a, method=method, gradient=gradient, max_steps=400, **options)
        return weighed(sol(jnp.array([0.7, 1.9]))) if isinstance(options.get("save"), sj.Dense) else weighed(sol.y)

    both = jax.jit(lambda x: [jax.value_and_grad(total)(x, g) for g in (sj.Reversible(), sj.Recorded())])
    (value, got), (same, want) = both((START, 1.3, 0.0, 2.4))
    assert value == same
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        # 40 to 100 steps undone, each with a rounding error that lambda = 0.9 multiplies
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def spiral(t, y, a):
    return a * jnp.stack([jnp.sin(y[1]), -jnp.tanh(y[0])]) + jnp.sin(t)


NOISES = {
    "diagonal": lambda t, y, a: 0.3 * a * jnp.cos(y),
    "scalar": lambda t, y, a: 0.3 * a * jnp.cos(y),
    "additive": lambda t, y, a: 0.3 * a * jnp.ones((2, 1)),
    "general": lambda t, y, a: 0.3 * a * jnp.stack([jnp.cos(y), jnp.sin(y[::-1]), jnp.ones(2)], axis=-1),
}


GRIDS_WITH_NOISE = {"equal steps": {"steps": 30}, "constant steps, saved times": {"dt": 1 / 30, "save": [0.41, 1.0]}}


@pytest.mark.parametrize(
    "noise, interpretation, grid",
    [
        ("diagonal", "ito", "equal steps"),
        ("diagonal", "ito", "constant steps, saved times"),
        ("scalar", "stratonovich", "equal steps"),
        ("additive", "ito", "constant steps, saved times"),
        ("general", "ito", "equal steps"),
    ],
)
def test_noise_is_drawn_again(noise, interpretation, grid):
    def total(inputs, gradient):
        y0, a = inputs
        kind = {"noise": noise, "interpretation": interpretation, "method": sj.ReversibleHeun(), "gradient": gradient}
        options = kind | GRIDS_WITH_NOISE[grid]
        return weighed(sj.solve_sde(spiral, NOISES[noise], (0.0, 1.0), y0, jax.random.key(3), a, **options).y)

    both = jax.jit(lambda x: [jax.value_and_grad(total)(x, g) for g in (sj.Reversible(), sj.Recorded())])
    (value, got), (same, want) = both((jnp.array([0.3, -0.2]), 1.1))
    assert value == same
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def test_a_batch_is_its_rows():
    def total(a):
        options = {"method": sj.ReversibleHeun(), "gradient": sj.Reversible(), "max_steps": 2000}
        return weighed(sj.solve_ode(spiral, (0.0, 2.0), jnp.array([0.3, -0.2]), a, rtol=1e-4, atol=1e-4, **options).y)

    rates = jnp.array([0.5, 1.0, 4.0])  # of different numbers of steps
    rows = jnp.stack([jax.jit(jax.grad(total))(a) for a in rates])
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(total)))(rates), rows, rtol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.grad(lambda r: jnp.sum(jax.vmap(total)(r))))(rates), rows, rtol=1e-12)


def test_memory_does_not_grow_with_the_number_of_steps():
    """Beside 8 bytes for the time of every step nothing grows: no 400 numbers a step, nor the root of their number."""

    def memory(steps):
        def total(y0):
            options = {"method": sj.ReversibleHeun(), "gradient": sj.Reversible(), "steps": steps}
            return jnp.sum(sj.solve_ode(lambda t, y, args: jnp.sin(y), (0.0, 1.0), y0, **options).y)

        return jax.jit(jax.grad(total)).lower(jnp.ones(400)).compile().memory_analysis().temp_size_in_bytes

    few, many = memory(100), memory(10_000)
    assert many - few < 3 * 8 * 10_000  # as they are scanned, and as rows
    assert few > 400 * 8  # a compiler that says nothing would pass the line above


REFUSED = {
    "a method that cannot": ({"method": sj.Tsit5()}, r"those of Tsit5 cannot be undone: .*=sj.ReversibleCoupling"),
    "events": ({"events": sj.Event(lambda t, y, a: y[0] - 9.0)}, r"cannot undo what events do to the state"),
    "stops": ({"step_to": [0.5]}, r"cannot undo what step_to do"),
    "a projection": ({"projection": lambda t, y, a: y}, r"cannot undo what projection do"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_undone_is_refused(name):
    options, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        options = {"method": sj.ReversibleHeun()} | options
        sj.solve_ode(spiral, (0.0, 1.0), jnp.ones(2), 1.0, gradient=sj.Reversible(), **options)


def test_couplings_that_are_none():
    with pytest.raises(TypeError, match="ReversibleCoupling takes an explicit Runge-Kutta method"):
        sj.ReversibleCoupling(sj.Rodas5P())
    for coupling in (0.0, 1.1):
        with pytest.raises(ValueError, match="must be above 0 and at most 1; got"):
            sj.ReversibleCoupling(coupling=coupling)


def test_without_a_coupling_the_second_state_drifts_off():
    """What lambda is for: on y' = -y the difference of the two states is damped by lambda in every step."""

    def apart(coupling):
        method = sj.ReversibleCoupling(sj.Heun(), coupling=coupling)
        sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 60.0), 1.0, method=method, steps=400)
        return abs(float(sol.y - sol.state.method.carry))

    assert apart(0.9) < 1e-3 * apart(1.0)
