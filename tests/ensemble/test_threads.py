"""Work in threads: order, overlap, bounded look-ahead, failures."""

import threading

import jax
import jax.numpy as jnp
import pytest

from sciml_jax.ensemble.threads import in_threads


@pytest.mark.parametrize("streams", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 17])
def test_results_come_in_the_order_of_the_tasks(streams, count):
    found = list(in_threads(lambda i: 10 * i, lambda i, begun: (i, begun), range(count), streams))
    assert found == [(i, 10 * i) for i in range(count)]


def test_a_thread_begins_its_next_task_before_it_ends_the_last():
    log, both = [], threading.Event()

    def begin(i):
        log.append(("begin", i))
        if i == 1:
            both.set()

    def end(i, begun):
        if i == 0:  # fails, rather than waits for ever, if task 1 is begun only after this
            assert both.wait(timeout=10.0)
        log.append(("end", i))

    list(in_threads(begin, end, range(3), 1))
    assert log.index(("begin", 1)) < log.index(("end", 0))
    assert [i for what, i in log if what == "end"] == [0, 1, 2]


def test_tasks_are_drawn_as_results_are_taken():
    drawn = []

    def tasks():
        for i in range(100):
            drawn.append(i)
            yield i

    results = in_threads(lambda i: i, lambda i, begun: begun, tasks(), 2)
    assert next(results) == 0
    assert len(drawn) == 5  # two a thread, and one more
    results.close()
    assert len(drawn) == 5


@pytest.mark.parametrize("where", ["begin", "end"])
def test_an_exception_is_raised_in_its_place(where):
    def check(what, i):
        if (what, i) == (where, 5):
            raise ArithmeticError("task 5")
        return i

    before = threading.active_count()
    results = in_threads(lambda i: check("begin", i), lambda i, begun: check("end", i), range(40), 3)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ArithmeticError, match="task 5"):
        next(results)
    assert threading.active_count() == before  # the threads have ended


def test_threads_have_the_settings_of_their_caller():
    with jax.enable_x64(False):
        types = list(in_threads(lambda i: jnp.ones(()).dtype, lambda i, begun: begun, range(4), 2))
    with jax.enable_x64(True):
        types += list(in_threads(lambda i: jnp.ones(()).dtype, lambda i, begun: begun, range(4), 2))
    assert [str(t) for t in types] == ["float32"] * 4 + ["float64"] * 4
