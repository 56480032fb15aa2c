"""Accounts: who somebody is, how they prove it, and on which devices they are signed in."""
