"""Torch lives here only. Importing this package alone imports nothing heavy."""
