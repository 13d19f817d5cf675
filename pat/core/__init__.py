"""Arithmetic: numpy alone, pure functions over ``(..., n_wavelengths)``; each formula stands here once."""
