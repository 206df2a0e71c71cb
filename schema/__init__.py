"""The GraphQL schema: types, fields and mutations, without any I/O of their own."""

from schema.build import build_schema

__all__ = ["build_schema"]
