"""What the server says about its own API: the OpenAPI document with its page, and the AsyncAPI document of the socket.

Everything is derived from the handlers and the structs; nothing here has to be kept in step by hand but the words.
"""

from dating.documentation.pages import openapi
from dating.documentation.paths import document

__all__ = ["document", "openapi"]
