"""Who is online: shown to those who talk with them, while they look."""
