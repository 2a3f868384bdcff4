"""The benchmarks' statistics, and the tables that are made of records."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("records")


@pytest.fixture
def table(records: Any) -> Any:
    return importlib.import_module("table")


def test_a_paired_ratio_is_a_geometric_mean_with_students_interval(records: Any) -> None:
    mean, low, high = records.ratio([2.0, 8.0], [1.0, 2.0])
    assert mean == pytest.approx(math.sqrt(8))
    # logs 0.6931 and 1.3863: half-width 12.706 * 0.4901 / sqrt(2)
    assert math.log(high / mean) == pytest.approx(4.4036, abs=1e-3)
    assert low * high == pytest.approx(mean**2)
    assert records.ratio([3.0], [2.0]) == (pytest.approx(1.5), 0.0, math.inf)


def test_a_common_drift_leaves_a_paired_ratio_exact(records: Any) -> None:
    mean, low, high = records.ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert (mean, low, high) == (pytest.approx(2), pytest.approx(2), pytest.approx(2))


def test_ratios_need_pairs(records: Any) -> None:
    with pytest.raises(ValueError, match=r"as many numbers above as below\. Got 1 and 2"):
        records.ratio([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"needs numbers above and below\. Got 0 and 1"):
        records.unpaired_ratio([], [1.0])


def test_an_unpaired_ratio_is_welchs(records: Any) -> None:
    from scipy import stats

    over, under = [100.0, 120.0, 90.0], [10.0, 11.0, 9.0, 10.5]
    logs = [[math.log(x) for x in sample] for sample in (over, under)]
    wanted = stats.ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    mean, low, high = records.unpaired_ratio(over, under)
    assert (low, high) == (pytest.approx(math.exp(wanted.low)), pytest.approx(math.exp(wanted.high)))
    assert low < mean < high
    assert records.unpaired_ratio([50.0], under)[1:] == (0.0, math.inf)
    assert records.unpaired_ratio([4.0, 4.0], [2.0, 2.0]) == (pytest.approx(2),) * 3


def test_the_bound_of_a_mean_is_one_sided(records: Any) -> None:
    values = [0.992, 0.993, 0.9925, 0.9935, 0.9915]
    # mean 0.9925, deviation 0.00079, t(0.95, 4) = 2.1318
    assert records.lower_bound(values) == pytest.approx(0.9925 - 2.1318 * 0.000790569 / math.sqrt(5), abs=1e-7)
    assert records.lower_bound([0.99]) == -math.inf


def test_steps_are_the_smallest_whose_mean_reaches_not_the_luckiest(records: Any) -> None:
    lucky = {1000: 0.993, 2000: 0.990, 3000: 0.992}
    others = [{1000: 0.985, 2000: 0.991, 3000: 0.993}, {1000: 0.986, 2000: 0.991, 3000: 0.992, 4000: 0.999}]
    assert records.smallest_reaching([lucky, *others], 0.992) == 3000
    assert records.smallest_reaching([lucky, *others], 0.995) is None  # 4000 was seen by one seed alone
    assert records.smallest_reaching([], 0.9) is None


def test_records_are_read_as_they_were_added_and_the_newest_counts(records: Any, tmp_path: Path) -> None:
    for seconds in (2.0, 1.0):
        records.append("steps", {"network": "a", "batch": 50, "seconds": seconds}, tmp_path)
    found = records.read("steps", tmp_path)
    assert [one["seconds"] for one in found] == [2.0, 1.0]
    assert found[0]["format"] == 1
    assert records.latest(found, "network", "batch")["a", 50]["seconds"] == 1.0
    assert records.read("nothing", tmp_path) == []


def told(peer: str, seconds: float) -> dict[str, Any]:
    times = [seconds * drift for drift in (1.0, 1.1, 0.9)]
    return {"peer": peer, "way": "float32", "steps_a_block": 10, "seconds": times}


def test_the_table_of_steps_is_made_of_the_newest_records(records: Any, table: Any, tmp_path: Path) -> None:
    gone = {"peer": "paddle", "absent": "no such | wheel"}
    for slower in (9.0, 2.0):
        peers = [told("ours", 1.0), told("torch", slower), gone]
        record = {"network": "net", "batch": 50, "isa": "", "threads": 2, "quick": False, "peers": peers}
        records.append("steps", record, tmp_path)
    made = table.tables(tmp_path)
    assert "| net | 50 | 503 (float32) | 2.00 (2.00 to 2.00), float32, n 3 | not here |" in made
    assert "| geometric mean |  |  | 2.00 |  |" in made
    assert "paddle: not here (no such / wheel)" in made
    assert "9.00" not in made


def accuracy(ours: list[int], **more: Any) -> dict[str, Any]:
    runs = [{"seed": i, "k": k, "n": 10000, "warm": 5.0, "cold": 8.0} for i, k in enumerate(ours)]
    seen = {
        "steps": 15000,
        "warm": [500.0, 600.0, 550.0],
        "cold": [510.0, 610.0, 560.0],
        "accuracy": 0.9921,
        "seen": True,
    }
    reckoned = {"steps": 6600, "warm": [900.0], "seen": False, "accuracy": "not checked here"}
    return {"row": "mnist-99.2", "data": "mnist", "target": 0.992, "quick": False, "runs": {"ours": runs}, "rivals": [],
            "peers": {"tf": seen, "slow": reckoned}, **more}  # fmt: skip


def test_the_table_of_accuracy_says_what_was_not_shown(records: Any, table: Any, tmp_path: Path) -> None:
    records.append("time_to_accuracy", accuracy([9925, 9930, 9928]), tmp_path)
    made = table.tables(tmp_path)
    assert "| mnist-99.2 | 99.20% | 99.28% (n 3, at least 99.23%) | tf (15000 steps, n 3, 99.21%) | 110 (" in made
    assert "| slow (6600 steps, n 1, reckoned, accuracy not checked here) | 180 |  | 5.0 / 8.0 s |" in made
    records.append("time_to_accuracy", accuracy([9925, 9918, 9922]), tmp_path)
    assert "99.20%, not shown" in table.tables(tmp_path)


def test_quick_records_count_only_where_asked_for(records: Any, table: Any, tmp_path: Path) -> None:
    records.append("time_to_accuracy", accuracy([9925, 9930], quick=True), tmp_path)
    assert table.tables(tmp_path) == ""
    assert "mnist-99.2" in table.tables(tmp_path, quick=True)


def test_tables_go_between_the_marks_and_nowhere_else(table: Any) -> None:
    text = "a\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\nb\n"
    assert table.between_marks(text, "new") == "a\n<!-- benchmarks -->\nnew\n<!-- /benchmarks -->\nb\n"
    assert table.between_marks("no marks", "new") is None
    assert table.between_marks("<!-- benchmarks --> alone", "new") is None


@pytest.fixture
def accuracies(records: Any) -> Any:
    return importlib.import_module("time_to_accuracy")


def test_a_peer_that_was_broken_off_is_reckoned_and_says_so(accuracies: Any) -> None:
    trained = accuracies.ROWS["mnist-99.2"].peers[0]
    run = {"looks": [{"steps": 101, "seconds": 11.0, "first": 1.0, "at": 20.0}]}
    found = accuracies.verdict(trained, [run], 0.992)
    # the first step took 1 s, the others 0.1 s each
    assert found["warm"] == [pytest.approx(1 + 0.1 * 14999)]
    assert (found["steps"], found["seen"], found["accuracy"]) == (15000, False, "not checked here")
    assert accuracies.verdict(trained, [{"absent": "no wheel"}], 0.992) == {"absent": "no wheel"}


def test_a_peer_that_reaches_is_timed_at_the_same_steps_for_all_seeds(accuracies: Any) -> None:
    trained = accuracies.ROWS["mnist-99.2"].peers[0]

    def run(first: int, second: int) -> dict[str, Any]:
        at = ((1000, first, 10.0), (1500, second, 15.0))
        looks = [{"steps": s, "k": k, "n": 10000, "seconds": t, "at": t + 5} for s, k, t in at]
        return {"at": 5.0, "looks": looks}

    found = accuracies.verdict(trained, [run(9930, 9930), run(9900, 9925)], 0.992)
    assert (found["steps"], found["warm"], found["cold"]) == (1500, [15.0, 15.0], [20.0, 20.0])
    unreached = accuracies.verdict(trained, [run(9900, 9910)], 0.992)
    assert unreached["accuracy"] == "not reached in its published steps"


def test_a_peers_whole_time_has_no_trial_and_one_look(accuracies: Any) -> None:
    looks = [
        {"steps": s, "k": 9930, "n": 10000, "seconds": t, "at": at}
        for s, t, at in ((500, 5.0, 17.0), (1000, 9.0, 23.0))
    ]
    run = {"at": 10.0, "trial": 6.0, "looks": looks}
    assert accuracies.cold(run, 500) == 11.0  # 4 s before training, then 5 s of it and a look of 2 s
    assert accuracies.cold(run, 1000) == 15.0  # 4 + 9 and the last look's 2


def test_the_plan_is_tried_anew(accuracies: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("plans", "pictures"):
        (tmp_path / "usual" / part).mkdir(parents=True)
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "usual"))
    found = accuracies.without_plans(tmp_path / "own")
    assert [part.name for part in found.iterdir()] == ["pictures"]


def test_runs_of_both_sides_alternate(accuracies: Any) -> None:
    order = [who for who, _ in accuracies.alternating(6, [("tf", 2)])]
    assert order == ["ours", "ours", "tf", "ours", "ours", "ours", "tf", "ours"]
