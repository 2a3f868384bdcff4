"""What LeCun, Bottou, Bengio and Haffner fixed by hand in LeNet-5: which maps C3 joins, and what the outputs stand for.

"Gradient-based learning applied to document recognition", 1998, section II.B. Data and the walks over it; no torch.
"""

from __future__ import annotations

JOINED: tuple[tuple[int, ...], ...] = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip
"""Table I: for each of the 16 maps of C3 the maps of S2 that it sees. Three neighbours, then four, round the corner,
then four in two pairs, then all: so that no two maps start alike."""

KERNELS: tuple[tuple[int, int], ...] = tuple((map_, seen) for map_, row in enumerate(JOINED) for seen in row)
"""The 60 kernels in the order of their weights: (map of C3, map of S2)."""

FEEDS = len(KERNELS) // 6
"""How many maps of C3 each map of S2 goes to: 10, each as many."""

DRAWINGS = """
..###..  ...#...  ..###..  ..###..  ....#..  .#####.  ...###.  #######  ..###..  ..###..
.#...#.  ..##...  .#...#.  .#...#.  ...##..  .#.....  ..#....  ......#  .#...#.  .#...#.
#.....#  .#.#...  #.....#  #.....#  ...##..  #......  .#.....  ......#  #.....#  #.....#
#.....#  ...#...  ......#  ......#  ..#.#..  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  ......#  .....#.  ..#.#..  #.###..  #......  .....#.  .#...#.  #.....#
#.....#  ...#...  .....#.  ..###..  .#..#..  ##...#.  #.###..  ....#..  ..###..  .#...##
#.....#  ...#...  ....#..  .....#.  .#..#..  ......#  ##...#.  ....#..  .#...#.  ..###.#
#.....#  ...#...  ...#...  ......#  #...#..  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  ..#....  ......#  #######  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  .#.....  #.....#  ....#..  #.....#  #.....#  ..#....  #.....#  .....#.
.#...#.  ...#...  #......  .#...#.  ....#..  .#...#.  .#...#.  ..#....  .#...#.  ....#..
..###..  .#####.  #######  ..###..  ....#..  ..###..  ..###..  ..#....  ..###..  .###...
"""
"""The ten digits, 12 rows of 7: figure 3 of the paper in our own hand. Digits that look alike have drawings that lie
close together, so that what is mistaken for a digit is at least near it."""


def centres() -> tuple[tuple[int, ...], ...]:
    """The drawings as the 10 x 84 numbers that `rbf` compares with, row by row: 1 for ink, -1 for paper.

    1 and -1 are where the scaled tanh before it bends most, so that its units don't saturate (section II.B).
    """
    rows = [line.split() for line in DRAWINGS.strip().splitlines()]
    return tuple(tuple(1 if cell == "#" else -1 for row in rows for cell in row[digit]) for digit in range(10))
