"""Tests run in float64 unless JAX_ENABLE_X64 says otherwise; without it only those marked `float32` hold."""

import gc
import os
from pathlib import Path

# Tests compile much and run little: machine code without LLVM's optimisation is ready in two thirds of the time, and
# fusions without MLIR in two thirds of that. What users run is tested in float32, by doctests, notebooks and the
# README's commands.
if "JAX_ENABLE_X64" not in os.environ:
    # Eight devices, of which all but the tests of meshes use the first.
    flags = ("backend_optimization_level=0", "cpu_use_fusion_emitters=false", "force_host_platform_device_count=8")
    os.environ.setdefault("XLA_FLAGS", " ".join(f"--xla_{flag}" for flag in flags))

import jax
import pytest
from jax.extend import source_info_util

import sciml_jax  # noqa: F401 (its XLA setting must come before the first array)

if "JAX_ENABLE_X64" not in os.environ:
    jax.config.update("jax_enable_x64", True)

STATM = Path("/proc/self/statm")  # of Linux; its second number are the pages in memory


def pytest_collection_modifyitems(items):
    if not jax.config.jax_enable_x64:
        needs_float64 = pytest.mark.skip(reason="needs float64 (JAX_ENABLE_X64=1)")
        for item in items:
            if "float32" not in item.keywords:
                item.add_marker(needs_float64)


def pytest_collection_finish(session):
    # what is imported stays: each full collection looked through all of it, a tenth of the time of the tests
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


HERE = source_info_util.current().traceback


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    # otherwise every operation that is traced keeps the stack that led to it, pytest's included: a tenth of the time
    with source_info_util.user_context(HERE):
        return (yield)


_limit = 8e9  # bytes in memory at which compiled functions are let go: two workers fit into 24 GB


def pytest_runtest_teardown(item, nextitem):
    global _limit
    if STATM.exists():
        in_use = int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        if in_use > _limit:
            jax.clear_caches()
            _limit = max(_limit, in_use + 1e9)  # what is let go does not all go back to the system
