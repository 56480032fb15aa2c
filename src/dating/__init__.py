"""A whole dating service in one process: register, swipe, match and chat over WebSocket."""

__version__ = "0.1.0"
