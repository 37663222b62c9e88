"""Scores against an own computation from Pillow's files and scikit-image's metrics."""

import math

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from jpegfilter.codec import clean
from jpegfilter.engines.network import EngineOptions
from jpegfilter.errors import BrokenImageError, NotAnImageError, UsageError
from jpegfilter.pipeline.evaluation import PLAIN, evaluate
from jpegfilter.pipeline.restoration import RestoreOptions
from jpegfilter.pipeline.restorer import Restorer


@pytest.fixture
def pictures(photo, gray_photo):
    return {"a.png": photo[:64, :72], "b.png": photo[60:131, 90:170], "c.png": np.stack((gray_photo[:60, :67],) * 3, 2)}


@pytest.fixture
def folder(tmp_path, pictures):
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "SOURCES.tsv").write_text("file\tset\n")
    (tmp_path / "d.jpg").write_bytes(clean.compress(pictures["a.png"], quality=50))
    return tmp_path


def psnr_of(pairs):
    return [peak_signal_noise_ratio(truth, picture, data_range=255) for picture, truth in pairs]


def test_figures_are_means_over_the_lossless_pictures(folder, pictures, restorer):
    scores = list(evaluate(folder, {"net": restorer}, qualities=[10, 40], subsamplings=["4:2:0", "4:4:4"]))
    names = [(s.subsampling, s.quality, s.name) for s in scores]
    assert names == [(s, q, n) for s in ("4:2:0", "4:4:4") for q in (10, 40) for n in (PLAIN, "net")]
    for score in scores:
        pairs = []
        for truth in pictures.values():
            content = clean.compress(truth, quality=score.quality, subsampling=score.subsampling)
            plain = clean.decode(content)
            pairs.append((plain if score.name == PLAIN else np.asarray(restorer.restore(content)), truth))
        assert score.figures["psnr"] == pytest.approx(np.mean(psnr_of(pairs)), abs=1e-9)
        ssim = [
            structural_similarity(
                *(p.astype(np.float64) for p in pair),
                **{"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
                **{"data_range": 255, "channel_axis": 2},
            )
            for pair in pairs
        ]
        assert score.figures["ssim"] == pytest.approx(np.mean(ssim), abs=1e-9)


def test_worst_gain_is_that_of_the_picture_that_gains_least(folder, pictures, restorer):
    plain, net = evaluate(folder, {"net": restorer}, qualities=[20], metrics=["psnr"])
    contents = [(clean.compress(truth, quality=20), truth) for truth in pictures.values()]
    before = psnr_of((clean.decode(content), truth) for content, truth in contents)
    after = psnr_of((np.asarray(restorer.restore(content)), truth) for content, truth in contents)
    assert plain.worst_gain == 0
    assert net.worst_gain == pytest.approx(min(np.subtract(after, before)), abs=1e-9)
    assert net.figures["psnr"] - plain.figures["psnr"] > net.worst_gain > 0.3


def test_every_restorer_has_a_row_of_its_own(folder, restorer):
    idle = Restorer(EngineOptions(device="cpu", threads=1), RestoreOptions(strength=0))
    scores = {s.name: s for s in evaluate(folder, {"net": restorer, "none": idle}, qualities=[10])}
    assert list(scores) == [PLAIN, "net", "none"]
    # Pillow's decode is rounded between its steps, ours is not: a few hundredths of a decibel.
    assert scores["none"].figures["psnr"] == pytest.approx(scores[PLAIN].figures["psnr"], abs=0.1)
    assert scores["net"].figures["psnr"] > scores["none"].figures["psnr"] + 0.4


def test_only_the_metrics_that_are_asked_for(folder, restorer):
    (plain,) = evaluate(folder, {}, qualities=[10], metrics=["ssim", "psnr-b"])
    assert list(plain.figures) == ["ssim", "psnr-b"]


def test_a_metric_without_a_score_for_small_pictures_has_none(folder):
    (plain,) = evaluate(folder, {}, qualities=[10], metrics=["ms-ssim"])
    assert math.isnan(plain.figures["ms-ssim"])


def test_unknown_metrics_are_refused_by_name(folder):
    with pytest.raises(UsageError, match="lpips"):
        next(evaluate(folder, {}, qualities=[10], metrics=["psnr", "lpips"]))


def test_a_folder_without_lossless_pictures_is_refused(tmp_path, photo):
    (tmp_path / "a.jpg").write_bytes(clean.compress(photo, quality=50))
    with pytest.raises(UsageError, match="lossless"):
        next(evaluate(tmp_path, {}, qualities=[10]))


def test_a_bad_picture_ends_the_evaluation_by_name(folder):
    whole = (folder / "b.png").read_bytes()
    for content, kind in ((b"some text", NotAnImageError), (whole[: len(whole) // 2], BrokenImageError)):
        (folder / "b.png").write_bytes(content)
        with pytest.raises(kind, match=r"b\.png"):
            list(evaluate(folder, {}, qualities=[10]))
