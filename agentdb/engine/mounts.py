"""Which file system a path lies on, as Linux tells it; other systems tell nothing here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_NETWORK: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "virtiofs", "ceph", "glusterfs", "lustre"),
        *("gpfs", "beegfs", "ocfs2", "gfs2", "orangefs", "davfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs", "fuse.rclone", "fuse.davfs2"),
        *("fuse.gcsfuse", "fuse.grpcfuse", "fuse.osxfs", "fuse.juicefs", "fuse.mount-s3"),
    }
)
_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def network_file_system(path: Path) -> str | None:
    """The type of the network file system that `path` lies on; None for a local one, or where nobody tells."""
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return None
    kind = file_system(path.resolve(), mounts)
    return kind if kind in _NETWORK else None


def file_system(path: Path, mounts: str) -> str | None:
    """The type of the file system of an absolute path without links, from the text of `/proc/self/mountinfo`.

    The longest mount point above the path counts, and of equal ones the last, which covers the others.
    """
    found, longest = None, -1
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(_ESCAPED.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = kinds[0], len(point.parts)
    return found
