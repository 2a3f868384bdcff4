"""The only room that writes files: whole or not at all, on disk before it says so, with hashes to prove it.

Knows: write beside the target, sync, rename, sync the folder; one JSON line a record; arrays larger than memory;
manifests. Knows nothing of runs and models.

What differs on Windows: a folder can't be synced there (`sync_folder` does nothing; NTFS journals the rename itself),
and a file that some process maps or scans can't be replaced (a rename is tried for a second, then it is an error).
"""

from convscope.files.arrays import LargeArray, large_array, open_array
from convscope.files.disk import (
    append_line,
    remove_file,
    remove_folder,
    sync_folder,
    to_json,
    write_bytes,
    write_json,
    write_text,
    writing,
)
from convscope.files.folders import (
    MANIFEST,
    discard_folder,
    make_folder,
    new_folder,
    parts,
    read_manifest,
    read_verified,
    write_folder,
)
from convscope.files.held import LOCK, held, is_held
from convscope.files.read import (
    FORMAT,
    check_format,
    read_bytes,
    read_json,
    read_lines,
    read_text,
    sha256_bytes,
    sha256_file,
)

__all__ = [
    "FORMAT",
    "LOCK",
    "MANIFEST",
    "LargeArray",
    "append_line",
    "check_format",
    "discard_folder",
    "held",
    "is_held",
    "large_array",
    "make_folder",
    "new_folder",
    "open_array",
    "parts",
    "read_bytes",
    "read_json",
    "read_lines",
    "read_manifest",
    "read_text",
    "read_verified",
    "remove_file",
    "remove_folder",
    "sha256_bytes",
    "sha256_file",
    "sync_folder",
    "to_json",
    "write_bytes",
    "write_folder",
    "write_json",
    "write_text",
    "writing",
]
