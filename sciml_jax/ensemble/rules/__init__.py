"""How the lane interpreter runs single primitives: a rule takes (interpreter, equation, operands)."""

from . import elementwise, functions, loops, movement, reductions

RULES = {**elementwise.RULES, **functions.RULES, **movement.RULES, **reductions.RULES, **loops.RULES}

__all__ = ["RULES"]
