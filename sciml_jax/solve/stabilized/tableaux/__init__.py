"""Coefficients of the stabilised methods: one module a method, each with one constant, `TABLE`."""
