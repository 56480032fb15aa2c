"""Finding messages, chats and people by words."""
