"""Runs inside GIMP: the plug-in over every kind of layer. Dumps samples before and after for `verify.py` to judge.

Called by `run`, with the folder of the pictures and results as GIMP_MATRIX.
"""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

from gi.repository import Babl, Gegl, Gimp, Gio

FOLDER = Path(os.environ["GIMP_MATRIX"])
RUNTIME = Path(os.environ["XDG_RUNTIME_DIR"])
CASES = {}
P = Gimp.Precision
PRECISIONS = {
    "u8-linear": P.U8_LINEAR, "u16": P.U16_NON_LINEAR, "u16-linear": P.U16_LINEAR, "u32": P.U32_NON_LINEAR,
    "u32-linear": P.U32_LINEAR, "half": P.HALF_NON_LINEAR, "half-linear": P.HALF_LINEAR, "float": P.FLOAT_NON_LINEAR,
    "float-linear": P.FLOAT_LINEAR, "double": P.DOUBLE_NON_LINEAR, "double-linear": P.DOUBLE_LINEAR,
}  # fmt: skip


def case(function):
    """Register a case, which returns the image and the drawable, and may say more as a dict."""
    CASES[function.__name__.replace("_", "-")] = function
    return function


OPENED = {}


def opened(name):
    """Return an image as a user opens it, and its layer. GIMP was started with copies: `rgb-01.jpg`...

    GIMP 3.0 remembers the file of an image from the menu or the command line, not of one that a script loads.
    """
    stem, _, ending = name.partition(".")
    copies = OPENED.setdefault(stem, sorted(FOLDER.glob(f"{stem}-[0-9]*.{ending}")))
    path = copies.pop(0)
    for image in Gimp.get_images():
        file = image.get_imported_file()
        if file is not None and file.get_path() == str(path):
            return image, image.get_layers()[0]
    raise LookupError(f"GIMP did not open {path}")


def dump(drawable, path):
    """Write a drawable's samples as float in its own space, perceptual, with opacity."""
    encoding = "Y'A float" if drawable.is_gray() else "R'G'B'A float"
    name = Babl.get_name(Babl.format_with_space(encoding, drawable.get_format()))
    rectangle = Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())
    path.write_bytes(drawable.get_buffer().get(rectangle, 1.0, name, Gegl.AbyssPolicy.NONE))


def restore(image, drawables, **settings):
    """Call the plug-in's procedure as scripts do; return whether it succeeded and what it said."""
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-jpegfilter")
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", drawables)
    for name, value in settings.items():
        config.set_property(name, value)
    result = procedure.run(config)
    done = result.index(0) == Gimp.PDBStatusType.SUCCESS
    return done, "" if done else str(Gimp.get_pdb().get_last_error())


@case
def rgb():
    return *opened("rgb.jpg"), {}


@case
def gray():
    return *opened("gray.jpg"), {}


@case
def again():
    """A second call, which finds the worker warm."""
    return *opened("rgb.jpg"), {}


@case
def alpha():
    image, layer = opened("rgb.jpg")
    layer.add_alpha()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 10, 60, 50)
    layer.edit_clear()
    Gimp.Selection.none(image)
    return image, layer, {}


@case
def gray_alpha():
    image, layer = opened("gray.jpg")
    layer.add_alpha()
    return image, layer, {}


for _label, _precision in PRECISIONS.items():
    for _name in ("rgb", "gray"):

        def _precise(name=_name, precision=_precision):
            image, layer = opened(f"{name}.jpg")
            image.convert_precision(precision)
            return image, layer, {}

        CASES[f"{_name}-{_label}"] = _precise


@case
def profile():
    """Another color space: values are its own."""
    image, layer = opened("rgb.jpg")
    image.set_color_profile(Gimp.ColorProfile.new_rgb_adobe())
    return image, layer, {}


@case
def profile_float():
    image, layer = opened("rgb.jpg")
    image.set_color_profile(Gimp.ColorProfile.new_rgb_adobe())
    image.convert_precision(P.FLOAT_LINEAR)
    return image, layer, {}


@case
def offset():
    image, layer = opened("rgb.jpg")
    image.resize(300, 260, 13, 21)
    return image, layer, {}


@case
def selected():
    image, layer = opened("rgb.jpg")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 32, 100, 90)
    return image, layer, {}


@case
def feathered():
    image, layer = opened("rgb.jpg")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 60, 60, 100, 80)
    Gimp.Selection.feather(image, 30)
    return image, layer, {}


@case
def masked():
    image, layer = opened("rgb.jpg")
    mask = layer.create_mask(Gimp.AddMaskType.BLACK)
    layer.add_mask(mask)
    layer.set_edit_mask(False)
    return image, layer, {"mask": True}


@case
def cropped():
    image, layer = opened("rgb.jpg")
    image.crop(image.get_width() - 16, image.get_height() - 16, 3, 5)
    return image, layer, {}


@case
def painted():
    """What was painted stays, though the file knows nothing of it."""
    image, layer = opened("rgb.jpg")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 40, 64, 64)
    Gimp.context_set_foreground(Gegl.Color.new("blue"))
    layer.edit_fill(Gimp.FillType.FOREGROUND)
    Gimp.Selection.none(image)
    return image, layer, {}


@case
def brightened():
    """An edit of two levels is one."""
    image, layer = opened("rgb.jpg")
    layer.brightness_contrast(0.012, 0)
    return image, layer, {}


@case
def file_gone():
    image, layer = opened("rgb.jpg")
    Path(image.get_imported_file().get_path()).unlink()
    return image, layer, {}


@case
def file_damaged():
    image, layer = opened("rgb.jpg")
    Path(image.get_imported_file().get_path()).write_bytes(b"\xff\xd8\xff no JPEG any more")
    return image, layer, {}


@case
def from_xcf():
    """Saved and opened again: GIMP still remembers the tables."""
    image, _ = opened("rgb.jpg")
    file = Gio.File.new_for_path(str(FOLDER / "saved.xcf"))
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    return image, image.get_layers()[0], {}


@case
def half_strength():
    return *opened("rgb.jpg"), {"settings": {"strength": 50.0}}


@case
def grain():
    return *opened("rgb.jpg"), {"settings": {"grain": 100.0}}


@case
def other_model():
    return *opened("rgb.jpg"), {"settings": {"model": "fast-arcnn"}}


@case
def clean():
    """A picture that never was a JPEG."""
    return *opened("clean.png"), {}


@case
def clean_forced():
    return *opened("clean.png"), {"settings": {"quality": 20}}


@case
def indexed():
    image, layer = opened("rgb.jpg")
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")
    return image, layer, {}


@case
def locked():
    image, layer = opened("rgb.jpg")
    layer.set_lock_content(True)
    return image, layer, {}


@case
def group():
    image, layer = opened("rgb.jpg")
    made = Gimp.GroupLayer.new(image, "a group")
    image.insert_layer(made, None, 0)
    image.reorder_item(layer, made, 0)
    return image, made, {}


@case
def in_locked_group():
    image, layer = opened("rgb.jpg")
    made = Gimp.GroupLayer.new(image, "a group")
    image.insert_layer(made, None, 0)
    image.reorder_item(layer, made, 0)
    made.set_lock_content(True)
    return image, layer, {}


@case
def text():
    image, _ = opened("rgb.jpg")
    made = Gimp.TextLayer.new(image, "text", Gimp.fonts_get_list("")[0], 20, Gimp.Unit.pixel())
    image.insert_layer(made, None, 0)
    return image, made, {}


@case
def mask_itself():
    image, layer = opened("rgb.jpg")
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    return image, mask, {}


if hasattr(Gimp, "LinkLayer"):

    @case
    def link():
        image, _ = opened("rgb.jpg")
        made = Gimp.LinkLayer.new(image, Gio.File.new_for_path(str(FOLDER / "rgb.jpg")))
        image.insert_layer(made, None, 0)
        return image, made, {}


@case
def two_layers_one_locked():
    """Neither is changed."""
    image, layer = opened("rgb.jpg")
    other = layer.copy()
    image.insert_layer(other, None, 0)
    other.set_lock_content(True)
    return image, layer, {"drawables": [layer, other]}


@case
def killed():
    """The worker dies in the middle of a large picture."""
    image, layer = opened("large.jpg")

    def busy():
        """Seconds of processor time that the worker has used."""
        found = subprocess.run(["pgrep", "-f", "gimp worker"], capture_output=True, text=True, check=False).stdout
        used = [Path("/proc", number, "stat").read_text().rpartition(")")[2].split()[11] for number in found.split()]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")

    def kill():
        before = busy()
        while busy() < before + 1:
            time.sleep(0.1)
        subprocess.run(["pkill", "-KILL", "-f", "gimp worker"], check=False)

    threading.Thread(target=kill, daemon=True).start()
    return image, layer, {}


@case
def after_killed():
    return *opened("rgb.jpg"), {}


@case
def no_room():
    """No worker runs, and the disk on which it would meet the plug-in is full."""
    while subprocess.run(["pkill", "-KILL", "-f", "gimp worker"], check=False).returncode == 0:
        time.sleep(0.2)  # what it holds is only free when it is gone
    for folder in RUNTIME.glob("jpegfilter-*"):
        shutil.rmtree(folder)
    full = []
    with contextlib.suppress(OSError):
        while True:
            (RUNTIME / f"full-{len(full)}").mkdir()
            full.append(RUNTIME / f"full-{len(full)}")
    return *opened("rgb.jpg"), {"after": lambda: [folder.rmdir() for folder in full]}


@case
def after_no_room():
    return *opened("rgb.jpg"), {}


@case
def no_program():
    changed(argv=["/no/such/program"])
    return *opened("rgb.jpg"), {"after": lambda: changed(**LAUNCHED)}


@case
def broken_program():
    changed(argv=["/bin/false"])
    return *opened("rgb.jpg"), {"after": lambda: changed(**LAUNCHED)}


@case
def no_launcher():
    LAUNCHER.rename(LAUNCHER.with_suffix(".away"))
    return *opened("rgb.jpg"), {"after": lambda: LAUNCHER.with_suffix(".away").rename(LAUNCHER)}


@case
def other_version():
    changed(protocol=0)
    return *opened("rgb.jpg"), {"after": lambda: changed(**LAUNCHED)}


LAUNCHER = Path(os.environ["GIMP3_DIRECTORY"], "plug-ins", "jpegfilter-gimp", "launcher.json")
LAUNCHED = json.loads(LAUNCHER.read_text())


def changed(**entries):
    """Write the launcher with other entries."""
    LAUNCHER.write_text(json.dumps(LAUNCHED | entries))


def main():
    """Run the cases and write what came of them."""
    results = {}
    for name, function in CASES.items():
        image, drawable, more = function()
        dump(drawable, FOLDER / f"{name}.before")
        start = time.monotonic()
        done, said = restore(image, more.get("drawables", [drawable]), **more.get("settings", {}))
        results[name] = {
            "done": done, "said": said, "seconds": time.monotonic() - start, "width": drawable.get_width(),
            "height": drawable.get_height(), "precision": image.get_precision().value_nick,
            "encoding": Babl.format_get_encoding(drawable.get_format()),
        }  # fmt: skip
        dump(drawable, FOLDER / f"{name}.after")
        if more.get("mask"):
            dump(drawable.get_mask(), FOLDER / f"{name}-mask.after")
        with contextlib.suppress(KeyError):
            more["after"]()
        image.delete()
    results["version"] = Gimp.version()
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1))


main()
