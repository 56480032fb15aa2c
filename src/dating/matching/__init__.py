"""Swipes, matches and candidates."""
