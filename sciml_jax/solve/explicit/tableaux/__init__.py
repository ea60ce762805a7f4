"""Coefficients of the explicit Runge-Kutta methods: one module a method, each with one constant, `TABLEAU`.

Order 1 to 4: `euler`, `heun`, `midpoint`, `ralston`, `bosh3`, `ssprk3`, `ssprk43`, `rk4`. Order 5: `dopri5`, `tsit5`.
Order 6 to 9: `vern6`, `vern7`, `vern8` (and `dopri8`), `vern9`. Order 14: `feagin14`.

Nothing is imported here, so that a method pays only for its own table.
"""
