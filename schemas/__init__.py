"""Shapes that are stored or cross the network. Imports pydantic only."""
