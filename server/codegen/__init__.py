"""TypeScript types of an application, made of its OpenAPI document."""

from server.codegen.application import Application, UnfitDocument, read_application
from server.codegen.declarations import declarations
from server.codegen.modules import module

__all__ = ["Application", "UnfitDocument", "declarations", "module", "read_application"]
