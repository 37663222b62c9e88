"""A network that knows one picture: all losses, intervals, rules to stop by, and the engine's contract."""

import dataclasses
import time

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch")

from jpegfilter.compression.libjpeg import Step  # noqa: E402
from jpegfilter.engines import untrained  # noqa: E402
from jpegfilter.engines.effort import LOSSES, TEN_LOSSES, Effort, Untrained  # noqa: E402
from jpegfilter.engines.untrained import Judge, UntrainedNetwork  # noqa: E402
from jpegfilter.errors import UsageError  # noqa: E402
from jpegfilter.jpeg import tables  # noqa: E402

TOLD = tuple(tables.ijg_table(base, 10) for base in (tables.LUMA, tables.CHROMA))
STEPS = [torch.from_numpy(table.astype(np.int64).reshape(1, 64)) for table in TOLD]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def clean():
    return np.ascontiguousarray(data.coffee()[60:124, 200:296])


@pytest.fixture(scope="module")
def planes(clean):
    """What a decoder makes of the photo at quality 10, `(1, 3, 64, 96)`."""
    return Step(*STEPS, "4:2:0")(torch.from_numpy(clean).permute(2, 0, 1)[None])


def problem(planes, **choice):
    told = torch.from_numpy(np.stack(TOLD).astype(np.float32))
    return untrained.problem(planes, told, sampling="4:2:0", choice=Untrained("low", **choice), seed=0)


def engine(seed=0, steps=3, note=None, tiles=1, model=None, **choice):
    effort = Effort(steps, seed=seed, untrained=Untrained("low", **choice))
    return UntrainedNetwork(effort, CPU, sampling="4:2:0", note=note, tiles=tiles, model=model)


def restore(made, planes):
    return made.restore(planes[0].numpy(), TOLD)


def test_ten_losses_are_the_reports():
    assert len(set(TEN_LOSSES)) == 10
    assert {Untrained(loss=loss).fit for loss in TEN_LOSSES} == {"mse", "sure"}
    assert {Untrained(loss=loss).divergence for loss in TEN_LOSSES} == {
        None, ("p", 10.0), ("p", 100.0), ("q", 10.0), ("q", 100.0)
    }  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_descended(planes, loss):
    told = problem(planes, loss=loss)
    chance = torch.Generator().manual_seed(0)

    def losses(result):
        return told.loss(lambda given: result + 0 * given, told.shown, result, chance).item()

    results = list(untrained.descend(told, steps=40, seed=0))
    assert losses(results[-1]) < losses(results[0])
    assert all(torch.isfinite(result).all() for result in results)


def test_sure_tells_the_error_of_a_smoother_without_the_clean_picture():
    """Stein: on average over the noise, what SURE says of a function is its true error."""
    chance = torch.Generator().manual_seed(7)
    clean = torch.rand(1, 3, 64, 64, generator=chance).round() * 0.2 + 0.4
    told = problem(torch.zeros(1, 3, 64, 64), loss="sure")
    said, true = [], []
    for _ in range(30):
        shown = clean + 0.05 * torch.randn(clean.shape, generator=chance)
        told = dataclasses.replace(told, shown=shown, variance=0.05**2)
        smoother = torch.nn.AvgPool2d(3, 1, 1)
        said.append(told.loss(smoother, shown, smoother(shown), chance).item())
        true.append((smoother(shown) - clean).square().mean().item())
    assert np.mean(said) == pytest.approx(np.mean(true), rel=0.03)


def test_divergence_pulls_the_colors_toward_what_is_expected(planes):
    plain, pulled = (
        list(untrained.descend(problem(planes, loss=loss), steps=60, seed=0))[-1] for loss in ("mse", "kl-p-mse-10")
    )
    told = problem(planes, loss="kl-p-mse-10")
    assert told._divergence(pulled, "p") < 0.9 * told._divergence(plain, "p")


def test_regions_and_channels_have_weights_of_their_own(planes):
    whole, parts = (problem(planes, loss="kl-p-mse-10", regions=side) for side in (1, 2))
    assert whole.expected.shape == (3, 256)
    assert parts.expected.shape == (12, 256)
    red = problem(planes, loss="kl-p-mse-10", channels=(1.0, 0.0, 0.0))
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    other = picture.clone()
    other[:, 1:] = 0.5
    assert red._divergence(picture, "p") == red._divergence(other, "p")
    assert whole._divergence(picture, "p") != whole._divergence(other, "p")


def test_a_models_colors_may_be_expected(planes):
    class Model:
        halo, multiple, description, doubt = 0, 8, "", None

        def restore(self, planes, tables):
            return np.zeros_like(planes)  # mid-gray

    seen = []
    made = engine(loss="kl-p-mse-10", colors="model", model=Model(), note=lambda share, _: seen.append(share) or True)
    restore(made, planes)
    told = untrained.problem(
        planes, torch.from_numpy(np.stack(TOLD).astype(np.float32)), sampling="4:2:0",
        choice=Untrained("low", "kl-p-mse-10", colors="model"), seed=0, model=torch.zeros(1, 3, 64, 96),
    )  # fmt: skip
    assert told.expected[:, 128].min() == pytest.approx(1, abs=1e-6)
    assert seen


def test_a_result_is_doubted_as_the_tables_have_it(planes):
    made = engine()
    assert made.doubt is None
    restore(made, planes)
    luma, chroma = made.doubt.deviation
    assert luma.shape == chroma.shape == (8, 8)
    assert np.ptp(luma) == np.ptp(chroma) == 0
    tables = np.full((8, 8), 4), np.full((8, 8), 36)
    fine, coarse = (untrained.doubt([table, table]).deviation[0, 0, 0] for table in tables)
    assert coarse == pytest.approx(3 * fine)


def test_same_seed_same_picture(planes):
    first, again, other = (restore(engine(seed), planes) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_gray_picture_stays_gray(planes):
    effort = Effort(3, untrained=Untrained("low"))
    made = UntrainedNetwork(effort, CPU, sampling="gray")
    assert made.restore(planes[0, :1].numpy(), TOLD).shape == (1, 64, 96)


@pytest.mark.parametrize(("loss", "rule"), [("interval", "held-out"), ("mse", "variance"), ("sure", "variance")])
def test_each_loss_has_its_usual_rule(loss, rule):
    assert Untrained(loss=loss).rule == rule


@pytest.mark.parametrize("rule", ["held-out", "variance", "none"])
def test_what_is_returned_is_what_the_rule_chose(planes, rule):
    told = problem(planes, loss="mse", stop=rule)
    judge = Judge(told, steps=150)
    windows = {}
    for result in untrained.descend(told, steps=150, seed=0):
        over = judge.add(result)
        windows[judge.step] = judge.window.clone()
        if over:
            break
    assert torch.equal(judge.picture, windows[judge.chosen])
    assert judge.chosen == 150 or rule != "none"


def test_hidden_coefficients_judge_a_picture(planes, clean):
    """The clean picture misses them by less than a smooth one does."""
    told = problem(planes)
    whole = torch.from_numpy(clean).permute(2, 0, 1)[None] / 255
    flat = whole.mean((2, 3), keepdim=True).expand_as(whole)
    assert told.judged(whole) < 0.2 < told.judged(flat)


def test_a_picture_without_detail_is_judged_by_the_variance():
    told = problem(torch.zeros(1, 3, 64, 96))
    judge = Judge(told, steps=70)
    assert judge.rule == "variance"
    for result in untrained.descend(told, steps=70, seed=0):
        judge.add(result)
    assert judge.chosen > 60


def test_progress_counts_tiles_and_false_ends(planes):
    seen = []
    made = engine(steps=4, tiles=2, note=lambda share, _: seen.append(share) or True, stop="none")
    restore(made, planes)
    restore(made, planes)
    assert seen == pytest.approx([0.125, 0.25, 0.375, 0.625, 0.75, 0.875])
    count = []
    restore(engine(steps=50, note=lambda share, _: count.append(share) or len(count) < 3), planes)
    assert len(count) == 3


def test_time_ends_a_fit_with_what_there_is(planes):
    effort = Effort(10**6, seconds=0.3, untrained=Untrained("low"))
    result = UntrainedNetwork(effort, CPU, sampling="4:2:0").restore(planes[0].numpy(), TOLD)
    assert np.isfinite(result).all()


def test_time_is_the_whole_pictures_and_not_each_tiles(planes):
    made = UntrainedNetwork(Effort(10**6, seconds=2, untrained=Untrained("low")), CPU, sampling="4:2:0", tiles=4)
    start = time.monotonic()
    spent = []
    for _ in range(4):
        restore(made, planes)
        spent.append(time.monotonic() - start)
    assert spent[0] < 1.5  # not all of it
    assert spent[-1] < 5


@pytest.mark.parametrize(
    "wrong",
    [{"network": "huge"}, {"loss": "l2"}, {"stop": "never"}, {"input": "clean"}, {"colors": "red"}, {"regions": 0},
     {"channels": (0.0, 0.0, 0.0)}, {"loss": "sure", "input": "noise"}],
    ids=str,
)  # fmt: skip
def test_what_is_of_no_use_is_refused(wrong):
    with pytest.raises(UsageError):
        Untrained(**wrong)


def test_a_layout_without_known_intervals_is_refused():
    effort = Effort(1, untrained=Untrained("low"))
    with pytest.raises(UsageError, match="another loss"):
        UntrainedNetwork(effort, CPU, sampling="1x3")
    pixels = Effort(1, untrained=Untrained("low", "mse"))
    assert UntrainedNetwork(pixels, CPU, sampling="1x3").multiple == 32
