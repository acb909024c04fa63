"""The tables that an application declares, as commands need to know them."""

from collections.abc import Mapping

from schemas.document import Document

__all__ = ["declared_tables"]


def declared_tables(app: str | None) -> Mapping[str, type[Document]]:
    """By their collections, the tables of `app`, or of the built-in application.

    Raises:
        StartupError: There is no such app.
    """
    if app is not None:
        from server.cli.target import load_app  # here, as it takes a second

        return {table.collection: table for table in load_app(app).catalog.tables}
    from server.functions import WITH_SAMPLES
    from server.runtime import Catalog

    return {table.collection: table for table in Catalog(WITH_SAMPLES).tables}
