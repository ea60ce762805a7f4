"""The command line, `sciml-jax`: one file a command."""

from .main import main

__all__ = ["main"]
