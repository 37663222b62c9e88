"""Installing, removing and examining the plug-in, in folders of the test's own."""

import json
import os
import stat
import subprocess
import sys

import pytest
from click.testing import CliRunner

import jpegfilter
from jpegfilter import weights
from jpegfilter.cli.main import program
from jpegfilter.errors import OutputError, UsageError
from jpegfilter.gimp import installation
from jpegfilter.gimp.places import places

posix = pytest.mark.skipif(os.name == "nt", reason="execute bits and home folders are NOT tested on Windows")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("GIMP3_DIRECTORY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    return folder


def run(*arguments):
    return CliRunner().invoke(program, ["gimp", *map(str, arguments)], prog_name="jpegfilter")


def plugin(plugins):
    return plugins / "jpegfilter-gimp" / "jpegfilter-gimp.py"


def launcher(plugins):
    return plugins / "jpegfilter-gimp" / "launcher.json"


@posix
def test_every_gimp_3_is_found_and_no_other(home):
    for name in (".config/GIMP/2.10", ".config/GIMP/3.0", ".config/GIMP/3.10", ".config/GIMP/3.2", ".config/GIMP/4.0"):
        (home / name).mkdir(parents=True)
    flatpak = home / ".var/app/org.gimp.GIMP/config/GIMP/3.0"
    flatpak.mkdir(parents=True)
    found = places()
    config = home / ".config/GIMP"
    assert [place.folder for place in found] == [config / "3.0", config / "3.2", config / "3.10", flatpak]
    assert [place.sandboxed for place in found] == [False, False, False, True]
    assert found[0].plugins == config / "3.0/plug-ins"


@posix
def test_gimps_own_variables_are_followed(home, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "config/GIMP/3.0").mkdir(parents=True)
    monkeypatch.setenv("GIMP3_DIRECTORY", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert [place.folder for place in places()] == [tmp_path / "mine", tmp_path / "config/GIMP/3.0"]


def test_the_plugin_is_installed_so_that_gimp_takes_it(tmp_path):
    path = installation.install(tmp_path / "plug-ins")
    assert path == plugin(tmp_path / "plug-ins")
    assert path.read_bytes() == installation.source().read_bytes()
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n")
    assert path.stem == path.parent.name
    assert os.access(path, os.X_OK)
    assert sorted(p.name for p in path.parent.iterdir()) == ["jpegfilter-gimp.py", "launcher.json"]


def test_the_launcher_starts_this_program_and_names_its_models(tmp_path):
    installation.install(tmp_path)
    found = json.loads(launcher(tmp_path).read_text())
    said = subprocess.run([*found["argv"], "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split()[-1] == found["version"] == jpegfilter.__version__
    assert [name for name, _ in found["models"]] == weights.names()
    if os.name != "nt":
        assert stat.S_IMODE(launcher(tmp_path).stat().st_mode) == 0o600


def test_each_installation_has_a_key_of_its_own(tmp_path):
    keys = set()
    for _ in range(2):
        installation.install(tmp_path)
        keys.add(json.loads(launcher(tmp_path).read_text())["key"])
    assert len(keys) == 2


def test_the_plugin_is_python_that_gimps_own_understands():
    """Standard library and gi alone."""
    tree = compile(installation.source().read_text(encoding="utf-8"), "plug-in", "exec", flags=0x400)
    imported = set()
    for node in tree.body:
        imported |= {alias.name.split(".")[0] for alias in getattr(node, "names", []) if hasattr(alias, "name")}
        imported |= {node.module.split(".")[0]} if getattr(node, "module", None) else set()
    assert {"json", "subprocess", "gi"} <= imported
    foreign = {name for name in imported if name not in sys.stdlib_module_names and name[0].islower()} - {"gi"}
    assert not foreign


@posix
def test_the_commands_from_installation_to_removal(home):
    config = home / ".config/GIMP/3.0"
    config.mkdir(parents=True)
    assert run("doctor").exit_code == 1
    assert "run: jpegfilter gimp install" in run("doctor").output
    done = run("install")
    assert done.exit_code == 0
    assert plugin(config / "plug-ins").is_file()
    healthy = run("doctor")
    assert (healthy.exit_code, healthy.output) == (0, f"{config / 'plug-ins'}: well\n")
    assert "removed" in run("uninstall").output
    assert not (config / "plug-ins/jpegfilter-gimp").exists()
    assert "was not there" in run("uninstall").output


@posix
def test_a_sandboxed_gimp_needs_a_permission(home):
    (home / ".var/app/org.gimp.GIMP/config/GIMP/3.0").mkdir(parents=True)
    for command in ("install", "doctor"):
        assert "flatpak override --user --talk-name=org.freedesktop.Flatpak org.gimp.GIMP" in run(command).output


@posix
def test_without_any_gimp_it_says_what_to_do(home):
    for command in ("install", "uninstall", "doctor"):
        done = run(command)
        assert done.exit_code == 2
        assert "start GIMP once" in done.stderr


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: plugin(p).unlink(), "not installed"),
        (lambda p: plugin(p).chmod(0o644), "chmod"),
        (lambda p: plugin(p).write_text("older"), "another version"),
        (lambda p: launcher(p).unlink(), "missing"),
        (lambda p: launcher(p).write_text("{"), "damaged"),
        (lambda p: changed(p, argv=["/no/such/program"]), "does not run"),
        (lambda p: changed(p, argv=[sys.executable, "-c", "raise SystemExit(1)"]), "does not run"),
        (lambda p: changed(p, argv=[sys.executable, "-c", "print('jpegfilter 0.0.1')"]), "version 0.0.1"),
        (lambda p: changed(p, protocol=0), "another version"),
    ],
)
def test_the_doctor_names_what_is_wrong_and_a_new_installation_heals_it(damage, said, tmp_path):
    installation.install(tmp_path)
    assert installation.complaints(tmp_path) == []
    damage(tmp_path)
    if said == "chmod" and os.name == "nt":
        pytest.skip("execute bits are NOT tested on Windows")
    found = installation.complaints(tmp_path)
    assert len(found) == 1
    assert said in found[0]
    installation.install(tmp_path)
    assert installation.complaints(tmp_path) == []


def changed(plugins, **entries):
    values = json.loads(launcher(plugins).read_text())
    launcher(plugins).write_text(json.dumps(values | entries))


def test_files_that_are_not_ours_stay(tmp_path):
    installation.install(tmp_path)
    (tmp_path / "jpegfilter-gimp/notes.txt").write_text("mine")
    assert installation.uninstall(tmp_path)
    assert [path.name for path in (tmp_path / "jpegfilter-gimp").iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        installation.install(tmp_path / "file" / "plug-ins")


def test_no_folder_is_a_usage_error():
    with pytest.raises(UsageError):
        installation.folders(None, [])
