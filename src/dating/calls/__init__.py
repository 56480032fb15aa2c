"""Calls: the signalling by which two browsers or phones find each other. Voice and picture never pass through here."""
