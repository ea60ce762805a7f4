"""`solve_dde` on published problems: stiff ones of RADAR5, state-dependent lags of DDETST, and stiff short lags."""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .test_dde import method_of_steps

# Stiff equations (N. Guglielmi & E. Hairer, Computing 67 (2001) 1-12)


def robertson(lib, y, z):
    """With the autocatalysis by what there was one lag before. (Its smooth solution loses its stability soon: where
    1e4 y3 is more than 6e7 y2 and the lag longer than 1e-3, characteristic roots have positive real parts.)"""
    slow, fast = 0.04 * y[0] - 1e4 * z[1] * y[2], 3e7 * y[1] ** 2
    return lib.stack([-slow, slow - fast, fast])


def oregonator(lib, y, z):
    """Epstein & Luo, J. Chem. Phys. 95 (1991) 244-254: spikes over four decades."""
    first, second, third = 1.34 * 0.06 * y[1], 1.6e9 * y[0] * z[1], 8e3 * 0.06 * y[0]
    return lib.stack([first - second + third - 8e7 * y[0] ** 2, -first - second + third])


def enzyme(lib, y, z):
    """Okamoto & Hayashi (1984); Hairer, Nørsett & Wanner I, II.17: inhibition by the last product, oscillating."""
    inhibited = y[0] / (1 + 5e-4 * z[3] ** 3)
    return lib.stack([10.5 - inhibited, inhibited - y[1], y[1] - y[2], y[2] - 0.5 * y[3]])


# field, history, lag, end, and the scale of each component
RADAR5 = {
    "robertson": (robertson, [1.0, 0.0, 0.0], 0.01, 0.3, [1.0, 1e-4, 1.0]),
    "oregonator": (oregonator, [1e-10, 1e-5], 0.15, 10.05, [1e-9, 1e-6]),
    "enzyme": (enzyme, [60.0, 10.0, 10.0, 20.0], 4.0, 40.0, [1.0, 1.0, 1.0, 1.0]),
}


@cache
def reference(name):
    field, history, lag, t1, scale = RADAR5[name]
    right, before = lambda t, y, z: field(np, y, z), lambda t: history  # noqa: E731
    return method_of_steps(right, before, lag, t1, history, "Radau", 1e-10, 1e-10 * np.array(scale))


@pytest.mark.parametrize("name", RADAR5)
@pytest.mark.parametrize("method", [sj.Rodas5P(), sj.BDF()], ids=lambda m: type(m).__name__)
def test_stiff_problems_of_radar5(name, method):
    field, history, lag, t1, scale = RADAR5[name]
    options = {"method": method, "rtol": 1e-7, "atol": 1e-7 * np.array(scale)}
    delayed = lambda t, y, z, args: field(jnp, y, z[0])  # noqa: E731
    sol = sj.solve_dde(delayed, (0.0, t1), np.array(history), lag, **options)
    # some hundreds of steps of the tolerance; BDF's errors are larger than its tolerance as for ODEs
    np.testing.assert_allclose(sol.y, reference(name), rtol=1e-4 if isinstance(method, sj.BDF) else 1e-5)
    assert int(sol.stats["accepted"]) < 1000


# Stiffness in the delayed terms


@pytest.mark.parametrize("method", [sj.Kvaerno5(), sj.Radau5(), sj.BDF()], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("lag", [1e-7, 1e-5])
def test_a_stiff_term_a_short_time_ago(method, lag):
    """y' = -1e4 (y(t - lag) - cos t): steps of up to a tenth, where the lag times the rate is below pi / 2."""
    rate = 1e4
    # y = Re c exp(i t) with i c = -rate (c exp(-i lag) - 1)
    c = rate / (1j + rate * np.exp(-1j * lag))
    field = lambda t, y, z, args: -rate * (z[0] - jnp.cos(t))  # noqa: E731
    history = lambda t, args: jnp.real(c * jnp.exp(1j * t))  # noqa: E731
    sol = sj.solve_dde(field, (0.0, 2.0), history, lag, method=method, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sol.y, np.real(c * np.exp(2j)), atol=5e-6)
    assert int(sol.stats["accepted"]) < 60


# State-dependent lags (W. H. Enright & H. Hayashi's DDETST)


def in_small_steps(field, lags, history, y0, t1, n):
    """The classical Runge-Kutta method in n equal steps, with cubic Hermite polynomials between their ends."""
    h, y = t1 / n, np.asarray(y0)
    ys, fs = np.zeros((2, n + 1, y.size))

    def at(s, k):
        if s < 0:
            return history(s)
        if s >= k * h:  # within the step: a straight line
            return ys[k] + (s - k * h) * fs[k]
        i = min(int(s / h), k - 1)
        x = s / h - i
        cubic = ys[i] * (1 - x) ** 2 * (1 + 2 * x) + ys[i + 1] * x * x * (3 - 2 * x)
        return cubic + h * x * (1 - x) * (fs[i] * (1 - x) - fs[i + 1] * x)

    right = lambda t, y, k: field(np, y, [at(t - lag(y), k) for lag in lags])  # noqa: E731
    for k in range(n + 1):
        t = k * h
        ys[k] = y
        fs[k] = right(t, y, k)
        k1, k2 = fs[k], right(t + h / 2, y + h / 2 * fs[k], k)
        k3 = right(t + h / 2, y + h / 2 * k2, k)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + right(t + h, y + h * k3, k))
    return ys[-1]


def antibodies(lib, y, z):
    """D2 (Gatica & Waltman 1982): the lag y4 vanishes at the start."""
    bound = 0.02 * y[0] * y[1] - 0.005 * y[2]
    then = z[0][0] * z[0][1]
    memory = 1 + (0.03 - y[0] * y[1] - y[2]) * lib.exp(0.01 * y[3]) / (then + z[0][2])
    return lib.stack([-bound, 3 * 0.02 * then - 0.02 * y[0] * y[1], bound, memory])


def blood(maturing, gamma, supply, q, k, a):
    """C3 and C4 (Mahaffy, Bélair & Mackey 1996): red cells, their hormone, and the age at which they are lost."""

    def field(lib, y, z):
        made = a / (1 + 0.0382 * y[0] ** 6.96) - k * y[1]
        age = 1 - q * lib.exp(gamma * y[2]) / (supply * z[1][1])
        return lib.stack([supply * z[0][1] - gamma * y[0] - q, made, age])

    return field, (lambda y: maturing, lambda y: maturing + y[2])


# field, lags, history and start, the history before its jump, where it jumps, end
DDETST = {
    "D2": (antibodies, (lambda y: y[3],), [5.0, 0.1, 0.0, 0.0], None, None, 40.0),
    "C3": (*blood(6.0, 0.001, 0.0031, 0.0275, 2.8, 6570.0), [3.325, 10.0, 120.0], [3.325, 9.5, 120.0], -6.0, 60.0),
    "C4": (*blood(3.0, 0.1, 0.00372, 0.00178, 6.65, 15600.0), [3.5, 10.0, 50.0], None, None, 20.0),
}


@pytest.mark.parametrize("name", DDETST)
def test_state_dependent_lags_of_ddetst(name):
    field, lags, late, early, jump, t1 = DDETST[name]
    late = np.array(late)
    early = late if early is None else np.array(early)
    before = lambda s: late if jump is None or s >= jump else early  # noqa: E731
    # straight lines within steps leave errors of order h^2, a jump that no step meets, that of C3, one of order h
    fine = in_small_steps(field, lags, before, late, t1, 4000)
    options = {} if jump is None else {"discontinuities": (jump,)}
    history = late if jump is None else lambda t, args: jnp.where(t < jump, early, late)
    delayed = lambda t, y, z, args: field(jnp, y, z)  # noqa: E731
    state_lags = [lambda t, y, args, lag=lag: lag(y) for lag in lags]
    sol = sj.solve_dde(delayed, (0.0, t1), history, state_lags, rtol=1e-8, atol=1e-8, **options)
    np.testing.assert_allclose(sol.y, fine, rtol=1e-4 if jump is not None else 1e-5)


def test_thresholds_of_waltman():
    """RADAR5's third problem (P. Waltman, Theoretical Immunology 8 (1978) 437-453): antibodies, released where what has
    been bound since y5, and later y6, has reached a threshold. So two integrals keep their values, over lags that are
    long at first and then as short as 4e-10, while concentrations rise from 1e-15 to 1e-4."""
    r, s, t0, t1, least = 5e4, 1e5, 32.0, 119.0, 1e-12

    def field(t, y, delayed, args):
        first, second = (jnp.where(t >= start, 1.0, 0.0) for start in (t0, t1))
        v, w = delayed
        bound, lost = r * y[0] * y[1], s * y[0] * y[3]
        return jnp.stack(
            [
                -bound - lost,
                -bound + first * 1.8 * r * v[0] * v[1],
                bound,
                -lost - 0.002 * y[3] + second * 20.0 * r * w[0] * w[1],
                first * (y[0] * y[1] + y[2]) / (v[0] * v[1] + v[2]),
                second * (least + y[1] + y[2]) / (least + w[1] + w[2]),
            ]
        )

    lags = (lambda t, y, args: t - y[4], lambda t, y, args: t - y[5])
    y0, rtol, ts = np.array([0.75e-4, 1e-15, 0, 0, 0, 0]), 1e-7, np.linspace(0.0, 300.0, 6001)
    options = {"atol": rtol * np.array([1e-4, 1e-15, 1e-15, 1e-15, 1.0, 1.0]), "step_to": [t0, t1], "save": ts}
    sol = sj.solve_dde(field, (0.0, 300.0), y0, lags, method=sj.Radau5(), rtol=rtol, **options)
    y = np.asarray(sol.y)
    for place, since, density, times in (
        (4, t0, y[:, 0] * y[:, 1] + y[:, 2], [36.0, 50.0, 70.0]),
        (5, t1, least + y[:, 1] + y[:, 2], [120.0, 150.0, 300.0]),
    ):
        total = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(ts))])
        for t in times:
            i = int(np.searchsorted(ts, t))
            kept = total[i] - np.interp(y[i, place], ts, total)
            # the trapezoidal rule where the density rises with the rate 3.75: (0.05 * 3.75)^2 / 12 in its first unit
            np.testing.assert_allclose(kept, np.interp(since, ts, total), rtol=1e-4)
    assert np.all(y[ts < t0, 4] == 0)
    assert 200 < int(sol.stats["accepted"]) < 4000
