"""What whoever takes a while tells of it: reading, decoding, downloading, features. Knows nothing of who listens."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and how much there is: 0 where nobody knows; 0 of 0 is a line of
its own, the words before a download."""
