"""The small application that these tests ask."""

from web_site import site

__all__ = ["site"]
