"""The networks and layers that several models share."""

from .mlp import MLP

__all__ = ["MLP"]
