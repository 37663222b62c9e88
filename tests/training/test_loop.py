"""The training loop: stopped and resumed it ends as if never stopped, and what it learns lowers the error."""

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
from skimage import data as pictures

torch = pytest.importorskip("torch")

from jpegfilter.compression.planes import clean_planes  # noqa: E402
from jpegfilter.engines.precision import autocast  # noqa: E402
from jpegfilter.errors import UsageError  # noqa: E402
from jpegfilter.jpeg import tables  # noqa: E402
from jpegfilter.training import checkpoint, data, degradation, loop, losses, statistics, validation  # noqa: E402
from jpegfilter.training import recipe as recipes  # noqa: E402
from jpegfilter.training.data import Photos  # noqa: E402
from jpegfilter.training.loop import Run, RunOptions  # noqa: E402

SHIPPED = sorted((Path(recipes.__file__).parent / "recipes").glob("*.toml"))


@pytest.fixture(autouse=True)
def one_thread():
    """More threads than the few cores of a busy machine make so small a network slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def photos():
    whole = pictures.coffee()
    crops = [whole[100:148, 180:240], whole[200:240, 300:340], whole[60:100, 400:464]]
    images = tuple(torch.from_numpy(np.ascontiguousarray(crop)) for crop in crops)
    return Photos(images, np.array([0.5, 0.25, 0.25]), "")


@pytest.fixture
def start(recipe, tmp_path):
    """Return a maker of runs, from the beginning or from the named checkpoint."""

    def make(name="run", *, resumed=False, made=None, **options):
        path = tmp_path / f"{name}.safetensors"
        state = checkpoint.load(path) if resumed else None
        made = made or (state.recipe if state else recipe())
        return Run(made, options=RunOptions(path, **options), origin={"commit": "abc"}, state=state)

    return make


def assert_equal(one, other):
    assert one.step == other.step
    for group in ("weights", "average", "moments"):
        tensors, others = getattr(one, group), getattr(other, group)
        assert tensors.keys() == others.keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, others[name]), (group, name)


def test_stopped_and_resumed_equals_uninterrupted(photos, start):
    whole = start("whole")
    loop.train(photos, photos, whole)
    halted = start("halves")
    for step in range(3):
        halted.advance(data.draw(photos, halted.recipe, step=step))
    halted.save()
    rest = start("halves", resumed=True)
    assert rest.step == 3
    loop.train(photos, photos, rest)
    assert_equal(checkpoint.load(rest.options.out), checkpoint.load(whole.options.out))


def test_larger_patches_may_follow_smaller_ones(photos, recipe, start):
    """Resumed within or before a phase of other patches a run ends as if never stopped."""
    changes = {"patch": 64, "batch": 1, "loss": "l1"}
    phases = [{"rate": 1e-3, "patches": 4}, {"rate": 1e-4, "patches": 3, "changes": changes}]
    whole = start("whole", made=recipe(phases=phases))
    loop.train(photos, photos, whole)
    assert whole.step == 5
    for stops in ((1, 5), (3, 5)):
        for part, last in enumerate(stops):
            run = start("parts", resumed=part > 0, made=None if part else recipe(phases=phases))
            for step in range(run.step, last):
                run.advance(data.draw(photos, run.recipe.at(step)[0], step=step))
            run.save()
        assert_equal(checkpoint.load(run.options.out), checkpoint.load(whole.options.out))


def test_time_is_up_after_a_whole_step_and_nothing_is_lost(photos, start):
    whole = start("whole")
    loop.train(photos, photos, whole)
    for step in range(6):
        run = start("pieces", resumed=step > 0, seconds=-1.0)
        assert run.step == step
        loop.train(photos, photos, run)
        assert checkpoint.load(run.options.out).step == step + 1
    assert_equal(checkpoint.load(run.options.out), checkpoint.load(whole.options.out))


def test_saving_and_loading_changes_no_state(photos, start):
    run = start()
    for step in range(2):
        run.advance(data.draw(photos, run.recipe, step=step))
    run.save()
    resumed = start(resumed=True)
    resumed.save()
    assert_equal(checkpoint.load(run.options.out), checkpoint.load(resumed.options.out))
    for name, parameter in run.names.items():
        other = resumed.names[name]
        assert torch.equal(parameter, other)
        for entry in ("exp_avg", "exp_avg_sq"):
            mine, theirs = (r.optimizers[0].state[p][entry] for r, p in ((run, parameter), (resumed, other)))
            assert torch.equal(mine, theirs)
            # The fused optimizer walks through memory as it lies, whatever the strides say.
            assert mine.stride() == theirs.stride()


def test_same_recipe_makes_the_same_weights(photos, start):
    runs = [start(name) for name in ("one", "other")]
    for run in runs:
        loop.train(photos, photos, run)
    assert_equal(*(checkpoint.load(run.options.out) for run in runs))


def test_run_ends_with_its_recipe(photos, start, caplog):
    caplog.set_level("INFO")
    run = start(log_every=2)
    loop.train(photos, photos, run)
    state = checkpoint.load(run.options.out)
    assert (state.step, state.recipe, state.origin) == (6, run.recipe, {"commit": "abc"})
    text = caplog.text
    assert text.count("loss") == 3
    assert text.count("validation") == 1
    assert "q10" in text
    loop.train(photos, photos, start(resumed=True))
    assert checkpoint.load(run.options.out).step == 6


def test_rate_is_the_recipes(photos, start):
    run = start()
    rates = []
    for step in range(6):
        run.advance(data.draw(photos, run.recipe, step=step))
        rates.append(run.optimizers[0].param_groups[0]["lr"])
    assert rates == [1e-3] * 4 + [1e-4] * 2


def test_average_follows_the_weights(photos, start):
    run = start()
    expected = {name: tensor.clone() for name, tensor in run.average.items()}
    for step in range(4):
        run.advance(data.draw(photos, run.recipe, step=step))
        decay = min(0.999, (step + 1) / (step + 11))
        expected = {name: decay * tensor + (1 - decay) * run.names[name].detach() for name, tensor in expected.items()}
    for name, tensor in run.average.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-7)


TOLD = {
    "network": "table-unet",
    "widths": {"fine": 4, "middle": 6, "coarse": 8, "coarse_blocks": 1},
    "optimizer": "muon",
    "loss": "root",
    "clip": 0.5,
    "warm_up": 3,
    "phases": [{"rate": 1e-3, "patches": 12, "end": 1e-5}],
    "other_tables": 0.5,
    "pasts": {"none": 1, "pixels": 1, "twice": 1, "resized": 1},
    "seed": 0,
}
"""A recipe that uses everything: the network that is told the tables, two optimizers, every past."""


@pytest.mark.parametrize("halt", [1, 3, 5])
def test_run_with_two_optimizers_is_resumed_as_if_never_stopped(photos, recipe, start, halt):
    made = recipe(**TOLD)
    assert len({data.draw(photos, made, step=step).rgb.shape for step in range(made.steps)}) == 3
    whole = start("whole", made=made)
    loop.train(photos, photos, whole)
    halted = start("halves", made=made)
    for step in range(halt):
        halted.advance(data.draw(photos, made, step=step))
    halted.save()
    rest = start("halves", resumed=True)
    assert (rest.step, rest.recipe) == (halt, made)
    loop.train(photos, photos, rest)
    assert_equal(checkpoint.load(rest.options.out), checkpoint.load(whole.options.out))


def test_forgotten_momentum_would_change_what_is_learnt(photos, recipe, start):
    """So resumption is seen to bring it back."""
    made = recipe(**TOLD)
    results = []
    for forget in (False, True):
        run = start("run", made=made)
        for step in range(4):
            if forget:
                run.optimizers[1].state.clear()
            run.advance(data.draw(photos, made, step=step))
        results.append(run.names["middle_up.0.first.matrix"].detach().clone())
    assert not torch.equal(*results)


def test_muon_moves_the_matrices_inside_and_adam_the_rest(photos, recipe, start):
    run = start(made=recipe(**TOLD))
    run.advance(data.draw(photos, run.recipe, step=0))
    run.save()
    moments = checkpoint.load(run.options.out).moments
    by_muon = {name.removesuffix(".momentum_buffer") for name in moments if name.endswith(".momentum_buffer")}
    by_adam = {name.removesuffix(".exp_avg") for name in moments if name.endswith(".exp_avg")}
    assert by_muon == {n for n in run.names if n.endswith(".matrix")} - {"enter.matrix", "leave.matrix"}
    assert by_adam == set(run.names) - by_muon


def test_matrices_have_their_own_rate(photos, recipe, start):
    run = start(made=recipe(**TOLD | {"matrix_rate": 7.0}))
    for step in range(6):
        run.advance(data.draw(photos, run.recipe, step=step))
        rates = [group["lr"] for optimizer in run.optimizers for group in optimizer.param_groups]
        assert rates == pytest.approx([run.recipe.at(step)[1], 7 * run.recipe.at(step)[1]])


def test_adam_alone_moves_everything_where_the_recipe_says_so(photos, recipe, start):
    run = start(made=recipe(**TOLD | {"optimizer": "adam"}))
    (optimizer,) = run.optimizers
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(run.names)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipe_takes_a_step_in_every_past(photos, start, path):
    """Each on a patch or two; the first step moves every parameter of the part that it trains, and no other."""
    made = dataclasses.replace(recipes.load(path), batch=2)
    run = start(made=made)
    before = {name: parameter.detach().clone() for name, parameter in run.names.items()}
    for name in made.pasts or ["none"]:
        batch = data.draw(photos, dataclasses.replace(made, pasts={name: 1.0}), step=run.step)
        assert run.advance(batch).isfinite()
        assert all(parameter.isfinite().all() for parameter in run.names.values())
        if run.step == 1:
            part = made.at(0)[0].part
            trained = {n for n, p in run.names.items() if p.requires_grad and (part == "all" or n.startswith(part))}
            assert {n for n, p in run.names.items() if not torch.equal(p, before[n])} == trained


PARTS = TOLD | {
    "network": "qgac",
    "widths": {
        "manifold": 8, "rank": 3, "channels": 6, "growth": 3, "unblocked": 2, "frequency": 2, "frequency_growth": 2,
        "color": 4, "color_growth": 3, "guided": 8, "guided_growth": 3,
    },
    "loss": "l1-ssim",
    "phases": [
        {"rate": 1e-3, "patches": 8, "end": 1e-4, "changes": {"part": "luma"}},
        {"rate": 1e-3, "patches": 6, "changes": {"part": "color"}},
    ],
}  # fmt: skip
"""A recipe of two parts, of four and of three steps."""


@pytest.fixture
def few(monkeypatch):
    """Batches of which statistics are taken."""
    monkeypatch.setattr(statistics, "BATCHES", 3)


def one_of(photos):
    """A photograph to validate with."""
    return dataclasses.replace(photos, images=photos.images[1:2], weights=np.ones(1))


def trained_for(steps, photos, start, name, made):
    """The checkpoint of a run that is halted and resumed after each of its first steps."""
    for step in range(steps):
        run = start(name, resumed=step > 0, made=None if step else made, seconds=-1.0)
        loop.train(photos, one_of(photos), run)
        assert run.step == step + 1
    return checkpoint.load(run.options.out)


@pytest.mark.usefixtures("few")
def test_run_of_two_parts_is_resumed_as_if_never_stopped(photos, recipe, start):
    """In the first part, between them, and in the second."""
    made = recipe(**PARTS)
    assert made.steps == 7
    whole = start("whole", made=made)
    loop.train(photos, one_of(photos), whole)
    for halt in (1, 4, 6):
        trained_for(halt, photos, start, f"halted {halt}", made)
        rest = start(f"halted {halt}", resumed=True)
        assert (rest.step, rest.recipe) == (halt, made)
        loop.train(photos, one_of(photos), rest)
        assert_equal(checkpoint.load(rest.options.out), checkpoint.load(whole.options.out))


@pytest.mark.usefixtures("few")
def test_each_part_moves_in_its_phase_alone(photos, recipe, start):
    """Luma's momentum and weight decay do not move it while color is trained."""
    made = recipe(**PARTS)
    fresh = {name: parameter.detach().clone() for name, parameter in start("run", made=made).names.items()}
    between = trained_for(4, photos, start, "run", made)
    run = start("run", resumed=True)
    loop.train(photos, one_of(photos), run)
    last = checkpoint.load(run.options.out)
    learnt = {name for name, parameter in run.names.items() if parameter.requires_grad}
    luma, color = ({name for name in learnt if name.startswith(part)} for part in ("luma", "color"))
    assert luma | color == learnt
    for before, after, moved in ((fresh, between.weights, luma), (between.weights, last.weights, color)):
        assert {name for name in learnt if not torch.equal(before[name], after[name])} == moved
    assert {name.rpartition(".")[0] for name in between.moments} == luma
    assert {name.rpartition(".")[0] for name in last.moments} == learnt


@pytest.mark.usefixtures("few")
def test_statistics_are_learnt_before_the_weights_and_kept(photos, recipe, start):
    made = recipe(**PARTS)
    expected = statistics.statistics(photos, made, device=torch.device("cpu"))
    for steps in (1, 5):
        state = trained_for(steps, photos, start, f"run of {steps}", made)
        for tensors in (state.weights, state.average):
            assert torch.equal(tensors["mean"], expected[0])
            assert torch.equal(tensors["deviation"], expected[1])
        assert not any(name.startswith(("mean", "deviation")) for name in state.moments)
    run = start("run of 5", resumed=True)
    assert torch.equal(run.network.mean, expected[0])
    assert torch.equal(run.network.deviation, expected[1])


@pytest.mark.parametrize("part", ["luma", "color"])
@pytest.mark.parametrize("network", ["fast-arcnn", "table-unet"])
def test_network_without_parts_is_trained_as_a_whole(recipe, start, network, part):
    one = {"network": network, "widths": {}}
    for wrong in ({"part": part}, {"phases": [{"rate": 1e-3, "patches": 4, "changes": {"part": part}}]}):
        with pytest.raises(UsageError, match=part):
            start(made=recipe(**one, **wrong))


@pytest.mark.parametrize("part", ["luma", "color"])
def test_training_a_part_lowers_the_error_of_what_it_sees(photos, recipe, start, part):
    easy = {"pasts": {}, "quality": [5, 5], "low_quality": [5, 5], "samplings": {"4:2:0": 1.0}}
    phases = [{"rate": 3e-3, "patches": 400, "changes": {"part": part}}]
    made = recipe(**PARTS | easy | {"loss": "l1", "warm_up": 0, "phases": phases})
    run = start(made=made)
    run.network.know(torch.zeros(2, 64), torch.full((2, 64), 30.0))
    batch = data.draw(photos, made, step=0)
    first = run.advance(batch).item()
    for _ in range(15):
        last = run.advance(batch).item()
    assert last < 0.97 * first


def test_network_is_told_the_tables_of_what_it_sees(photos, recipe, start):
    """The loss of a step is that of the network given the planes and the tables that `degrade` shows."""
    run = start(made=recipe(**TOLD))
    with torch.no_grad():
        run.names["code.2.weight"].mul_(50)  # at first the tables hardly matter
    for step in range(6):
        batch = data.draw(photos, run.recipe, step=step)
        shown = degradation.degrade(batch.rgb, batch.last, batch.past, patch=32)
        with torch.no_grad(), autocast(run.device):
            restored, misled = (run.network(shown.planes, tables) for tables in (shown.tables, 200 / shown.tables))
        expected, other = (losses.loss("root", r, clean_planes(shown.clean)).item() for r in (restored, misled))
        assert other != pytest.approx(expected, rel=1e-3)
        assert run.advance(batch).item() == pytest.approx(expected, rel=1e-5)


def test_training_with_muon_lowers_the_error_of_what_it_sees(photos, recipe, start):
    made = recipe(**TOLD | {"batch": 4, "phases": [{"rate": 1e-3, "patches": 400}], "pasts": {}, "other_tables": 0.0,
                            "quality": [5, 5], "low_quality": [5, 5]})  # fmt: skip
    run = start(made=made)
    batch = data.draw(photos, made, step=0)
    first = run.advance(batch).item()
    for _ in range(30):
        last = run.advance(batch).item()
    assert last < 0.97 * first


def test_training_lowers_the_error_of_what_it_sees(photos, recipe, start):
    made = recipe(batch=4, phases=[{"rate": 3e-3, "patches": 400}], quality=[5, 5], low_quality=[5, 5], average=0.5)
    run = start(made=made)
    batch = data.draw(photos, made, step=0)
    first = run.advance(batch).item()
    for _ in range(30):
        last = run.advance(batch).item()
    assert last < 0.97 * first


def test_error_while_drawing_ends_the_run(photos, start):
    broken = dataclasses.replace(photos, weights=np.array([0.5, 0.25, 0.5]))
    with pytest.raises(ValueError, match=r"[Pp]robabilities"):
        loop.train(broken, photos, start())


def test_memory_running_out_while_drawing_ends_the_run(photos, start, monkeypatch):
    """As any other error of the thread that draws; a run that waits for it forever is seen by the clock alone."""

    def draw(*_, **__):
        raise MemoryError

    monkeypatch.setattr(loop, "draw", draw)
    run, raised = start(), []

    def train():
        try:
            loop.train(photos, photos, run)
        except MemoryError as error:
            raised.append(error)

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert len(raised) == 1


class Nothing(torch.nn.Module):
    inputs = ("planes",)

    def forward(self, planes):
        return planes


def test_network_that_does_nothing_gains_nothing(photos):
    table = validation.gains(Nothing(), {}, photos, device=torch.device("cpu"))
    assert tuple(table) == validation.QUALITIES
    assert [gain for _, gain in table.values()] == [0.0] * len(table)
    plain = [before for before, _ in table.values()]
    assert plain == sorted(plain)
    line = validation.validate(Nothing(), {}, photos, device=torch.device("cpu"))
    assert line.startswith(f"q10 {plain[0]:.2f} +0.000")


class Told(torch.nn.Module):
    """Restores nothing and remembers the tables."""

    inputs = ("tables", "planes")

    def __init__(self):
        super().__init__()
        self.tables = []

    def forward(self, tables, planes):
        self.tables.append(tables)
        return planes


def test_validation_tells_a_network_the_tables(photos):
    """In the order of its inputs, for each picture of each quality."""
    network = Told()
    gains = validation.gains(network, {}, photos, device=torch.device("cpu"))
    assert gains == validation.gains(Nothing(), {}, photos, device=torch.device("cpu"))
    qualities = [quality for quality in validation.QUALITIES for _ in photos.images]
    for quality, (told,) in zip(qualities, network.tables, strict=True):
        for table, base in zip(told.numpy(), (tables.LUMA, tables.CHROMA), strict=True):
            assert np.array_equal(table, tables.ijg_table(base, quality))
