"""The stiff problems of `stiff_chemistry` in plain Python numbers, which suit SciPy best: fields and Jacobians.

Equations and constants are those of `sciml_jax.data.problems`; `args` are theirs. Small systems are written out in
Python floats (NumPy's calls would cost more than the arithmetic); the 25 reactions of POLLU are one product.
"""

from collections.abc import Callable

import numpy as np

Functions = tuple[Callable, Callable]


def hires(args) -> Functions:
    k1, k2, k3, k4, k5, k6, k_plus, k_minus, k_star, source = args
    away = k_minus + k2 + k_star

    def field(t, y):
        a, b, c, d, e, f, g, h = y.tolist()
        bound, back = k_plus * f * h, away * g
        return [
            -k1 * a + k2 * b + k6 * c + source,
            k1 * a - (k2 + k3) * b,
            -(k6 + k1) * c + k2 * d + k5 * e,
            k3 * b + k1 * c - (k4 + k2) * d,
            -(k1 + k5) * e + k2 * (f + g),
            -bound + k4 * d + k1 * e - k2 * f + k_minus * g,
            bound - back,
            back - bound,
        ]

    def jacobian(t, y):
        f, h = k_plus * float(y[7]), k_plus * float(y[5])
        return [
            [-k1, k2, k6, 0, 0, 0, 0, 0],
            [k1, -k2 - k3, 0, 0, 0, 0, 0, 0],
            [0, 0, -k6 - k1, k2, k5, 0, 0, 0],
            [0, k3, k1, -k4 - k2, 0, 0, 0, 0],
            [0, 0, 0, 0, -k1 - k5, k2, k2, 0],
            [0, 0, 0, k4, k1, -f - k2, k_minus, -h],
            [0, 0, 0, 0, 0, f, -away, h],
            [0, 0, 0, 0, 0, -f, away, -h],
        ]

    return field, jacobian


def orego(args) -> Functions:
    s, q, w = args

    def field(t, y):
        a, b, c = y.tolist()
        return [s * (b + a * (1 - q * a - b)), (c - (1 + a) * b) / s, w * (a - c)]

    def jacobian(t, y):
        a, b, _ = y.tolist()
        return [[s * (1 - 2 * q * a - b), s * (1 - a), 0], [-b / s, -(1 + a) / s, 1 / s], [w, 0, -w]]

    return field, jacobian


def van_der_pol_scaled(args) -> Functions:
    (eps,) = args

    def field(t, y):
        x, v = y.tolist()
        return [v, ((1 - x * x) * v - x) / eps]

    def jacobian(t, y):
        x, v = y.tolist()
        return [[0, 1], [(-2 * x * v - 1) / eps, (1 - x * x) / eps]]

    return field, jacobian


def e5(args) -> Functions:
    a, b, cm, c = args

    def field(t, y):
        y1, y2, y3, y4 = y.tolist()
        r1, r2, r3, r4 = a * y1, b * y1 * y3, cm * y2 * y3, c * y4
        return [-r1 - r2, r1 - r3, (r1 - r3) - (r2 - r4), r2 - r4]

    def jacobian(t, y):
        y1, y2, y3, _ = y.tolist()
        by1, by3, cy2, cy3 = b * y1, b * y3, cm * y2, cm * y3
        return [[-a - by3, 0, -by1, 0], [a, -cy3, -cy2, 0], [a - by3, -cy3, -cy2 - by1, c], [by3, 0, by1, -c]]

    return field, jacobian


def pollu(args) -> Functions:
    """Which species a reaction takes and changes is asked of the field itself, with one rate constant at a time."""
    import jax

    from sciml_jax.data import problems

    derivative, one, k = jax.jacfwd(problems.pollu().field, 1), np.ones(20), np.asarray(args)
    changes = np.stack([problems.pollu().field(0.0, one, unit) for unit in np.eye(25)], axis=1)
    places = [np.flatnonzero(np.any(derivative(0.0, one, unit), axis=0)) for unit in np.eye(25)]
    first, second = np.array([(*place, 20)[:2] for place in places]).T  # 20: a factor that is one
    each = np.arange(25)

    def field(t, y):
        z = np.append(y, 1.0)
        return changes @ (k * z[first] * z[second])

    def jacobian(t, y):
        z, by_species = np.append(y, 1.0), np.zeros((25, 21))
        by_species[each, first] = k * z[second]
        by_species[each, second] = k * z[first]
        return changes @ by_species[:, :20]

    return field, jacobian
