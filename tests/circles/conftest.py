from tests.databases import database, household

__all__ = ["database", "household"]
