"""The secret that opens the page: a token in a cookie, brought there by a link that works once.

The link carries no token. It carries a code that only the token's owner can make (a time, a random number, and their
HMAC-SHA256 under the token), so a second process that holds the token can print another link without asking the server.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time

from convscope.errors import ConvscopeError

OPEN = "/-/open"  # where a link is exchanged for the cookie
_TOKEN = re.compile(r"[0-9a-f]{64}")
_CODE = re.compile(r"([0-9]{1,20})\.([0-9a-f]{32})\.([0-9a-f]{64})")


class Session:
    """One token (256 random bits), and the codes that were exchanged for it.

    token: 64 hexadecimal digits, from an earlier session whose browsers should stay in; a new one when None.
    command: what a person types to be given a link.
    """

    def __init__(self, token: str | None = None, *, command: str = "convscope lab") -> None:
        if token is not None and not _TOKEN.fullmatch(token):
            raise ConvscopeError(
                f"a token must be 64 hexadecimal digits in lower case. Got {len(token)} signs. "
                "Leave it out, and a new one is made."
            )
        self.token = token or secrets.token_hex(32)
        self.command = command
        self._began = time.time_ns()
        self._spent: set[str] = set()

    def __repr__(self) -> str:
        return f"Session(command={self.command!r})"  # the token stays out of every traceback and log

    def link(self, port: int) -> str:
        """An address that opens the page in one browser, once."""
        number = f"{time.time_ns()}.{secrets.token_hex(16)}"
        return f"http://127.0.0.1:{port}{OPEN}?code={number}.{self._sign(number)}"

    def spend(self, code: str) -> bool:
        """Whether the code is good: made with this token, since this session began, and not used before."""
        found = _CODE.fullmatch(code)
        if not found:
            return False
        when, number, signature = found.groups()
        if not hmac.compare_digest(self._sign(f"{when}.{number}"), signature):
            return False
        # a session that began anew has forgotten what was spent: it takes no code from before
        if int(when) < self._began or number in self._spent:
            return False
        self._spent.add(number)
        return True

    def _sign(self, number: str) -> str:
        return hmac.new(self.token.encode(), number.encode(), hashlib.sha256).hexdigest()

    def name(self, port: int) -> str:
        """The cookie's name. Cookies know no ports, so the name does: two tools at once don't collide."""
        return f"convscope-{port}"

    def cookie(self, port: int) -> str:
        """The header that puts the token where no script and no other site reaches it, until the browser is closed."""
        return f"{self.name(port)}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def knows(self, cookies: list[bytes], port: int) -> bool:
        """Whether one of the cookie headers brings the token. Takes equally long whichever digit is wrong."""
        good = False
        for header in cookies:
            for pair in header.split(b";"):
                name, _, value = pair.strip().partition(b"=")
                if name == self.name(port).encode():
                    good |= hmac.compare_digest(value, self.token.encode())
        return good
