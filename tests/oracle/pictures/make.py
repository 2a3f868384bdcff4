"""Makes these CMYK pictures and what ImageMagick 6.9 makes of them: `python make.py`, with its `convert` in /usr/bin.

cmyk.jpg is four inks as they are (Adobe transform 0, written by Pillow), ycck.jpg the same inks as YCCK (transform 2,
written by ImageMagick); *.png is ImageMagick's sRGB of each.
"""

import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

here = Path(__file__).parent
convert = "/usr/bin/convert"
y, x = np.mgrid[0:32, 0:32] / 31
colours = np.stack([x, y, (1 - x) * (0.3 + 0.7 * y)], -1)
black = (1 - colours).min(-1, keepdims=True) * 0.8
inks = np.concatenate([(1 - colours - black) / (1 - black), black], -1)
picture = Image.fromarray((inks * 255).round().astype(np.uint8), "CMYK")
picture.save(here / "cmyk.jpg", quality=92)
picture.save(here / "inks.tif")
subprocess.run([convert, here / "inks.tif", "-quality", "92", here / "ycck.jpg"], check=True)
(here / "inks.tif").unlink()
for name in ("cmyk", "ycck"):
    to: list[str | Path] = ["-colorspace", "sRGB", "-depth", "8", "-strip", here / f"{name}.png"]
    subprocess.run([convert, here / f"{name}.jpg", *to], check=True)
