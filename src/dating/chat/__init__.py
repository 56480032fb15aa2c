"""Chats and messages: who may write to whom, what was said, and how far each has read."""
