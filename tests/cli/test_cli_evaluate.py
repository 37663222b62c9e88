"""`jpegfilter evaluate`: its table, its files and its errors, against an own computation."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

import jpegfilter
from jpegfilter.codec import clean
from jpegfilter.metrics import METRICS
from jpegfilter.weights import DEFAULT

QUICK = ("-d", "cpu", "-t", "1")


@pytest.fixture
def folder(here, photo):
    Path("clean").mkdir()
    for name, pixels in (("a", photo[:48, :56]), ("b", photo[19:, 31:])):
        Image.fromarray(pixels).save(f"clean/{name}.png")
    return Path("clean")


def own(folder, quality, *, subsampling="4:2:0", restore=True, **options):
    """Return the PSNR of every picture of the folder."""
    out = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            truth = np.asarray(image)
        content = clean.compress(truth, quality=quality, subsampling=subsampling)
        picture = jpegfilter.restore(content, device="cpu", threads=1, **options) if restore else clean.decode(content)
        out.append(peak_signal_noise_ratio(truth, np.asarray(picture), data_range=255))
    return np.asarray(out)


def strict(path):
    """Return a JSON file's content; NaN and Infinity are no JSON (RFC 8259, 6)."""
    return json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_files_hold_the_figures(cli, folder):
    options = ["--qualities", "10,30", "--subsampling", "4:2:0,4:4:4", "--metrics", "psnr,ssim"]
    result = cli("evaluate", folder, *options, "--csv", "t.csv", "--json", "t.json", *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    with Path("t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = strict(Path("t.json"))
    assert list(rows[0]) == ["subsampling", "quality", "model", "psnr", "ssim", "worst gain"]
    keys = [(s, q, n) for s in ("4:2:0", "4:4:4") for q in (10, 30) for n in ("jpeg", DEFAULT)]
    assert [(r["subsampling"], int(r["quality"]), r["model"]) for r in rows] == keys
    assert [(s["subsampling"], s["quality"], s["name"]) for s in table] == keys
    for row, score in zip(rows, table, strict=True):
        sampling, quality = score["subsampling"], score["quality"]
        plain = own(folder, quality, subsampling=sampling, restore=False)
        expected = plain if score["name"] == "jpeg" else own(folder, quality, subsampling=sampling)
        assert score["figures"]["psnr"] == pytest.approx(expected.mean(), abs=1e-9)
        assert score["worst_gain"] == pytest.approx((expected - plain).min(), abs=1e-9)
        assert float(row["psnr"]) == score["figures"]["psnr"]
        assert float(row["ssim"]) == score["figures"]["ssim"]
        assert float(row["worst gain"]) == score["worst_gain"]


def test_the_table_has_a_line_for_every_score(cli, folder, lines):
    said = lines(cli("evaluate", folder, "--qualities", "10,20", "--metrics", "psnr,ssim", *QUICK).stdout)
    assert said[0].split() == ["q", "psnr", "ssim", "worst", "gain"]
    assert [line.split()[:3] for line in said[1:]] == [
        [*("4:2:0", quality, name)] for quality in ("10", "20") for name in ("jpeg", DEFAULT)
    ]
    assert float(said[2].split()[3]) == pytest.approx(own(folder, 10).mean(), abs=5e-4)
    assert len({len(line) for line in said}) == 1


def test_options_of_restoring_are_obeyed(cli, folder):
    for options, expected in ((("-s", "0.5"), {"strength": 0.5}), (("--no-project",), {"project": False})):
        arguments = ["--qualities", "15", "--metrics", "psnr", "--json", "t.json", *options, *QUICK]
        assert cli("evaluate", folder, *arguments).exit_code == 0
        assert strict(Path("t.json"))[1]["figures"]["psnr"] == pytest.approx(
            own(folder, 15, **expected).mean(), abs=1e-9
        )


def test_every_metric_is_the_default(cli, folder, lines):
    result = cli("evaluate", folder, "--qualities", "10", *QUICK)
    assert result.exit_code == 0
    assert all(name in lines(result.stdout)[0] for name in METRICS)


def test_figures_that_are_no_numbers_are_no_obstacle_to_json(cli, folder):
    # These pictures are too small for MS-SSIM.
    assert cli("evaluate", folder, "--qualities", "10", "--json", "t.json", *QUICK).exit_code == 0
    assert set(strict(Path("t.json"))[0]["figures"]) == set(METRICS)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--qualities", ""], 2),
        (["--qualities", "10,,20"], 2),
        (["--qualities", "10;20"], 2),
        (["--qualities", "0"], 2),
        (["--qualities", "101"], 2),
        (["--subsampling", "4:1:1"], 2),
        (["--subsampling", ""], 2),
        (["--metrics", "lpips"], 2),
        (["--metrics", ""], 2),
        (["-s", "2"], 2),
        (["-d", "tpu"], 2),
        (["-m", "absent"], 4),
        (["--csv", "absent/t.csv", "--qualities", "10", "--metrics", "psnr"], 3),
        (["--json", "in.jpg/t.json", "--qualities", "10", "--metrics", "psnr"], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_every_failure_is_one_line_and_its_status(arguments, status, cli, folder, lines):
    result = cli("evaluate", folder, *arguments)
    (line,) = lines(result.stderr)
    assert line.startswith("jpegfilter: wanted ")
    assert result.exit_code == status


def test_a_table_that_cannot_be_written_is_said_before_the_work(cli, folder, lines):
    result = cli("evaluate", folder, "--csv", "absent/t.csv", "--qualities", "10", "--metrics", "psnr", *QUICK)
    assert result.exit_code != 0
    assert DEFAULT not in result.stdout


def test_folders_without_use_are_refused(cli, folder, lines):
    Path("bare").mkdir()
    result = cli("evaluate", "bare")
    assert result.exit_code == 2
    assert len(lines(result.stderr)) == 1
    Path("clean/b.png").write_bytes(b"some text")
    result = cli("evaluate", folder, *QUICK)
    assert result.exit_code == 1
    assert "b.png" in result.stderr
    for name in ("absent", "in.jpg"):
        result = cli("evaluate", name)
        assert result.exit_code == 2
        assert "Error: " in result.stderr
