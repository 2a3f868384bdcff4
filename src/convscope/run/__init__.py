"""A run: the records that a training tells of itself, and the folder that keeps them.

Formats nothing for people (report/ does), and knows nothing of networks and pictures.
"""

from convscope.run.folder import Run
from convscope.run.machine import commit, environment, now
from convscope.run.records import (
    KINDS,
    Diagnosis,
    Epoch,
    Finished,
    Forecast,
    Note,
    Record,
    Saved,
    Started,
    Step,
    Stopped,
    Tested,
    from_json,
    to_json,
)
from convscope.run.snapshots import Snapshot

__all__ = [
    "KINDS",
    "Diagnosis",
    "Epoch",
    "Finished",
    "Forecast",
    "Note",
    "Record",
    "Run",
    "Saved",
    "Snapshot",
    "Started",
    "Step",
    "Stopped",
    "Tested",
    "commit",
    "environment",
    "from_json",
    "now",
    "to_json",
]
