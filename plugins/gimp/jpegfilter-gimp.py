#!/usr/bin/env python3
"""Filters > Enhance > Remove JPEG Artifacts, for GIMP 3: hands layers to jpegfilter and takes them back restored.

GIMP's Python has neither NumPy nor anything else of jpegfilter's, and shall not: the work is done by another process,
the worker. `launcher.json` beside this file says how to start it (`jpegfilter gimp install` writes both). MIT licence.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Client
from pathlib import Path

import gi

gi.require_version("Babl", "0.1")
gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Babl, Gegl, Gimp, GimpUi, GLib, GObject  # noqa: E402

PROCEDURE = "plug-in-jpegfilter"
PROTOCOL = 1
TITLE = "Remove JPEG Artifacts"
PARASITE = "jpeg-settings"
START_UP = 60.0
"""Seconds a worker may take until it answers."""
AGAIN = "install it again with: jpegfilter gimp install"


class Refusal(Exception):  # noqa: N818  (it is what the user is told, not that something broke)
    """Why a layer is left as it is, in a sentence for the user."""


# The worker.


def launcher():
    """Return what `jpegfilter gimp install` wrote beside this file."""
    path = Path(__file__).with_name("launcher.json")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["protocol"] != PROTOCOL or not found["argv"] or not found["models"]:
            raise ValueError("written by another version")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(f"The plug-in does not know where jpegfilter is ({path}: {error}); {AGAIN}") from error
    return found


def meeting_point(found):
    """Return the address of the worker of this very program, in a folder of the user's own."""
    with contextlib.suppress(OSError):  # after an update the old worker is left alone, until it goes by itself
        found = found | {"changed": Path(found["package"]).stat().st_mtime_ns}
    name = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
    if sys.platform == "win32":
        return rf"\\.\pipe\jpegfilter-{name}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.environ.get("FLATPAK_ID"):  # what a sandbox shares with its host
        runtime = Path(runtime, "app", os.environ["FLATPAK_ID"])
    folder = Path(runtime or tempfile.gettempdir(), f"jpegfilter-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.lstat()
        if owner.st_uid != os.getuid() or owner.st_mode & 0o077:
            raise Refusal(f"{folder} is not a folder of yours alone; remove it")
    except OSError as error:
        raise Refusal(f"The folder {folder} cannot be made: {error.strerror}") from error
    return str(folder / name)


def surroundings():
    """Return the environment for the worker: without what GIMP set for its own Python and libraries."""
    strange = ("PYTHON", "GI_", "LD_LIBRARY_PATH", "DYLD_")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)}


def start(found, address):
    """Start a worker, which outlives this call."""
    argv = [*found["argv"], "gimp", "worker", "--address", address]
    if os.environ.get("FLATPAK_ID"):
        argv = ["flatpak-spawn", "--host", *argv]
    options = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {"start_new_session": True}
    try:
        log = tempfile.TemporaryFile()  # noqa: SIM115  (the worker writes into it until it ends)
        worker = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=log, stderr=log, env=surroundings(), cwd=Path.home(), **options
        )
    except OSError as error:
        raise Refusal(f"jpegfilter could not be started ({argv[0]}: {error.strerror}); {AGAIN}") from error
    with contextlib.suppress(BrokenPipeError):  # it has ended already, which `connect` finds out
        worker.stdin.write(found["key"].encode() + b"\n")
        worker.stdin.close()
    return worker, log


def connect():
    """Return a connection to a worker, a warm one if there is one."""
    found = launcher()
    address, key = meeting_point(found), found["key"].encode()
    family = "AF_PIPE" if sys.platform == "win32" else "AF_UNIX"
    with contextlib.suppress(OSError, EOFError):
        return Client(address, family, authkey=key)
    worker, log = start(found, address)
    end = time.monotonic() + START_UP
    while time.monotonic() < end:
        with contextlib.suppress(OSError, EOFError):
            return Client(address, family, authkey=key)
        if worker.poll() is not None:
            with contextlib.suppress(OSError, EOFError):  # another call's worker was quicker
                return Client(address, family, authkey=key)
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            raise Refusal(f"jpegfilter ended at once: {said[-1] if said else worker.returncode}; {AGAIN}")
        time.sleep(0.03)
    worker.kill()
    raise Refusal("jpegfilter did not answer; try again")


def asked(request, content, *, progress=None):
    """Return the worker's answer to a request about samples, and the samples restored, if it was to restore them."""
    with connect() as worker:
        try:
            worker.send_bytes(json.dumps(request | {"protocol": PROTOCOL}).encode())
            worker.send_bytes(content)
            while True:
                message = json.loads(worker.recv_bytes())
                if "progress" not in message:
                    break
                if progress:
                    progress(message["progress"])
            if "error" in message:
                raise Refusal(f"jpegfilter: {message['error']}")
            return message, worker.recv_bytes() if "bytes" in message else None
        except (OSError, EOFError) as error:
            raise Refusal("jpegfilter ended before the layer was done; the layer is as it was. Try again, or try "
                          "a restoration from a terminal to see why") from error  # fmt: skip


# GIMP.


def check(drawable):
    """Raise `Refusal` for what cannot be restored."""
    name = drawable.get_name()
    if not isinstance(drawable, Gimp.Layer):
        raise Refusal(f"“{name}” is a mask or a channel; choose a layer")
    if drawable.is_group():
        raise Refusal(f"“{name}” is a group; choose a layer in it, or merge it")
    if drawable.is_text_layer():
        raise Refusal(f"“{name}” is a text layer and has never been a JPEG")
    if getattr(drawable, "is_link_layer", lambda: False)():
        raise Refusal(f"“{name}” is linked to a file; rasterize it first (Layer > Rasterize)")
    if drawable.is_indexed():
        raise Refusal("The image is indexed; change it first with Image > Mode > RGB")
    item = drawable
    while item is not None:
        if item.get_lock_content():
            raise Refusal(f"“{item.get_name()}” is locked; unlock its pixels first")
        item = item.get_parent()


class Samples:
    """A layer's samples in its own color space: eight bits where it has them, float otherwise."""

    def __init__(self, drawable):
        own = drawable.get_format()
        name = Babl.format_get_encoding(own)
        self.kind = "u8" if name.endswith(" u8") and "'" in name else "float"
        gray, alpha = drawable.is_gray(), drawable.has_alpha()
        self.channels = (1 if gray else 3) + alpha
        encoding = ("Y'" if gray else "R'G'B'") + ("A" if alpha else "") + f" {self.kind}"
        self.format = Babl.get_name(Babl.format_with_space(encoding, own))
        self.drawable = drawable
        self.rectangle = Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())

    def read(self):
        """Return the samples as bytes, row by row."""
        return self.drawable.get_buffer().get(self.rectangle, 1.0, self.format, Gegl.AbyssPolicy.NONE)

    def write(self, content):
        """Put samples into the layer, where it is selected, as one step to undo."""
        shadow = self.drawable.get_shadow_buffer()
        shadow.set(self.rectangle, self.format, content)
        shadow.flush()
        if not self.drawable.merge_shadow(True):
            raise Refusal(f"GIMP does not let “{self.drawable.get_name()}” be changed")
        self.drawable.update(0, 0, self.rectangle.width, self.rectangle.height)


def request_for(image, drawable, samples, config):
    """Return what the worker is told of a layer."""
    file = image.get_imported_file() or image.get_file()
    path = file.get_path() if file is not None else None
    parasite = image.get_parasite(PARASITE)
    return {
        "width": drawable.get_width(),
        "height": drawable.get_height(),
        "channels": samples.channels,
        "type": samples.kind,
        "file": path,
        "jpeg_settings": [byte & 255 for byte in parasite.get_data()] if parasite is not None else None,
        "model": config.get_property("model"),
        "strength": config.get_property("strength") / 100,
        "grain": config.get_property("grain") / 100,
        "quality": config.get_property("quality"),
    }


def restored(image, drawable, config, *, share):
    """Return a layer's samples and what they become; `share` turns its progress into that of the whole call."""
    samples = Samples(drawable)
    request = request_for(image, drawable, samples, config) | {"do": "restore"}
    answer, content = asked(request, samples.read(), progress=lambda done: Gimp.progress_update(share(done)))
    if content is None:
        raise Refusal(f"“{drawable.get_name()}”: {answer['text']}")
    return samples, content


def agreed(procedure, config, image, drawable):
    """Show the dialog; return whether the user wants to go on."""
    GimpUi.init(PROCEDURE)
    Gimp.progress_init("Looking at the layer")
    samples = Samples(drawable)
    answer, _ = asked(request_for(image, drawable, samples, config) | {"do": "look"}, samples.read())
    Gimp.progress_end()
    dialog = GimpUi.ProcedureDialog.new(procedure, config, TITLE)
    basis = dialog.get_label("basis", "Restores " + answer["text"] if answer["kind"] != "nothing" else
                             answer["text"][0].upper() + answer["text"][1:], False, False)  # fmt: skip
    basis.set_property("wrap", True)
    basis.set_property("max-width-chars", 48)
    dialog.fill(["basis", "model", "strength", "grain", "quality"])
    wanted = dialog.run()
    dialog.destroy()
    return wanted


class Plugin(Gimp.PlugIn):
    """The plug-in as GIMP sees it."""

    def do_query_procedures(self):
        """Return the procedures' names."""
        return [PROCEDURE]

    def do_set_i18n(self, _name):
        """Return that nothing is translated."""
        return False

    def do_create_procedure(self, name):
        """Return the procedure, for menu and scripts alike."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, self.run, None)
        procedure.set_image_types("RGB*, GRAY*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES)
        procedure.set_menu_label("Remove _JPEG Artifacts...")
        procedure.add_menu_path("<Image>/Filters/Enhance")
        procedure.set_documentation(
            "Take the blocks, ringing and bleeding colors of a JPEG out",
            "Restores a layer by a trained network: from the coefficients of its JPEG file while it still shows that "
            "file unchanged, otherwise from its pixels and the traces of compression in them.",
            name,
        )
        procedure.set_attribution("The jpegfilter project", "MIT licence", "2026")
        choice = Gimp.Choice.new()
        try:
            models = launcher()["models"]
        except Refusal:  # said when the procedure is run
            models = [["default", ""]]
        for number, (model, summary) in enumerate(models):
            choice.add(model, number, model, summary)
        flags = GObject.ParamFlags.READWRITE
        procedure.add_choice_argument("model", "_Model", "The network that restores", choice, models[0][0], flags)
        procedure.add_double_argument(
            "strength", "_Strength (%)", "0 leaves the layer as it is, 100 restores it fully", 0, 100, 100, flags
        )
        procedure.add_double_argument(
            "grain", "Keep _grain (%)", "How much of the fine detail in the JPEG stays as it is", 0, 100, 0, flags
        )
        procedure.add_int_argument(
            "quality", "_Quality", "0 finds out by itself; 1 to 100 is what to take the JPEG for", 0, 100, 0, flags
        )
        return procedure

    def run(self, procedure, mode, image, drawables, config, _data):
        """Restore the layers chosen."""
        try:
            if not drawables:
                raise Refusal("No layer is chosen")
            for drawable in drawables:
                check(drawable)
            if mode == Gimp.RunMode.INTERACTIVE and not agreed(procedure, config, image, drawables[0]):
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
            Gimp.progress_init(TITLE)
            results = [
                restored(image, drawable, config, share=lambda done, n=number: (n + done) / len(drawables))
                for number, drawable in enumerate(drawables)
            ]
            image.undo_group_start()
            try:
                for samples, content in results:
                    samples.write(content)
            finally:
                image.undo_group_end()
            Gimp.progress_end()
            Gimp.displays_flush()
        except Refusal as refusal:
            error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), str(refusal), 0)
            return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, error)
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)


Gimp.main(Plugin.__gtype__, sys.argv)
