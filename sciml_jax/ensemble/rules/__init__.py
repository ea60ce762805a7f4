"""How the lane interpreter runs single primitives: a rule takes (interpreter, equation, operands)."""

from . import elementwise, loops, movement, reductions

RULES = {**elementwise.RULES, **movement.RULES, **reductions.RULES, **loops.RULES}

__all__ = ["RULES"]
