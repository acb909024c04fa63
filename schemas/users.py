"""People, as the application knows them."""

from schemas.document import Document

__all__ = ["User"]


class User(Document, collection="users", indexes=[("email",)]):
    """One person."""

    name: str
    email: str | None = None
    image: str | None = None
