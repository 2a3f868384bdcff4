"""The loss as a landscape: places are weights, heights are losses, walks go down, and the network stays as it was."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.nn.functional import cross_entropy

from convscope.errors import ConvscopeError
from convscope.explain.landscape import (
    Landscape,
    Measured,
    Plane,
    measure,
    path_plane,
    random_plane,
    read_moments,
    walk,
)
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.report import contours
from convscope.report.landscape import About, lines, page
from train.small import NET, data_set, network

TEXT = "conv 3x3 4, bn, relu, maxpool 2, dropout 0.5, dense"


def measured(trained: Network | None = None) -> Measured:
    data = data_set(90)
    made = trained or network(data, TEXT)
    x = data.preprocess.to_input(data.train.images)
    return Measured(made, x, torch.from_numpy(data.train.labels), cross_entropy)


def trained(steps: int = 30) -> tuple[Measured, list[dict[str, torch.Tensor]]]:
    """A network after some steps, and its weights at six moments."""
    m = measured()
    optimizer = torch.optim.SGD(m.network.parameters(), lr=0.1, momentum=0.9)
    moments = []
    for step in range(steps):
        if step % 5 == 0:
            moments.append({name: tensor.clone() for name, tensor in m.network.state_dict().items()})
        optimizer.zero_grad()
        cross_entropy(m.network(m.x), m.labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return m, moments


def state(m: Measured) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in m.network.state_dict().items()}


def test_random_directions_are_as_long_as_the_filters() -> None:
    m = measured()
    plane = random_plane(m.network, seed=3)
    for name, weight in m.network.named_parameters():
        for direction in (plane.right, plane.up):
            if weight.dim() > 1:
                assert torch.allclose(direction[name].flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1), rtol=1e-5)
            else:
                assert not direction[name].any()
    again, other = random_plane(m.network, seed=3), random_plane(m.network, seed=4)
    assert torch.equal(again.up["conv1.weight"], plane.up["conv1.weight"])
    assert not torch.equal(other.up["conv1.weight"], plane.up["conv1.weight"])
    assert not torch.equal(plane.right["conv1.weight"], plane.up["conv1.weight"])


def test_a_height_is_the_loss_of_these_weights() -> None:
    m = measured()
    m.network.train()
    before = state(m)
    plane = random_plane(m.network)
    found = measure(m, plane, grid=5, span=0.8)
    assert found.a.tolist() == pytest.approx([-0.8, -0.4, 0, 0.4, 0.8])
    assert found.heights[2, 2] == pytest.approx(found.middle, rel=1e-6)
    copy = network(data_set(90), TEXT)
    for i, j in ((0, 3), (4, 1)):
        moved = {
            name: w + found.a[j] * plane.right[name] + found.b[i] * plane.up[name] for name, w in plane.middle.items()
        }
        copy.load_state_dict({**before, **moved})
        with at_rest(copy), torch.no_grad():
            assert found.heights[i, j] == pytest.approx(float(cross_entropy(copy(m.x), m.labels)), rel=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in m.network.state_dict().items())
    assert m.network.training
    assert all(weight.grad is None for weight in m.network.parameters())


def test_many_pictures_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    m = measured()
    plane = random_plane(m.network)
    place = np.array([0.3, -0.2])
    with at_rest(m.network):
        whole, slope = m.slope(plane, place)
        monkeypatch.setattr("convscope.explain.landscape._BATCH", 32)
        in_parts, slopes = m.slope(plane, place)
        assert in_parts == pytest.approx(whole, rel=1e-5)
        assert slopes == pytest.approx(slope, rel=1e-4)
        assert m.of(plane.at(torch.tensor(0.3), torch.tensor(-0.2))) == pytest.approx(whole, rel=1e-5)


def test_the_slope_is_that_of_the_ground() -> None:
    m = measured()
    plane = random_plane(m.network)
    with at_rest(m.network):
        _, slope = m.slope(plane, np.array([0.2, 0.1]))
        for axis, step in ((0, (2e-3, 0)), (1, (0, 2e-3))):
            high, low = (
                m.of(plane.at(torch.tensor(0.2 + sign * step[0]), torch.tensor(0.1 + sign * step[1])))
                for sign in (1, -1)
            )
            assert slope[axis] == pytest.approx((high - low) / 4e-3, rel=0.05, abs=2e-3)


def test_walks_go_down() -> None:
    m, _ = trained()
    found = measure(m, random_plane(m.network), grid=9)
    assert len(found.walks) == 4
    for way in found.walks:
        assert len(way.losses) == len(way.places) > 2
        assert (np.diff(way.losses) < 0).all()
        assert way.losses[-1] < found.heights.max()
        assert np.abs(np.diff(way.places, axis=0)).max() <= 0.2 + 1e-9
    assert {tuple(np.sign(way.places[0])) for way in found.walks} == {(-1, -1), (-1, 1), (1, -1), (1, 1)}


def test_a_walk_in_a_bowl_ends_at_its_bottom() -> None:
    """Planted: with one weight to the right and one upwards, the loss is a bowl whose bottom is known."""

    class Bowl(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor([[1.0, 2.0]]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.weight - torch.tensor([[1.5, 1.0]])) * torch.tensor([[1.0, 3.0]]) + 0 * x

    right, up = {"weight": torch.tensor([[1.0, 0.0]])}, {"weight": torch.tensor([[0.0, 1.0]])}
    bowl = Bowl()
    plane = Plane({"weight": bowl.weight.detach().clone()}, right, up, "random", np.empty((0, 2)))
    m = Measured(bowl, torch.zeros(4, 2), torch.zeros(4), lambda y, _: y.square().sum(1).mean())
    side = np.linspace(-2, 2, 5)
    way = walk(m, plane, np.array([-2.0, 2.0]), (side, side))
    assert way.places[-1] == pytest.approx([0.5, -1.0], abs=0.05)
    assert way.losses[0] == pytest.approx(2.5**2 + 9 * 9)


def test_the_plane_of_a_path_holds_it() -> None:
    m, moments = trained()
    plane = path_plane(m.network, moments)
    assert plane.how == "path"
    assert plane.path.shape == (6, 2)
    assert plane.share is not None
    flat = {id(d): torch.cat([d[name].flatten() for name in plane.middle]) for d in (plane.right, plane.up)}
    right, up = flat.values()
    assert float(right.norm()) == pytest.approx(1, abs=1e-5)
    assert float(up.norm()) == pytest.approx(1, abs=1e-5)
    assert float(right @ up) == pytest.approx(0, abs=1e-5)
    away = torch.stack([torch.cat([(moment[n] - w).flatten() for n, w in plane.middle.items()]) for moment in moments])
    held = (away @ right).square().sum() + (away @ up).square().sum()
    assert plane.share == pytest.approx(float(held / away.square().sum()), rel=1e-4)
    values = torch.linalg.svdvals(away.double()).square()
    assert plane.share == pytest.approx(float(values[:2].sum() / values.sum()), rel=1e-4)  # no other plane holds more
    assert plane.path[0, 0] > 0
    found = measure(m, plane, moments, grid=7)
    assert found.path_losses[0] > found.path_losses[-1] > found.middle * 0.5
    assert found.a[0] < plane.path[:, 0].min() <= plane.path[:, 0].max() < found.a[-1]
    with at_rest(m.network):
        start = {name: moments[0][name] for name in plane.middle}
        assert found.path_losses[0] == pytest.approx(m.of(start))


def test_what_is_no_path(tmp_path: Path) -> None:
    m, moments = trained(10)
    with pytest.raises(
        ConvscopeError, match=r"two moments before the trained network\. Got 1\. Train with --snapshots"
    ):
        path_plane(m.network, [moments[0], state(m)])
    other = network(data_set(), NET).state_dict()
    with pytest.raises(ConvscopeError, match=r"Moment 0 lacks conv1.* of shape .*Give the snapshots of its own run"):
        path_plane(m.network, [other, other])
    file = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"a": torch.ones(2)}, file)
    assert torch.equal(read_moments([file])[0]["a"], torch.ones(2))
    file.write_bytes(b"nothing")
    with pytest.raises(ConvscopeError, match=r"must be a \.safetensors file with weights"):
        read_moments([file])


def test_what_can_not_be_measured() -> None:
    m = measured()
    for grid in (1, 20):
        with pytest.raises(ConvscopeError, match=f"odd number of places from 3 on.*Got {grid}"):
            measure(m, random_plane(m.network), grid=grid)
    with pytest.raises(ConvscopeError, match=r"the span must be above 0.*Got -1"):
        measure(m, random_plane(m.network), span=-1)
    with pytest.raises(ConvscopeError, match="a network with weights"):
        random_plane(torch.nn.ReLU())
    with pytest.raises(ConvscopeError, match="a layer with kernels or units"):
        random_plane(torch.nn.BatchNorm2d(3))


def test_contours_of_a_cone() -> None:
    """Of a cone the contours are circles, and the ground above a level is all but the disc."""
    side = np.arange(21) - 10.0
    cone = np.hypot(side[:, None], side[None, :])

    def same(step: float) -> float:
        return 100 * step

    points = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", contours.lines(cone, 6.0, same, same)), float) / 100 - 10
    assert len(points) > 40
    assert np.hypot(*points.T) == pytest.approx(6, abs=0.08)
    area = 0.0
    for part in contours.region(cone, 6.0, same, same).split("Z")[:-1]:
        x, y = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", part), float).T / 100
        area += abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    assert area == pytest.approx(400 - np.pi * 36, abs=2)
    found = contours.levels(cone + 1)
    assert len(found) == 12
    assert np.diff(np.log(found)) == pytest.approx(np.log(found[1] / found[0]))
    assert contours.levels(np.ones((3, 3))) == []


def landscape(share: bool = False) -> Landscape:
    m, moments = trained()
    if share:
        return measure(m, path_plane(m.network, moments), moments, grid=7)
    return measure(m, random_plane(m.network), grid=7)


def test_the_page_says_what_is_shown() -> None:
    about = About("runs/<x>", 12345, "cross-entropy loss", 7, True)
    said = page(landscape(), about)
    assert "two random directions of 12 345 (seed 7)" in said
    assert "running statistics are those of the trained network" in said
    assert said.count('class="walk"') == 5  # the key, and four walks
    assert "&lt;x&gt;" in said
    assert "<x>" not in said
    assert "NaN" not in said
    path = page(landscape(share=True), About("x", 12345, "cross-entropy loss", 7, False))
    assert re.search(r"It holds [\d.]+ % of their squared distances", path)
    assert path.count('class="moment"') == 6
    assert "running statistics" not in path


def test_places_without_a_loss() -> None:
    found = landscape()
    found.heights[0, 0] = np.inf
    assert "at 1 place it isn't finite" in lines(found, About("x", 5, "loss", 0, False))
    said = page(found, About("x", 5, "loss", 0, False))
    assert "At 1 place the loss isn&#x27;t finite" in said
    assert not re.search(r"\bnan\b|\binf\b", said)
