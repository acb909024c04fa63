"""Headwater: a reactive document-store sync server."""
