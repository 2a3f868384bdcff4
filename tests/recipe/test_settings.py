"""The schema: defaults, what each table refuses, and the sentence that it refuses it with."""

from __future__ import annotations

import re

import pytest

from convscope.errors import ConvscopeError
from convscope.recipe import TABLES, Recipe, keys, parse
from convscope.recipe.settings import Settings

TRAIN = "[train]\nepochs = 1\n"


def recipe(text: str = "", train: str = TRAIN) -> Recipe:
    return parse(f"{train}{text}" if text.startswith("[") or not text else f"{text}\n{train}")


def test_a_recipe_needs_a_length_and_nothing_else() -> None:
    plain = recipe()
    assert (plain.format, plain.data, plain.network, plain.from_, plain.seed) == (1, "", "", "", 0)
    assert plain.train.epochs == 1
    assert plain.train.steps is None
    assert plain.train.budget is None
    assert plain.split.validation == plain.split.test == 0.15
    assert plain.input.size is None


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        recipe().seed = 3


def test_budget_is_seconds() -> None:
    assert parse('[train]\nbudget = "1h30m"').train.budget == 5400
    assert parse("[train]\nbudget = 90").train.budget == 90


def test_defaults_that_hang_on_another_key() -> None:
    assert recipe().optimizer.learning_rate == 0.05
    assert recipe('[optimizer]\nname = "adam"').optimizer.learning_rate == 1e-3
    assert recipe('[optimizer]\nname = "adam"\nlearning_rate = 2').optimizer.learning_rate == 2
    assert (recipe().schedule.warmup, recipe().schedule.start) == (0, 0)
    one_cycle = recipe('[schedule]\nname = "one-cycle"').schedule
    assert (one_cycle.warmup, one_cycle.start) == (0.25, 0.2)
    muon = recipe('[optimizer]\nname = "muon"').optimizer
    assert (muon.learning_rate, muon.momentum, muon.other_rate, muon.other_momentum) == (0.24, 0.6, 0.05, 0.85)
    assert recipe().optimizer.momentum == 0.9
    assert recipe('[optimizer]\nname = "muon"\nmomentum = 0.5').optimizer.momentum == 0.5


def test_every_key_has_a_sentence_that_explains_it() -> None:
    models: list[type[Settings]] = [Recipe, *TABLES.values()]
    for model in models:
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


def test_keys_are_those_of_a_file() -> None:
    assert keys()[""] == ["format", "data", "network", "from", "seed", "data_sha256", "from_sha256"]
    assert "learning_rate" in keys()["optimizer"]
    assert set(keys()) == {"", *TABLES}


def test_augment_is_what_the_data_room_knows() -> None:
    """The loop hands this table over as it is."""
    import dataclasses

    augment = pytest.importorskip("convscope.data.augment", reason="data/augment.py is being built")
    theirs = {field.name: field.default for field in dataclasses.fields(augment.Augment)}
    ours = {name: field.default for name, field in TABLES["augment"].model_fields.items()}
    assert theirs == ours


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[split]\nvalidation = 1", "[split] validation must be a number of at least 0 and below 1. Got 1."),
        ("[split]\ntest = -0.1", "[split] test must be a number of at least 0 and below 1. Got -0.1."),
        (
            "[split]\nvalidation = 0.6\ntest = 0.4",
            "[split] validation and test must leave something to train on. Got 0.6 and 0.4, which is everything. "
            "Make them smaller: 0.15 each is usual.",
        ),
        ("[split]\ngroup = 3", "[split] group must be text in quotes. Got 3."),
        (
            "[input]\nsize = [0, 28]",
            "[input] size must be two values in brackets, each a whole number of at least 1. Got [0, 28].",
        ),
        ("[input]\nsize = [28]", "[input] size must be two values in brackets, each a whole number of at least 1."),
        ("[input]\nsize = [28, 28, 1]", "each a whole number of at least 1. Got [28, 28, 1]."),
        ("[input]\nsize = 28", "each a whole number of at least 1. Got 28."),
        ("[input]\nsize = [28.0, 28]", "each a whole number of at least 1. Got [28.0, 28]."),
        ("[input]\nchannels = 2", "[input] channels must be 1 or 3. Got 2."),
        ('[input]\nfit = "padd"', "[input] fit: unknown word 'padd', did you mean 'pad'?"),
        ("[input]\nbackground = [0, 0, 256]", "each a whole number of at least 0 and of at most 255. Got [0, 0, 256]."),
        (
            '[input]\nmean = "trian"',
            "[input] mean must be 'train' or 'position-range', or a list of values, each a number. Got 'trian'.",
        ),
        ('[input]\nmean = ["a"]', "or a list of values, each a number. Got ['a']."),
        ("[input]\nstd = [0.0]", "or a list of values, each a number above 0. Got [0.0]."),
        (
            '[input]\nmean = "position-range"',
            "[input] mean and std must be 'position-range' both or neither. Set the other one too.",
        ),
        (
            "[input]\nmean = [0.1]\nstd = [0.1, 0.2]",
            "[input] mean and std must have as many numbers as each other. Got 1 and 2.",
        ),
        (
            "[input]\nsize = [20, 32]\ncrop_to = [24, 24]",
            "[input] crop_to must fit into size. Got [24, 24] out of [20, 32]. Make size larger or crop_to smaller.",
        ),
        ("[input]\nper_picture = 1", "[input] per_picture must be true or false. Got 1."),
        ('[optimizer]\nname = "sdg"', "[optimizer] name: unknown word 'sdg', did you mean 'sgd'? These exist: adam,"),
        ("[optimizer]\nlearning_rate = 0", "[optimizer] learning_rate must be a number above 0. Got 0."),
        ("[optimizer]\nlearning_rate = inf", "[optimizer] learning_rate must be a number above 0. Got inf."),
        ('[optimizer]\nlearning_rate = "0.1"', "[optimizer] learning_rate must be a number above 0. Got '0.1'."),
        ("[optimizer]\nmomentum = 1", "[optimizer] momentum must be a number of at least 0 and below 1. Got 1."),
        ("[optimizer]\nbetas = [0.9]", "[optimizer] betas must be two values in brackets, each a number of at least 0"),
        ('[schedule]\nname = "onecycle"', "unknown word 'onecycle', did you mean 'one-cycle'?"),
        ("[schedule]\nwarmup = 1.0", "[schedule] warmup must be a number of at least 0 and below 1. Got 1.0."),
        ("[schedule]\nfinal = 1.5", "[schedule] final must be a number of at least 0 and of at most 1. Got 1.5."),
        ("[schedule]\ngamma = 0", "[schedule] gamma must be a number above 0 and of at most 1. Got 0."),
        ("[schedule]\nevery = 0", "[schedule] every must be a number above 0. Got 0."),
        ("[augment]\ncrop = -1", "[augment] crop must be a whole number of at least 0. Got -1."),
        ("[augment]\nflip = 1", "[augment] flip must be true or false, or 'alternating'. Got 1."),
        ("[augment]\nshift = 1.6", "[augment] shift must be a whole number of pixels. Got 1.6. Write 2."),
        (
            "[augment]\ncontrast = [1.8, 0.2]",
            "[augment] contrast must be the least factor, then the greatest. Got [1.8, 0.2]. Write [0.2, 1.8].",
        ),
        ("data = 3", "data must be text in quotes. Got 3."),
        ("from = true", "from must be text in quotes. Got true."),
        ("seed = -1", "seed must be a whole number of at least 0. Got -1."),
        ("seed = 1.5", "seed must be a whole number of at least 0. Got 1.5."),
        ("optimizer = 3", "optimizer must be a table. Got 3. Write a line [optimizer], and its keys below it."),
    ],
)
def test_values_that_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        recipe(text)


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        ("epochs = 0", "[train] epochs must be a whole number of at least 1. Got 0."),
        ("epochs = true", "[train] epochs must be a whole number of at least 1. Got true."),
        ("steps = 1.5", "[train] steps must be a whole number of at least 1. Got 1.5."),
        ('budget = "soon"', "[train] budget: a length of time must be written like '90s', '2m' or '1h30m'"),
        ("budget = 0", "[train] budget must be a number above 0. Got 0."),
        ("epochs = 1\nbatch_size = 0", "[train] batch_size must be a whole number of at least 1. Got 0."),
        ('epochs = 1\nloss = "crossentropy"', "[train] loss: unknown word 'crossentropy', did you mean"),
        ("epochs = 1\nlabel_smoothing = 1", "[train] label_smoothing must be a number of at least 0 and below 1."),
        ('epochs = 1\nprecision = "float16"', "[train] precision: unknown word 'float16', did you mean 'bfloat16'?"),
        ("epochs = 1\nclip = -1", "[train] clip must be a number of at least 0. Got -1."),
        ("epochs = 1\npatience = -1", "[train] patience must be a whole number of at least 0. Got -1."),
        ('epochs = 1\nkeep = "first"', "[train] keep: unknown word 'first'"),
        ('epochs = 1\nfreeze = "conv1"', "[train] freeze must be a list of values, each text in quotes. Got 'conv1'."),
        ('epochs = 1\nfreeze = ["conv 1"]', "Got 'conv 1'. Write 'conv1', 'conv1.bias' or 'conv1.bias@3'."),
        (
            "",
            "[train] exactly one of epochs, steps and budget must be given. Got none. Add epochs = 10, for instance.",
        ),
        (
            "epochs = 1\nsteps = 2",
            "[train] exactly one of epochs, steps and budget must be given. Got epochs and steps. Keep one of them.",
        ),
        (
            'epochs = 1\nsteps = 2\nbudget = "2m"',
            "Got epochs and steps and budget. Keep one of them.",
        ),
    ],
)
def test_training_that_is_refused(train: str, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        parse(f"[train]\n{train}")


def test_no_train_table() -> None:
    with pytest.raises(ConvscopeError, match=r"must be given in \[train\]. Got no \[train\]. Add a line \[train\]"):
        parse('data = "mnist"')


def test_freeze_takes_layers_tensors_and_epochs() -> None:
    words = ("conv1", "conv1.bias", "layer2.conv1.weight@3")
    assert parse(f"[train]\nepochs = 1\nfreeze = {list(words)}").train.freeze == words


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[optimizer]\nlearning_rat = 0.1",
            "unknown key 'learning_rat' in [optimizer], did you mean 'learning_rate'? These exist: betas, eps, "
            "learning_rate, momentum, name, nesterov, other_momentum, other_rate, weight_decay.",
        ),
        ("[optimizer]\nlr = 0.1", "unknown key 'lr' in [optimizer], did you mean 'learning_rate'?"),
        ("[optimizer]\nqqq = 0.1", "unknown key 'qqq' in [optimizer]. These exist: betas, eps,"),
        (
            "learning_rate = 0.1",
            "key 'learning_rate' belongs to [optimizer], not to the top level. Write it below the line [optimizer].",
        ),
        (
            "lr = 0.1",
            "key 'lr' belongs to [optimizer], not to the top level. It is called 'learning_rate' here. "
            "Write it below the line [optimizer].",
        ),
        ("net = 'x'", "unknown key 'net' at the top level, did you mean 'network'?"),
        ("nme = 'x'", "unknown key 'nme' at the top level, did you mean"),
        ("[schedule]\ndata = 'x'", "key 'data' belongs to the top level, not to [schedule]. Write it above the first"),
        ("name = 'sgd'", "key 'name' belongs to [optimizer] or [schedule], not to the top level."),
        ("[augment]\nbatch_size = 3", "key 'batch_size' belongs to [train], not to [augment]."),
        (
            "[augment]\nlabel_smooth = 3",
            "unknown key 'label_smooth' in [augment], did you mean 'label_smoothing', which belongs to [train]? "
            "These exist in [augment]: brightness,",
        ),
        ("[optimizer.schedule]\nname = 'cosine'", "table [schedule] belongs to the top level, not into [optimizer]."),
        ("[optimiser]\nname = 'sgd'", "unknown key 'optimiser' at the top level, did you mean 'optimizer'?"),
    ],
)
def test_keys_that_do_not_exist_there(text: str, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        recipe(text)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConvscopeError) as raised:
        parse('lr = 3\n[train]\nepochs = 0\n[optimizer]\nname = "sdg"', source="mine.toml")
    lines = str(raised.value).splitlines()
    assert lines[0] == "mine.toml: 3 things are wrong:"
    assert len(lines) == 4
