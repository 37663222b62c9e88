"""Where GIMP 3 keeps a user's plug-ins on this system."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

_VERSION = re.compile(r"3\.\d+")
FLATPAK = "org.gimp.GIMP"


@dataclass(frozen=True, slots=True)
class Place:
    """One GIMP's configuration folder.

    Attributes:
        folder: the folder, named as the version.
        sandboxed: a Flatpak's, which may start programs outside only if it is allowed to.
    """

    folder: Path
    sandboxed: bool = False

    @property
    def plugins(self) -> Path:
        """The folder in which GIMP looks for plug-ins."""
        return self.folder / "plug-ins"


def _parents() -> list[tuple[Path, bool]]:
    """Return the folders that hold one folder for each version."""
    home = Path.home()
    if sys.platform == "win32":
        return [(Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming") / "GIMP", False)]
    if sys.platform == "darwin":
        return [(home / "Library" / "Application Support" / "GIMP", False)]
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return [(config / "GIMP", False), (home / ".var" / "app" / FLATPAK / "config" / "GIMP", True)]


def places() -> list[Place]:
    """Return the configuration folders of every GIMP 3 that this user has started."""
    chosen = os.environ.get("GIMP3_DIRECTORY")
    found = [Place(Path(chosen))] if chosen and Path(chosen).is_dir() else []
    for parent, sandboxed in _parents():
        if parent.is_dir():
            versions = [path for path in parent.iterdir() if path.is_dir() and _VERSION.fullmatch(path.name)]
            found += [Place(path, sandboxed) for path in sorted(versions, key=lambda path: int(path.name[2:]))]
    return found
