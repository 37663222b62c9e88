"""`jpegfilter train`: make weights from a recipe and a folder of clean images."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from jpegfilter.errors import DeviceError, OutputError, UsageError

RECIPES = Path(__file__).parent.parent / "training" / "recipes"


def _recipe_path(name: str) -> Path:
    """Return the file of a recipe given as a path or as the name of one that ships."""
    shipped = RECIPES / f"{name}.toml"
    if shipped.is_file():
        return shipped
    path = Path(name)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise UsageError("a recipe", repr(name), f"name a TOML file or one that ships: {known}")
    return path


def _check_device(name: str) -> None:
    """Raise `DeviceError` where torch cannot compute on a device."""
    import torch

    try:
        torch.zeros(1, device=name).add_(1)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(f"a torch device that works, not {name}", str(error).splitlines()[0], "cpu does") from error


@click.command("train")
@click.argument("recipe")
@click.option(
    "--data",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of clean, lossless images; SOURCES.tsv there names their sets.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Checkpoint; where it exists, the run goes on from it.",
)
@click.option("--device", default="cpu", show_default=True, help="Torch device: cpu, cuda, ...")
@click.option("--threads", type=click.IntRange(1), help="Torch's threads on the CPU.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop cleanly after so long.")
@click.option(
    "--compile/--no-compile", "compiled", default=True, show_default=True, help="Let torch compile the network."
)
@click.option("--from", "shipped", metavar="MODEL", help="Begin with the weights of a model that ships.")
@click.option("--patches", type=click.IntRange(1), help="Scale the recipe's phases to so many patches in all.")
def train(
    recipe: str,
    folder: Path,
    out: Path,
    device: str,
    threads: int | None,
    minutes: float | None,
    compiled: bool,
    shipped: str | None,
    patches: int | None,
) -> None:
    """Train the network of RECIPE, a TOML file or the name of one that ships."""
    try:
        import torch

        from jpegfilter.training import checkpoint, data, loop, origin
        from jpegfilter.training import recipe as recipes
    except ImportError as error:
        raise UsageError(
            "torch, safetensors and onnx", f"no {error.name}", "install the extra: pip install 'jpegfilter[train]'"
        ) from error
    from jpegfilter.weights import find

    _check_device(device)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {out.parent}", error.strerror or str(error), "choose another place") from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if threads:
        torch.set_num_threads(threads)
    state = checkpoint.load(out) if out.exists() else None
    chosen = state.recipe if state else recipes.load(_recipe_path(recipe))
    if patches and not state:
        chosen = recipes.scaled(chosen, patches=patches)
    options = loop.RunOptions(out, device=device, seconds=minutes * 60 if minutes else None, compiled=compiled)
    photos = data.load(folder, chosen, held_out=False)
    held_out = data.load(folder, chosen, held_out=True)
    made_by = origin.describe(photos.manifest)
    if shipped and not state:
        state = checkpoint.beginning(find(shipped), chosen)
    if state and checkpoint.BEGAN in state.origin:
        made_by[checkpoint.BEGAN] = state.origin[checkpoint.BEGAN]
    run = loop.Run(chosen, options=options, origin=made_by, state=state)
    loop.train(photos, held_out, run)
