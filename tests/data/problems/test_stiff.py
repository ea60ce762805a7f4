"""The references of the stiff problems, against SciPy's implicit solvers (or a longer way round)."""

import itertools

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sciml_jax as sj
from sciml_jax.data import problems
from sciml_jax.data.problems.emep_reactions import SPECIES

from .every import scipy_end

SMALL_SYSTEMS = {
    "rober 1e5": problems.rober,
    "rober 1e11": lambda: problems.rober(1e11),
    "orego": problems.orego,
    "hires": problems.hires,
    "pollu": problems.pollu,
    "van der pol": problems.van_der_pol,
    "van der pol, scaled": problems.van_der_pol_scaled,
}


@pytest.mark.parametrize("name", SMALL_SYSTEMS)
def test_references(name):
    p = SMALL_SYSTEMS[name]()
    assert p.stiff and p.reference_digits >= 12
    # after 1e11 the sum of the species has drifted by the field's rounding, which depends on the compiler's settings:
    # under some of them Radau's iteration takes minutes
    method = "LSODA" if name == "rober 1e11" else "Radau"
    # local errors of 1e-9 add up over a few hundred to a few thousand steps
    np.testing.assert_allclose(scipy_end(p, method, 1e-9), p.reference, rtol=1e-7)


def test_two_forms_of_one_oscillator():
    slow, fast = problems.van_der_pol_scaled(), problems.van_der_pol()
    np.testing.assert_allclose(slow.reference, fast.reference * [1, 1e3], rtol=1e-15)


def test_references_have_the_digits_of_the_literature():
    # Hairer & Wanner II and the Test Set for IVP Solvers, as quoted everywhere
    late, early = [2.08334015e-8, 8.33336077e-14, 0.99999997916], [1.7865921142e-2, 7.274751468e-8, 0.98213400611]
    np.testing.assert_allclose(problems.rober(1e11).reference, late, rtol=3e-9)
    np.testing.assert_allclose(problems.rober().reference, early, rtol=1e-10)


@pytest.mark.parametrize("t1", [1e11, 1e13])
def test_e5_without_its_redundant_species(t1):
    """y2 = y3 + y4 put in: no cancellation is left, so that the tiny components have all their digits."""
    a, b, cm, c = problems.e5().args

    def field(t, y):
        y1, y3, y4 = y
        r = b * y1 * y3 - c * y4
        return [-a * y1 - b * y1 * y3, a * y1 - cm * (y3 + y4) * y3 - r, r]

    def jacobian(t, y):
        y1, y3, y4 = y
        middle = [a - b * y3, -cm * (2 * y3 + y4) - b * y1, c - cm * y3]
        return np.array([[-a - b * y3, -b * y1, 0], middle, [b * y3, b * y1, -c]])

    options = {"method": "Radau", "jac": jacobian, "rtol": 1e-6, "atol": [1e-100, 1e-32, 1e-100], "first_step": 1e-6}
    y1, y3, y4 = solve_ivp(field, (0, t1), [1.76e-3, 0.0, 0.0], **options).y[:, -1]
    p = problems.e5(t1)
    # three orders above the tolerance is far more than was seen
    np.testing.assert_allclose([y3 + y4, y3], p.reference[1:3], rtol=1e-6)
    if t1 == 1e11:
        np.testing.assert_allclose([y1, y4], p.reference[[0, 3]], rtol=1e-4)
    # the field itself, where all digits are there, is the same
    y = np.array([1.5e-3, 3e-10, 1e-10, 2e-10])
    ours = np.asarray(p.field(0.0, y, p.args))
    np.testing.assert_allclose(ours[[0, 2, 3]], field(0.0, y[[0, 2, 3]]), rtol=1e-12)


def test_e5_by_its_own_field():
    p = problems.e5()
    # rounding spoils y2 - y3 - y4 = 0 by 1e-25, beside 1e-20
    np.testing.assert_allclose(scipy_end(p, "Radau", 1e-8)[1:3], p.reference[1:3], rtol=1e-4)


def test_brusselator():
    p = problems.brusselator_1d()
    end = scipy_end(p, "LSODA", 1e-10, lband=2, uband=2)
    np.testing.assert_allclose(end, p.reference, rtol=1e-7)
    assert problems.brusselator_1d(n=20).reference is None


def test_brusselator_2d_approaches_its_equation():
    """Differences of second order: on a smooth state the field converges as n^-2 to the derivatives."""
    errors = []
    for n in (32, 64):
        p = problems.brusselator_2d(n)
        x = np.arange(n) / n
        wave = np.sin(2 * np.pi * x)[:, None] * np.cos(4 * np.pi * x)
        u, v, bend = 2 + wave, 3 - wave, -20 * np.pi**2 * wave
        exact = np.stack([1 + u * u * v - 4.4 * u + 0.1 * bend, 3.4 * u - u * u * v - 0.1 * bend])
        dy = np.asarray(p.field(0.0, np.stack([u, v]).reshape(-1), p.args))
        errors.append(np.abs(dy - exact.reshape(-1)).max())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.02)


def test_medical_akzo_nobel():
    p = problems.medical_akzo_nobel()
    field = jax.jit(lambda t, y: p.field(t, y, p.args))
    y = p.y0
    # restarted where the supply ends; each part sees its own side of the jump
    for start, end, seen in ((0.0, 5.0, min), (5.0, 20.0, max)):
        side = 5.0 if seen is min else 5.0 + 1e-9
        options = {"method": "LSODA", "rtol": 1e-9, "atol": 1e-12, "lband": 2, "uband": 2}
        y = solve_ivp(lambda t, y, s=seen, e=side: np.asarray(field(s(t, e), y)), (start, end), y, **options).y[:, -1]
    np.testing.assert_allclose(y, p.reference, atol=1e-8)
    # and some of the published components, PSIDE at 1e-10: u1, u3, u5, u101, v101, v104, v105
    published = (0.5113983840919909e-5, 0.1549349862635799e-4, 0.2607273610116854e-4, 0.9774701310627047e-4)
    np.testing.assert_allclose(p.reference[[0, 4, 8, 200]], published, atol=1e-11)
    published = (0.1986273404756002e-3, 0.1548747348410801, 0.4026980529594953)
    np.testing.assert_allclose(p.reference[[201, 207, 209]], published, atol=2e-10)


def test_emep():
    p = problems.emep()
    field = jax.jit(lambda t, y: p.field(t, y, p.args))
    jacobian = jax.jit(jax.jacfwd(field, argnums=1))
    y, times = p.y0, (p.t_span[0], *p.jumps, p.t_span[1])
    for start, end in itertools.pairwise(times):
        # to the last moment of a day or a night

        def seen(t, start=start, end=end):
            return min(max(t, start), end - 1e-6)

        def slope(t, y, seen=seen):
            return np.asarray(field(seen(t), y))

        def matrix(t, y, seen=seen):
            return np.asarray(jacobian(seen(t), y))

        y = solve_ivp(slope, (start, end), y, method="Radau", rtol=1e-5, atol=1e-2, jac=matrix).y[:, -1]
    # OP and OD are gone within microseconds of darkness
    lasting = [i for i, name in enumerate(SPECIES) if name not in ("OP", "OD")]
    np.testing.assert_allclose(y[lasting], p.reference[lasting], rtol=1e-4)


def test_emep_knows_day_and_night():
    p = problems.emep()
    o1d = SPECIES.index("OD")
    times, field = np.array([*p.jumps, p.t_span[1]]), jax.jit(jax.vmap(p.field, (0, None, None)))
    before, after = (np.asarray(field(times + d, p.reference, p.args))[:, o1d] for d in (-1800, 1800))
    # light makes OD of ozone; at half past seven in the evening there is hardly any
    assert (before[1::2] <= 0).all() and (after[::2] <= 0).all() and (after[1::2] > 0).all() and (before[::2] > 0).all()


@pytest.mark.slow
def test_beam():
    p = problems.beam()
    # explicit: the frequencies, not the tolerance, set its steps, and its phase has the better part of the error
    end = scipy_end(p, "DOP853", 1e-10)
    np.testing.assert_allclose(end, p.reference, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_ring_modulator():
    p = problems.ring_modulator()
    # the published digits are independent; SciPy's implicit methods take minutes
    options = {"method": sj.Rodas5P(), "rtol": 1e-9, "atol": 1e-3 * p.atol, "max_steps": 1_000_000}
    sol = sj.solve_ode(p.field, p.t_span, p.y0, p.args, **options)
    np.testing.assert_allclose(sol.y, p.reference, rtol=1e-6)
