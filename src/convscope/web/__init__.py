"""A page for this computer alone: what `lab` and `serve` stand on.

Knows: who may ask (host, origin, cookie), what may be asked (addresses, bodies), what every answer carries, and how the
server starts and ends. Knows nothing of networks. What is trusted and what is not: docs/security.md. Importing
this room loads neither Starlette nor uvicorn, which come with the extra `serve`.
"""

from convscope.web.answers import HEADERS, Refused
from convscope.web.application import application, assets, identifier, read_json
from convscope.web.guard import Guard
from convscope.web.serving import PORT, run
from convscope.web.session import Session

__all__ = ["HEADERS", "PORT", "Guard", "Refused", "Session", "application", "assets", "identifier", "read_json", "run"]
