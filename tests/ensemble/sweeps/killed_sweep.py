"""What `test_killed_at_any_moment` kills: a sweep of many small chunks, each of which takes a moment."""

import json
import sys
import time

import jax.numpy as jnp
import numpy as np

import sciml_jax as sj
from sciml_jax.ensemble.sweeps import archive

archive._BETWEEN_S = 0.05  # it is written down more often than by default, so that the test is short
N, CHUNK = 40_000, 400
first = []


def rows(start, stop):
    if stop - start > 1:
        first.append(start)
        time.sleep(0.02)
    return np.arange(start, stop)


def add(state, points, y):
    return state + np.array([len(points), points.sum()])


print("begins", flush=True)
found = sj.sweep(
    lambda i: i + jnp.zeros_like(i),
    sj.ensemble.Generated(N, rows),
    reduce=sj.ensemble.Fold(np.zeros(2, int), add),
    keep=True,
    out=sys.argv[1],
    chunk=CHUNK,
    streams=2,
    progress=False,
)
count, total = found.reduced.tolist()
resumed = min(first[1:], default=N)
print(json.dumps({"n": N, "count": count, "sum": total, "results": int(found.results[:].sum()), "resumed_at": resumed}))
