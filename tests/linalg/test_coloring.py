"""Colours against their definition, and Jacobians put together from them against whole ones."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse

from sciml_jax.linalg import color_columns, compressed_jacobian


def random_pattern(shape, density) -> Any:
    return sparse.csr_array(np.random.default_rng(0).random(shape) < density)


@pytest.mark.parametrize("density", [0.0, 0.02, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("shape", [(40, 40), (30, 50), (1, 5)])
def test_columns_of_a_colour_share_no_row(shape, density):
    found = random_pattern(shape, density)
    colours = color_columns(found)
    assert colours.shape == (shape[1],)
    for colour in range(colours.max() + 1):
        assert np.all(np.sum(found.toarray()[:, colours == colour], axis=1) <= 1)


@pytest.mark.parametrize("width", [1, 3, 5, 8])
def test_a_band_needs_as_many_colours_as_diagonals(width):
    rows, columns = np.indices((40, 40))
    band = sparse.csr_array((columns - rows >= 0) & (columns - rows < width))
    assert color_columns(band).max() + 1 == width  # a full row has that many


def test_an_arrow_has_a_full_row():
    arrow = np.eye(30, dtype=bool)
    arrow[0] = True
    assert len(set(color_columns(sparse.csr_array(arrow)).tolist())) == 30
    assert color_columns(sparse.csr_array(arrow.T)).max() + 1 == 2  # a full column shares every row with the others


def test_compressed_jacobian():
    found = random_pattern((12, 20), 0.15)
    weights = found.toarray() * np.random.default_rng(1).normal(size=(12, 20))
    function = lambda x: weights @ jnp.sin(x)
    x = jnp.linspace(0, 1, 20)
    colours = color_columns(found)
    products = jax.jit(lambda x: compressed_jacobian(function, x, colours))(x)
    rows, columns = found.nonzero()
    # the same products in another order of summation
    expected = np.asarray(jax.jacfwd(function)(x))[rows, columns]
    np.testing.assert_allclose(products[colours[columns], rows], expected, rtol=1e-13)
