"""A run with all that a checkpoint has to hold: two stages, batches, noise, validation. Also a program to kill."""

import sys
import time

import jax
import jax.numpy as jnp

from sciml_jax import nn, train

X = jnp.linspace(-1.0, 1.0, 30)[:, None]
Y = jnp.sin(3 * X)


def objective(model, batch, key):
    """A fit with noise on the inputs, so that the key of every step counts."""
    x, y = batch
    noisy = x + 1e-3 * jax.random.normal(key, x.shape, x.dtype)
    square = jnp.mean((jax.vmap(model)(noisy) - y) ** 2)
    size = 1e-4 * jnp.mean(model.layers[0].weight ** 2)
    return square + size, {"fit": square, "size": size}


def make_stages(adam=60, lbfgs=30):
    """Minibatches for Adam, all rows and a new batch now and then for L-BFGS."""
    return [train.adam(adam, 1e-2), train.lbfgs(lbfgs, resample=10)]


def fit(folder, callbacks=(), **options):
    """The run; `folder=None` for one without a checkpoint."""
    model = nn.MLP(1, 1, 4, 1, key=jax.random.key(0))
    options = {"stages": make_stages(), "key": jax.random.key(1), "data": train.Batches((X, Y), 7)} | options
    validation = train.Validation((X[::3], Y[::3]), every=25)
    checkpoint = None if folder is None else train.Checkpoint(folder, steps=10)
    return train.fit(
        model, objective, validate=validation, checkpoint=checkpoint, callbacks=callbacks, progress=False, **options
    )


if __name__ == "__main__":
    fit(sys.argv[1], train.Every(5, lambda info: time.sleep(0.1)))
