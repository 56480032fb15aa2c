"""The server against its own OpenAPI document."""
