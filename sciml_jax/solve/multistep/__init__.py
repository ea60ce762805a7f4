"""Multistep methods for problems that are not stiff, one a file."""

from .vcabm import VCABM

__all__ = ["VCABM"]
