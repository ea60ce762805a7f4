"""The differential-algebraic problems: consistent initial values, and references by way of ordinary equations."""

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import null_space
from scipy.special import ellipj, lambertw

from sciml_jax.data import problems

NAMES = ("rober_dae", "chemical_akzo_nobel", "transistor_amplifier", "pendulum_dae")
each = pytest.mark.parametrize("name", NAMES)


def derivatives(p, t, y) -> tuple[np.ndarray, np.ndarray]:
    """The derivatives of the field in time and in the state."""
    along, ahead = jax.jit(jax.jacfwd(p.field, argnums=(0, 1)))(t, y, p.args)
    return np.asarray(along), np.asarray(ahead)


@each
def test_initial_values_are_consistent(name):
    p = getattr(problems, name)()
    constraints = null_space(p.mass.T)
    assert constraints.shape[1] == {"transistor_amplifier": 3}.get(name, 1)
    assert np.abs(p.residual(0.0, p.y0, p.dy0, p.args)).max() < 1e-15
    # the algebraic equations, differentiated along the solution: rounding beside the terms of the sum
    along, ahead = derivatives(p, 0.0, p.y0)
    terms = np.abs(along).max() + (np.abs(ahead) @ np.abs(p.dy0)).max()
    assert np.abs(constraints.T @ (along + ahead @ p.dy0)).max() < 1e-14 * terms


@each
def test_index_one(name):
    """M is singular, and M - h J is not for any small h: its determinant goes as h to the number of constraints."""
    p = getattr(problems, name)()
    _, jac = derivatives(p, 0.0, p.y0)
    left, right = null_space(p.mass.T), null_space(p.mass)
    assert np.linalg.cond(left.T @ jac @ right) < 1e3


@each
def test_references_satisfy_the_constraints(name):
    p = getattr(problems, name)()
    t1 = p.t_span[1]
    terms = np.abs(derivatives(p, t1, p.reference)[1]) @ np.abs(p.reference)
    residual = null_space(p.mass.T).T @ np.asarray(p.field(t1, p.reference, p.args))
    assert np.abs(residual).max() < 10.0 ** (1 - p.reference_digits) * terms.max()


def test_rober_is_the_same_reaction():
    plain, constrained = problems.rober(1e11), problems.rober_dae(1e11)
    np.testing.assert_array_equal(plain.reference, constrained.reference)
    y = np.array([0.5, 1e-5, 0.5])
    rows = [np.asarray(p.field(0.0, y, p.args)) for p in (plain, constrained)]
    np.testing.assert_array_equal(rows[0][:2], rows[1][:2])
    assert rows[1][2] == pytest.approx(1e-5)


def test_chemical_akzo_nobel_without_the_complex():
    p = problems.chemical_akzo_nobel()
    ks = p.args[6]
    field = jax.jit(lambda t, y: p.field(t, y, p.args))

    def full(y):
        return np.append(y, ks * y[0] * y[3])

    def slope(t, y):
        return np.asarray(field(t, full(y)))[:5]

    end = solve_ivp(slope, p.t_span, p.y0[:5], method="Radau", rtol=1e-9, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(full(end), p.reference, rtol=1e-7)


def test_transistor_amplifier_by_the_voltages_of_its_capacitors():
    """The five voltages are ordinary unknowns; the others follow from them by Lambert's function."""
    p = problems.transistor_amplifier()
    supply, thermal, alpha, beta, r0, r = p.args
    field = jax.jit(lambda t, y: p.field(t, y, p.args))

    def base(conductance, current, emitter):
        """u with conductance u - current + (1 - alpha) beta (exp((u - emitter) / thermal) - 1) = 0."""
        factor = (1 - alpha) * beta
        rest = (current + factor) / conductance
        scale = factor / (conductance * thermal)
        return rest - thermal * lambertw(scale * np.exp((rest - emitter) / thermal)).real

    def full(t, w):
        w1, u3, w3, u6, w5 = w
        signal = 0.1 * np.sin(200 * np.pi * t)
        u2 = base(1 / r0 + 2 / r, (w1 + signal) / r0 + supply / r, u3)
        first = alpha * beta * (np.exp((u2 - u3) / thermal) - 1)
        u5 = base(3 / r, (w3 + 2 * supply) / r - first, u6)
        second = alpha * beta * (np.exp((u5 - u6) / thermal) - 1)
        u7 = ((supply - w5) / r - second) * r / 2
        return np.array([u2 - w1, u2, u3, u5 - w3, u5, u6, u7, u7 + w5])

    def slope(t, w):
        f = np.asarray(field(t, full(t, w)))
        # the currents into both sides of a capacitor are opposite
        assert np.abs(f[[0, 3, 6]] + f[[1, 4, 7]]).max() < 1e-9
        return np.array([f[0] / 1e-6, -f[2] / 2e-6, f[3] / 3e-6, -f[5] / 4e-6, f[6] / 5e-6])

    start = p.y0[1] - p.y0[0], p.y0[2], p.y0[4] - p.y0[3], p.y0[5], p.y0[7] - p.y0[6]
    np.testing.assert_allclose(full(0.0, start), p.y0, atol=1e-12)
    end = solve_ivp(slope, p.t_span, start, method="LSODA", rtol=1e-9, atol=1e-11).y[:, -1]
    # a few thousand steps at 1e-9; the first voltage is a hundredth of the others
    np.testing.assert_allclose(full(0.2, end), p.reference, rtol=1e-6, atol=1e-7)


def test_the_pendulum_in_elliptic_functions():
    p = problems.pendulum_dae()
    (g,) = p.args
    k, rate = np.sin(np.pi / 4), np.sqrt(g)
    sn, cn, dn, _ = ellipj(rate * p.t_span[1], k**2)
    half = k * cn / dn
    angle, turning = 2 * np.arcsin(half), -2 * k * rate * (1 - k**2) * sn / dn**2 / np.sqrt(1 - half**2)
    x, y, u, v = np.sin(angle), -np.cos(angle), turning * np.cos(angle), turning * np.sin(angle)
    # the argument is 31: its rounding and that of the functions
    np.testing.assert_allclose([x, y, u, v, turning**2 - g * y], p.reference, rtol=1e-12)
