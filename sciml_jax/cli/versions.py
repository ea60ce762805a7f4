"""Versions of what a result depends on."""

import platform
from importlib import metadata


def version(package: str) -> str:
    """The installed version of a package, `"unknown"` where it runs from its source."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """Python, the package, and the libraries that its numbers come from."""
    packages = ("sciml-jax", "jax", "jaxlib", "equinox", "optax", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
