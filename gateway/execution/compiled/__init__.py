"""Operations compiled once: Python source for exactly one operation on exactly this schema, and graphql-core behind it.

How a plan comes to be and what is not taken is in `plan.py`; what the source looks like in `source.py`; how it runs, and how
a resolver that waits holds up nobody else, in `run.py`. The source knows the way on which nothing goes wrong. The first thing
that does - an exception, null where the schema forbids it, a value that is not what its type says - stops it, and graphql-core
answers the operation (`replay.py`), getting from each resolver what that has answered already, or is about to: nothing is
asked twice, and errors, their paths, places and order are graphql-core's own.
"""

from gateway.execution.compiled.plans import Known, Plans, Ready

__all__ = ["Known", "Plans", "Ready"]
