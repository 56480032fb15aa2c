"""Blocks, and the one rule of who may see whom."""
