"""PostgreSQL refuses to run as root: the user it runs as instead, and directories that this user can reach."""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from gateway.dev.embedded import ServerError

NAME = "pgserver"
#: Survives a reboot, and is open to every user.
PUBLIC = Path("/var/tmp")


def needed() -> str | None:
    """The user for PostgreSQL, created if necessary; None unless this process runs as root."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        _create()
    return NAME


def reachable_directory(path: Path) -> Path:
    """`path`, or a directory below /var/tmp if `path` is inside a directory that only root can enter."""
    if _can_traverse(path):
        return path
    return _public_directory(f"referans-{hashlib.sha256(str(path).encode()).hexdigest()[:12]}")


def reachable_programs(package: Path, programs: str) -> Path:
    """The directory `programs` of an installed package, or a copy of it and its libraries below /var/tmp."""
    if _can_traverse(package / programs):
        return package / programs
    public = _public_directory(f"referans-{package.name}-{metadata.version(package.name)}")
    copy = public / package.name / programs
    if not copy.exists():
        libraries = f"{package.name}.libs"  # the programs look for them beside the package
        _copy(package.with_name(libraries), public / libraries)
        _copy(package / programs, copy)
    return copy


def _copy(source: Path, target: Path) -> None:
    """A copy that every user can read."""
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copytree(source, partial, symlinks=True)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    with suppress(OSError):  # another process made it
        partial.rename(target)
    shutil.rmtree(partial, ignore_errors=True)


def _create() -> None:
    try:
        subprocess.run(
            ["useradd", "--system", "--shell", "/bin/false", NAME], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerError(
            f"PostgreSQL does not run as root, and its user {NAME!r} could not be created ({error});"
            " create it by hand, run as another user, or set DATABASE_URL"
        ) from error


def _can_traverse(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents if parent.exists())


def _public_directory(name: str) -> Path:
    directory = PUBLIC / name
    directory.mkdir(mode=0o755, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, pwd.getpwnam(NAME).pw_uid):
        raise ServerError(f"{directory} belongs to another user; remove it, or set DATABASE_URL")
    return directory
