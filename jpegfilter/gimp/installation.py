"""Putting the plug-in where GIMP finds it, taking it away again, and seeing whether it would work."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jpegfilter
from jpegfilter import weights
from jpegfilter.errors import OutputError, UsageError
from jpegfilter.gimp.places import FLATPAK, Place
from jpegfilter.gimp.worker import PROTOCOL

NAME = "jpegfilter-gimp"
"""The plug-in's folder, and its file without the ending: GIMP wants both alike."""
LAUNCHER = "launcher.json"
_PERMIT = f"flatpak override --user --talk-name=org.freedesktop.Flatpak {FLATPAK}"
_AGAIN = "run: jpegfilter gimp install"
_PATIENCE = 60.0
"""Seconds that the program may take to tell its version."""


def source() -> Path:
    """Return the plug-in's file: inside the package as installed, beside it in a checkout."""
    packaged = Path(__file__).parent / "plugin"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "plugins" / "gimp"
    return folder / f"{NAME}.py"


def _launcher() -> dict[str, Any]:
    """Return what the plug-in must know: how this program is started, and what it offers."""
    return {
        "protocol": PROTOCOL,
        "version": jpegfilter.__version__,
        "argv": [sys.executable, "-m", "jpegfilter"],
        "package": str(Path(jpegfilter.__file__)),
        "models": [[name, weights.find(name).summary] for name in weights.names()],
        "key": secrets.token_hex(16),
    }


def install(plugins: Path) -> Path:
    """Write the plug-in and its launcher into a folder of plug-ins and return the plug-in's file.

    Raises:
        OutputError: the folder cannot be written.
    """
    folder = plugins / NAME
    path = folder / f"{NAME}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        launcher = folder / LAUNCHER
        partial = folder / f"{LAUNCHER}.partial"
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(_launcher(), indent=2) + "\n", encoding="utf-8")
        partial.replace(launcher)
        shutil.copyfile(source(), path)
        path.chmod(0o755)
    except OSError as error:
        raise OutputError(
            f"to write the plug-in into {folder}", error.strerror or str(error), "name another"
        ) from error
    return path


def uninstall(plugins: Path) -> bool:
    """Remove the plug-in from a folder of plug-ins; return whether it was there.

    Raises:
        OutputError: it cannot be removed.
    """
    folder = plugins / NAME
    ours = [folder / f"{NAME}.py", folder / LAUNCHER]
    there = any(path.exists() for path in ours)
    try:
        for path in ours:
            path.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise OutputError(f"to remove {folder}", error.strerror or str(error), "remove it by hand") from error
    return there


def folders(chosen: Path | None, found: list[Place]) -> list[Path]:
    """Return the folders of plug-ins to work on: the one chosen, or those of every GIMP found.

    Raises:
        UsageError: there is none.
    """
    if chosen is not None:
        return [chosen]
    if not found:
        raise UsageError(
            "a configuration folder of GIMP 3", "none", "start GIMP once, or name its plug-ins folder with --dir"
        )
    return [place.plugins for place in found]


def _version(argv: list[str]) -> str:
    """Return what a program says of its version; raises `OSError` or `subprocess.SubprocessError`."""
    done = subprocess.run([*argv, "--version"], capture_output=True, text=True, timeout=_PATIENCE, check=True)
    return done.stdout.strip().rpartition(" ")[2]


def complaints(plugins: Path) -> list[str]:
    """Return what keeps the plug-in in a folder of plug-ins from working, each with its remedy."""
    path, launcher = plugins / NAME / f"{NAME}.py", plugins / NAME / LAUNCHER
    if not path.is_file():
        return [f"not installed; {_AGAIN}"]
    wrong = []
    if os.name != "nt" and not os.access(path, os.X_OK):
        wrong.append(f"the file is not executable, so GIMP passes it over; run: chmod +x {path}")
    if path.read_bytes() != source().read_bytes():
        wrong.append(f"the plug-in is another version's; {_AGAIN}")
    try:
        found = json.loads(launcher.read_text(encoding="utf-8"))
        argv, protocol = [str(word) for word in found["argv"]], found["protocol"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [*wrong, f"{LAUNCHER} is missing or damaged ({error}); {_AGAIN}"]
    if protocol != PROTOCOL:
        wrong.append(f"{LAUNCHER} is another version's; {_AGAIN}")
    try:
        version = _version(argv)
    except (OSError, subprocess.SubprocessError) as error:
        return [*wrong, f"the program {argv[0]} does not run ({error}); {_AGAIN}"]
    if version != jpegfilter.__version__:
        wrong.append(f"the program is version {version}, this is {jpegfilter.__version__}; {_AGAIN}")
    return wrong


def permission(place: Place) -> str | None:
    """Return what a user of a sandboxed GIMP must allow once, or None."""
    return f"a Flatpak may not start programs until you allow it; run: {_PERMIT}" if place.sandboxed else None
