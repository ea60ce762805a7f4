"""Every structure against dense matrices in NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse

from sciml_jax.linalg import Banded, Dense, Pattern, Sparse, detect, linear_solver, pattern
from sciml_jax.linalg.banded import BandLU
from sciml_jax.linalg.block_tridiagonal import BlockLU

from .test_pattern import brusselator


def ring(x):
    """Neighbours on a circle, and the one after the next."""
    return x**2 * jnp.roll(x, 1) - jnp.roll(x, -2) + 0.3 * x


def chain(x):
    padded = jnp.pad(x, 2)
    return x**2 * padded[:-4] + padded[1:-3] - padded[3:-1] ** 3


RING: Any = pattern(ring, jnp.zeros(20))
CASES = {
    "small": (Dense(3), chain),
    "dense": (Dense(20), chain),
    "narrow band": (Banded(20, 2, 1), chain),
    "wide band": (Banded(20, 5, 4), chain),
    "band in blocks": (Banded(120, 55, 20), chain),
    "coloured": (Sparse(RING, "dense"), ring),
    "reordered band": (Sparse(RING, "band", True), ring),
    "blocks of all": (Sparse(RING, "blocks", False), ring),
    "reordered blocks": (Sparse(RING, "blocks", True), ring),
    "detected": (detect(pattern(brusselator(5), jnp.zeros(50)), 50), brusselator(5)),
}


@pytest.mark.parametrize("name", CASES)
def test_everything_agrees_with_a_dense_matrix(name):
    structure, function = CASES[name]
    n = structure.n
    x, b = jnp.linspace(0.5, 2.0, n), np.linspace(1.0, 2.0, n)
    shift = 9 + 4j

    @jax.jit
    def everything(x):
        stored = structure.jacobian(function, x)
        shifted = jax.tree.map(lambda e, j: shift * e - j, structure.diagonal(jnp.ones(n)), stored)
        factors = structure.factorize(shifted)
        right = jnp.asarray(b) + 0j
        solutions = structure.solve(factors, right), structure.solve_transposed(factors, right)
        whole = jax.jacfwd(function)(x)
        real = structure.solve(structure.factorize(structure.store(whole + 9 * jnp.eye(n))), right.real)
        kept = structure.matrix(structure.store(whole))
        return whole, structure.matrix(stored), kept, structure.multiply(shifted, right), solutions, real

    whole, matrix, kept, product, (solution, transposed), real = everything(x)
    # the same derivatives, rounded in another order
    np.testing.assert_allclose(matrix, whole, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(kept, whole)
    a = shift * np.eye(n) - np.asarray(whole)
    scale = np.linalg.cond(a) * 1e-14
    np.testing.assert_allclose(product, a @ b, atol=1e-13 * np.max(np.abs(a)) * n)
    for found, system in ((solution, a), (transposed, a.T), (real, whole + 9 * np.eye(n))):
        expected = np.linalg.solve(system, b)
        error = max(scale, np.linalg.cond(system) * 1e-14) * np.max(np.abs(expected))
        np.testing.assert_allclose(found, expected, rtol=0, atol=error)


@pytest.mark.parametrize("name", ["small", "narrow band", "reordered band", "reordered blocks"])
def test_gradients_follow_the_rule(name):
    structure, function = CASES[name]
    n = structure.n
    x, b, w = jnp.linspace(0.5, 2.0, n), np.linspace(1.0, 2.0, n), np.linspace(-1.0, 1.0, n)

    def solved(x, b):
        matrix = jax.tree.map(lambda e, j: 9 * e - j, structure.diagonal(jnp.ones(n)), structure.jacobian(function, x))
        return w @ linear_solver(matrix, structure=structure)(b)

    def dense(x, b):
        return w @ jnp.linalg.solve(9 * jnp.eye(n) - jax.jacfwd(function)(x), b)

    # both exact derivatives; the matrices have condition numbers under 1e3
    for found, expected in zip(*(jax.jit(jax.grad(f, (0, 1)))(x, b) for f in (solved, dense)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.max(np.abs(expected)))
    direction = (jnp.ones(n), jnp.ones(n))
    tangents = [jax.jit(lambda x, b, f=f: jax.jvp(f, (x, b), direction)[1])(x, b) for f in (solved, dense)]
    assert float(tangents[0]) == pytest.approx(float(tangents[1]), rel=1e-10)


def test_equal_structures_share_a_compilation():
    traces = []

    @jax.jit
    def twice(structure, x):
        traces.append(structure)
        return structure.multiply(structure.diagonal(x), x)

    twice(Sparse(RING), jnp.ones(20))
    twice(Sparse(RING.copy()), jnp.ones(20))
    twice(Banded(20, 1, 1), jnp.ones(20))
    twice(Banded(20, 1, 1), jnp.ones(20))
    assert len(traces) == 2
    twice(Banded(20, 1, 2), jnp.ones(20))
    assert len(traces) == 3
    assert Pattern(RING) == Pattern(RING.toarray()) != Pattern(np.eye(20))


def test_batches_agree_with_the_loop():
    structure = Sparse(RING, "band", True)
    x, b = jnp.linspace(0.5, 2.0, 60).reshape(3, 20), jnp.ones(20)

    def solved(x):
        matrix = structure.store(9 * jnp.eye(20) - jax.jacfwd(ring)(x))
        return linear_solver(matrix, structure=structure)(b)

    np.testing.assert_allclose(jax.jit(jax.vmap(solved))(x), [jax.jit(solved)(y) for y in x], rtol=1e-12)


def test_a_wide_band_is_eliminated_in_blocks():
    bands = lambda wide: jax.eval_shape(wide.factorize, jax.ShapeDtypeStruct((wide.n, wide.width), np.float64))
    assert isinstance(bands(Banded(120, 55, 20)), BlockLU)
    assert isinstance(bands(Banded(120, 5, 2)), BandLU)


def test_detection():
    assert detect(None, 100) == Dense(100)
    assert detect(np.eye(12), 12) == Dense(12)
    assert detect(np.eye(100), 100) == Banded(100, 0, 0)
    assert detect(np.ones((30, 30)), 30) == Dense(30)
    assert detect(pattern(chain, jnp.zeros(60)), 60) == Banded(60, 2, 1)
    circle = detect(pattern(ring, jnp.zeros(300)), 300)
    assert isinstance(circle, Sparse)
    assert (circle.elimination, circle.reordered) == ("band", True)
    assert circle.colours <= 6  # four to a row
    grid = detect(pattern(brusselator(32), jnp.zeros(2048)), 2048)
    assert isinstance(grid, Sparse)
    assert (grid.elimination, grid.reordered) == ("blocks", True)
    arrow = np.eye(200)
    arrow[:, 0] = 1
    assert detect(arrow, 200).colours == 2  # pyright: ignore[reportAttributeAccessIssue]


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"square, got the shape \(2, 3\)"):
        Pattern(sparse.csr_array((2, 3)))
    with pytest.raises(ValueError, match="'band', 'blocks' or"):
        Sparse(RING, "nested")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="lower=-1"):
        Banded(4, -1, 0)
