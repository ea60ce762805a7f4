"""Versions of what a result depends on."""

import importlib
import platform
from importlib import metadata


def version(package: str) -> str:
    """The version of a package, `"unknown"` of one that is not installed."""
    if package == "sciml-jax":
        # that of the code that runs, installed or not; read when asked for: the package stands above this folder
        return importlib.import_module("sciml_jax").__version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """Python, the package, and the libraries that its numbers come from."""
    packages = ("sciml-jax", "jax", "jaxlib", "equinox", "optax", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
