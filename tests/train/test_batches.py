"""Where batches come from: every row once an epoch, whole data, samplers; messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import train
from sciml_jax.train.batches import Sampler, Whole, as_source
from sciml_jax.train.shuffle import permute, round_keys

pytestmark = pytest.mark.float32

KEY = jax.random.key(0)


@pytest.mark.parametrize("size", [1, 2, 3, 63, 64, 65, 1000, 4097])
def test_permute_is_a_permutation(size):
    keys = round_keys(KEY)[:, None]
    image = permute(keys, jnp.arange(size, dtype=jnp.uint32), size)
    assert np.array_equal(np.sort(image), np.arange(size))


def test_permute_reaches_the_largest_sizes():
    size = 2**31
    index = jnp.array([0, 1, size - 1], dtype=jnp.uint32)
    image = permute(round_keys(KEY)[:, None], index, size)
    assert len(set(image.tolist())) == 3
    assert (np.asarray(image) < size).all()


def test_permutations_are_uniform():
    # all six orders of three rows: chi-square with five degrees of freedom, 99.9 % quantile 20.5
    keys = jax.random.split(KEY, 6000)
    orders = jax.vmap(lambda k: permute(round_keys(k)[:, None], jnp.arange(3, dtype=jnp.uint32), 3))(keys)
    _, counts = np.unique(np.asarray(orders), axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.sum((counts - 1000) ** 2 / 1000) < 20.5


def test_places_are_uniform_and_neighbours_part():
    # where the first row goes among 100: chi-square with 99 degrees of freedom, 99.9 % quantile 148.2
    keys = jax.random.split(KEY, 5000)
    images = jax.vmap(lambda k: permute(round_keys(k)[:, None], jnp.arange(2, dtype=jnp.uint32), 100))(keys)
    counts = np.bincount(np.asarray(images)[:, 0], minlength=100)
    assert np.sum((counts - 50) ** 2 / 50) < 148.2
    # independent places: correlation has a standard error of 1/sqrt(5000)
    assert abs(np.corrcoef(np.asarray(images, float).T)[0, 1] + 1 / 99) < 4 / np.sqrt(5000)


@pytest.mark.parametrize(("rows", "size"), [(12, 4), (10, 4), (7, 7), (5, 1), (5, 4)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_epoch_has_every_row_once(rows, size, shuffle):
    batches = train.Batches(jnp.arange(rows), size, shuffle)
    draws = [np.asarray(batches.draw(KEY, batches.cursor(i))) for i in range(rows)]
    stream = np.concatenate(draws).reshape(size, rows)
    assert np.array_equal(np.sort(stream, axis=1), np.tile(np.arange(rows), (size, 1)))
    if not shuffle:
        assert np.array_equal(stream, np.tile(np.arange(rows), (size, 1)))
    elif size > 3:
        assert len({tuple(epoch) for epoch in stream}) > 1


def test_advancing_is_counting():
    batches = train.Batches(jnp.arange(10), 7)
    cursor = jax.tree.map(jnp.asarray, batches.cursor(0))
    for i in range(20):
        assert tuple(map(int, cursor)) == tuple(map(int, batches.cursor(i)))
        cursor = batches.advance(cursor)
    # far beyond 32-bit counts of rows
    assert batches.cursor(10**9)[1] == (7 * 10**9) % 10


def test_rows_stay_together():
    arrays = {"x": jnp.arange(8.0)[:, None], "y": (jnp.arange(8), 10 * jnp.arange(8))}
    batches = train.Batches(arrays, 3)
    batch = batches.draw(KEY, batches.cursor(1))
    assert batch["x"].shape == (3, 1)
    assert np.array_equal(batch["y"][1], 10 * batch["y"][0])
    assert np.array_equal(batch["x"][:, 0], batch["y"][0])


def collect(data, steps=6, **options):
    """The batches that an objective sees, as the losses of a model that does not move them."""

    def objective(model, batch, key):
        return jnp.sum(batch) + 0.0 * model

    stage = train.sgd(steps, 1.0, **options)
    return train.fit(jnp.array(0.0), objective, stages=[stage], data=data, key=KEY, progress=False).history.loss


def test_fit_goes_through_the_epochs():
    losses = collect(train.Batches(2.0 ** jnp.arange(6), 2))
    assert losses[:3].sum() == losses[3:].sum() == 63
    assert set(losses[:3]) != {3.0, 12.0, 48.0}
    assert np.array_equal(collect(train.Batches(2.0 ** jnp.arange(6), 2, shuffle=False)), [3, 12, 48] * 2)


def test_fit_calls_a_sampler_with_a_new_key_each_draw():
    assert len(set(collect(lambda key: jax.random.normal(key, (2,))))) == 6
    losses = collect(lambda key: jax.random.normal(key, (2,)), resample=3)
    assert [len(set(losses[:3])), len(set(losses[3:])), len(set(losses))] == [1, 1, 2]
    assert len(set(collect(lambda key: jax.random.normal(key, (2,)), resample=None))) == 1


def test_fit_gives_whole_data_as_they_are():
    assert collect(np.arange(4.0)).tolist() == [6] * 6
    assert collect(2.5).tolist() == [2.5] * 6
    assert collect([1.0, 2.0][1]).tolist() == [2] * 6


def test_resampling_goes_on_after_a_chunk():
    # more steps than fit into one compiled piece
    losses = collect(train.Batches(jnp.arange(1000.0), 1, shuffle=False), 900, resample=3)
    assert np.array_equal(losses, np.repeat(np.arange(300), 3))


def test_sources():
    assert isinstance(as_source(None), Whole)
    assert isinstance(as_source(lambda key: key), Sampler)
    assert as_source(None).draw(KEY, ()) is None


@pytest.mark.parametrize(
    ("arrays", "size", "message"),
    [
        ((jnp.ones(3), jnp.ones(4)), 2, r"leading axes differ.*\(3,\).*\(4,\)"),
        ({"x": jnp.ones((0, 2))}, 1, r"at least one row.*\['x'\].*\(0, 2\)"),
        (jnp.ones(()), 1, "at least one row"),
        ((), 1, "at least one row"),
        (jnp.ones(3), 4, "batch_size must be an integer from 1 to the number of rows, 3; got 4"),
        (jnp.ones(3), 0, "got 0"),
        (jnp.ones(3), 1.5, "got 1.5"),
    ],
)
def test_mistakes_are_named(arrays, size, message):
    with pytest.raises(ValueError, match=message):
        train.Batches(arrays, size)
