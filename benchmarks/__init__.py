"""Measuring Kith: invented people in any number, the people page beside a bare Strawberry app, promises in full size."""
