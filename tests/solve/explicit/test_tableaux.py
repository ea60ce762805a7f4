r"""Order conditions of every tableau, by rooted trees.

Weights w have order p when $\sum_i w_i \Phi_i(\tau) = 1/\gamma(\tau)$ for every rooted tree of at most p nodes, where
$\Phi_i(\tau) = \prod_{\text{children}} \sum_j a_{ij} \Phi_j(\text{child})$ and $\gamma$ is the density (Hairer, Norsett
and Wanner I, theorems II.2.13 and II.6.1). An interpolant has order p when
$\sum_i \beta_i(\theta) \Phi_i(\tau) = \theta^{|\tau|}/\gamma(\tau)$, here checked power by power.

Rational tables are checked in fractions and have to be exact. A table of D decimal digits has entries with a relative
error up to $5 \cdot 10^{-D}$, so that a sum of products of $|\tau|$ entries is off by at most $|\tau|$ times that,
times the same sum of absolute values: this is the tolerance, and there is no other.
"""

from collections import Counter
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from importlib import import_module
from math import factorial
from typing import NamedTuple

import numpy as np
import pytest

from sciml_jax.solve.explicit.tableau import ButcherTableau


class Case(NamedTuple):
    """What a table claims; `digits` is `None` where it is rational."""

    name: str
    stages: int
    order: int
    embedded_order: int | None
    dense_order: int
    extra_stages: int = 0
    fsal: bool = False
    digits: int | None = None

    @property
    def tableau(self) -> ButcherTableau:
        return import_module(f"sciml_jax.solve.explicit.tableaux.{self.name}").TABLEAU


CASES = [
    Case("euler", 1, 1, None, 1),
    Case("heun", 2, 2, 1, 2),
    Case("midpoint", 2, 2, 1, 2),
    Case("ralston", 2, 2, 1, 2),
    Case("bosh3", 4, 3, 2, 3, fsal=True),
    Case("ssprk3", 3, 3, 2, 3),
    Case("ssprk43", 4, 3, 2, 3),
    Case("rk4", 4, 4, None, 3),
    Case("dopri5", 7, 5, 4, 4, fsal=True),
    Case("tsit5", 7, 5, 4, 4, fsal=True, digits=50),
    Case("vern6", 9, 6, 5, 6, extra_stages=3, fsal=True),
    # Verner computed with 40 digits: the last one printed is not always the rounded one.
    Case("vern7", 10, 7, 6, 7, extra_stages=5, digits=39),
    Case("vern8", 13, 8, 7, 8, extra_stages=7, digits=39),
    Case("vern9", 16, 9, 8, 9, extra_stages=9, digits=39),
    Case("dopri8", 12, 8, 5, 7, extra_stages=3, digits=28),
    Case("feagin14", 35, 14, 12, 3, digits=58),
]
BY_NAME = {case.name: case for case in CASES}
SMALL = [case for case in CASES if case.order <= 9]
VISIBLE = 1e-9  # a violation that float64 shows: the smallest of these tables is 4e-7 (vern8, order 9)

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_small = pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
each_polynomial = pytest.mark.parametrize(
    "case", [case for case in CASES if case.tableau.dense is not None], ids=lambda case: case.name
)


class Trees(NamedTuple):
    """Rooted trees by number of nodes; a tree is the multiset of its children, as indices that do not increase."""

    children: list[tuple[int, ...]]
    order: list[int]
    density: list[int]
    symmetry: list[int]
    of_order: dict[int, range]


@cache
def rooted_trees(upto: int) -> Trees:
    trees = Trees([()], [1], [1], [1], {1: range(1)})

    def forests(nodes: int, largest: int):
        if nodes == 0:
            yield ()
            return
        for tree in range(largest, -1, -1):
            if trees.order[tree] <= nodes:
                for rest in forests(nodes - trees.order[tree], tree):
                    yield (tree, *rest)

    for nodes in range(2, upto + 1):
        start = len(trees.order)
        for children in list(forests(nodes - 1, start - 1)):
            trees.children.append(children)
            trees.order.append(nodes)
            density, symmetry = nodes, 1
            for child, count in Counter(children).items():
                density *= trees.density[child] ** count
                symmetry *= trees.symmetry[child] ** count * factorial(count)
            trees.density.append(density)
            trees.symmetry.append(symmetry)
        trees.of_order[nodes] = range(start, len(trees.order))
    return trees


def test_trees_are_counted():
    counts = [len(nodes) for nodes in rooted_trees(14).of_order.values()]
    assert counts == [1, 1, 2, 4, 9, 20, 48, 115, 286, 719, 1842, 4766, 12486, 32973]  # OEIS A000081
    trees = rooted_trees(8)
    for nodes, same in trees.of_order.items():  # the trees, counted with their orderings, are the n! histories
        assert sum(Fraction(1, trees.density[i] * trees.symmetry[i]) for i in same) == Fraction(1, nodes)


def full_rows(tableau: ButcherTableau) -> list[tuple]:
    """The rows of all the derivatives a step has, in the order of `dense`."""
    end = [] if tableau.fsal else [tableau.b]
    return [*tableau.a, *end, *tableau.extra_a]


def hermite(tableau: ButcherTableau) -> list[tuple]:
    """The cubic Hermite interpolant as polynomials: what `dense=None` stands for."""
    b = (*tableau.b, *([] if tableau.fsal else [Fraction(0)]))
    rows = []
    for i, weight in enumerate(b):
        first, last = int(i == 0), int(i == len(b) - 1)
        rows.append((Fraction(first), 3 * weight - 2 * first - last, first + last - 2 * weight))
    return rows


def interpolant(tableau: ButcherTableau) -> list[tuple]:
    return hermite(tableau) if tableau.dense is None else list(tableau.dense)


class Weights:
    """The elementary weights of a tableau: as numbers, and with absolute values everywhere."""

    def __init__(self, tableau: ButcherTableau, upto: int, digits: int | None):
        self.trees = rooted_trees(upto)
        self.digits = digits
        rows = full_rows(tableau)
        self.values = self.sweep([[self.number(x) for x in row] for row in rows])
        self.absolute = self.sweep([[abs(self.number(x)) for x in row] for row in rows])

    def number(self, x):
        return x if self.digits is None else Decimal(x.numerator) / Decimal(x.denominator)

    def sweep(self, rows: list[list]) -> list[list]:
        sparse = [[(j, x) for j, x in enumerate(row) if x] for row in rows]
        phi: list[list] = []
        through: list[list] = []
        for children in self.trees.children:
            vector = [self.number(Fraction(1))] * len(rows)
            for child in children:
                vector = [x * y for x, y in zip(vector, through[child], strict=True)]
            phi.append(vector)
            through.append([sum((x * vector[j] for j, x in row), self.number(Fraction(0))) for row in sparse])
        return phi

    def residuals(self, weights, order: int, right: int = 1):
        """For every tree of an order: what its condition misses, and the tolerance."""
        weights = [(i, self.number(w)) for i, w in enumerate(weights) if w]
        relative = 0 if self.digits is None else 5 * Decimal(10) ** -self.digits
        for tree in self.trees.of_order[order]:
            total = sum((w * self.values[tree][i] for i, w in weights), self.number(Fraction(0)))
            bound = sum((abs(w) * self.absolute[tree][i] for i, w in weights), self.number(Fraction(0)))
            missing = total - self.number(Fraction(right, self.trees.density[tree]))
            yield abs(missing), order * relative * bound

    def satisfies(self, weights, upto: int) -> bool:
        return all(miss <= tolerance for n in range(1, upto + 1) for miss, tolerance in self.residuals(weights, n))

    def violates(self, weights, order: int) -> bool:
        return any(miss > VISIBLE for miss, _ in self.residuals(weights, order))


@pytest.fixture(autouse=True)
def many_digits():
    with localcontext() as context:
        context.prec = 90
        yield


@cache
def weights_of(case: Case) -> Weights:
    return Weights(case.tableau, min(case.order, 9) + 1, case.digits)


@each
def test_shape(case):
    tableau = case.tableau
    rows = 0 if tableau.dense is None else case.stages + (not case.fsal) + case.extra_stages
    assert (tableau.order, tableau.embedded_order, tableau.dense_order) == case[2:5]
    assert tableau.stages == case.stages == len(tableau.b) and tableau.fsal == case.fsal
    assert [len(row) for row in tableau.a] == list(range(case.stages))
    assert len(tableau.extra_c) == len(tableau.extra_a) == case.extra_stages
    start = case.stages + (not case.fsal)
    assert [len(row) for row in tableau.extra_a] == list(range(start, start + case.extra_stages))
    assert (tableau.b_embedded is None) == (tableau.embedded_order is None)
    assert tableau.b_embedded is None or len(tableau.b_embedded) in (case.stages, case.stages + 1)
    assert len(tableau.dense or ()) == rows and len({len(row) for row in tableau.dense or ()}) <= 1


@each
def test_rows_add_up_to_their_nodes(case):
    tableau = case.tableau
    relative = 0 if case.digits is None else 5 * Fraction(1, 10**case.digits)
    nodes = [*tableau.c, *([] if case.fsal else [Fraction(1)]), *tableau.extra_c]
    for row, node in zip(full_rows(tableau), nodes, strict=True):
        assert abs(sum(row) - node) <= relative * (sum(map(abs, row)) + node)


@each_small
def test_order(case):
    weights = weights_of(case)
    assert weights.satisfies(case.tableau.b, case.order)
    assert weights.violates(case.tableau.b, case.order + 1)


@pytest.mark.parametrize("case", [case for case in SMALL if case.embedded_order], ids=lambda case: case.name)
def test_embedded_order(case):
    weights, b = weights_of(case), case.tableau.b_embedded
    assert weights.satisfies(b, case.embedded_order)
    assert weights.violates(b, case.embedded_order + 1)


@each
def test_dense_order(case):
    weights, columns = weights_of(case), list(zip(*interpolant(case.tableau), strict=True))
    for order in range(1, case.dense_order + 1):
        for power, column in enumerate(columns, start=1):
            for miss, tolerance in weights.residuals(column, order, right=int(power == order)):
                assert miss <= tolerance, f"theta^{power}, a tree of {order} nodes"
    above = case.dense_order + 1
    assert any(
        miss > VISIBLE
        for power, column in enumerate(columns, start=1)
        for miss, _ in weights.residuals(column, above, right=int(power == above))
    )


@each_polynomial
def test_interpolant_is_continuously_differentiable(case):
    """It ends in y_1, and its slope is k_1 at the beginning and f(t + h, y_1) at the end."""
    relative = 0 if case.digits is None else 5 * Fraction(1, 10**case.digits)
    end = case.stages - 1 if case.fsal else case.stages
    b = (*case.tableau.b, *[Fraction(0)] * (len(case.tableau.dense) - case.stages))
    for i, row in enumerate(case.tableau.dense):
        slope = [power * x for power, x in enumerate(row, start=1)]
        assert abs(sum(row) - b[i]) <= relative * (sum(map(abs, row)) + abs(b[i]))
        assert row[0] == int(i == 0)
        assert abs(sum(slope) - int(i == end)) <= relative * sum(map(abs, slope))


def test_a_wrong_last_digit_is_seen():
    """One unit in the 17th digit of one entry, which float64 could not show, breaks the conditions of order 5."""
    tableau = BY_NAME["tsit5"].tableau
    row = (*tableau.a[4][:2], tableau.a[4][2] + Fraction(1, 10**16), *tableau.a[4][3:])
    wrong = ButcherTableau(order=5, c=tableau.c, a=(*tableau.a[:4], row, *tableau.a[5:]), b=tableau.b)
    assert Weights(tableau, 5, 50).satisfies(tableau.b, 5)
    assert not Weights(wrong, 5, 50).satisfies(tableau.b, 5)


def test_dopri8_has_two_estimates():
    from sciml_jax.solve.explicit.tableaux.dopri8 import ERROR3, ERROR5, TABLEAU

    weights = weights_of(BY_NAME["dopri8"])
    third = [x - y for x, y in zip(TABLEAU.b, ERROR3, strict=True)]
    assert TABLEAU.b_error == ERROR5
    assert weights.satisfies(third, 3) and weights.violates(third, 4)


@pytest.mark.parametrize(("name", "coefficient"), [("ssprk3", 1), ("ssprk43", 2)])
def test_strong_stability_preserving_coefficient(name, coefficient):
    """Absolute monotonicity (Kraaijevanger 1991): r P >= 0 and r P e <= 1 with P = K (1 + r K)^-1, K = (A; b)."""
    tableau = BY_NAME[name].tableau
    size = tableau.stages + 1
    k = [[*row, *[Fraction(0)] * (size - len(row))] for row in (*tableau.a, tableau.b)]

    def monotone(r: Fraction) -> bool:
        for row in k:
            p = [Fraction(0)] * size
            for j in reversed(range(size)):
                p[j] = row[j] - r * sum(p[m] * k[m][j] for m in range(j + 1, size))
            if min(p) < 0 or r * sum(p) > 1:
                return False
        return True

    assert monotone(Fraction(coefficient))
    assert not monotone(coefficient + Fraction(1, 1000))


def test_feagin14():
    """53,272 trees: in the widest floats NumPy has, with the rounding of |tau| * 35 operations as the tolerance.

    Its 58 digits are checked up to order 10.
    """
    assert weights_of(BY_NAME["feagin14"]).satisfies(BY_NAME["feagin14"].tableau.b, 10)
    tableau = BY_NAME["feagin14"].tableau
    trees, real = rooted_trees(14), np.longdouble

    def floats(row) -> np.ndarray:
        leading = [float(x) for x in row]
        return np.array([real(x) + real(float(y - Fraction(x))) for x, y in zip(leading, row, strict=True)])

    b, b_embedded = floats(tableau.b), floats(tableau.b_embedded)
    a = np.stack([floats((*row, *[Fraction(0)] * (35 - len(row)))) for row in tableau.a])

    def sweep(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        phi = np.ones((len(trees.order), 35), real)
        through = np.empty_like(phi)
        for same in trees.of_order.values():
            for tree in same:
                for child in trees.children[tree]:
                    phi[tree] *= through[child]
            through[same.start : same.stop] = phi[same.start : same.stop] @ a.T
        return phi, through

    (phi, through), (phi_absolute, _) = sweep(a), sweep(abs(a))
    order = np.array(trees.order)
    right = 1 / np.array([real(x) for x in trees.density])
    for weights, design in ((b, 14), (b_embedded, 12)):
        tolerance = 35 * order * np.finfo(real).eps * (phi_absolute @ abs(weights))
        missing = abs(phi @ weights - right)
        assert (missing <= tolerance)[order <= design].all()
        if design < 14:
            assert missing[order == design + 1].max() > VISIBLE
    # Order 15 without its 87,811 trees: those whose root has one child.
    tall = abs(through @ b - right / (order + 1))[order == 14]
    assert tall.max() > VISIBLE
