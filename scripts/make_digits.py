"""Makes src/convscope/data/digits.npz, the embedded data set, from scikit-learn's copy of the UCI digits.

    .venv/bin/python scripts/make_digits.py

Source: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998,
doi 10.24432/C50P49, licence CC BY 4.0. scikit-learn carries its test set: 1 797 pictures of 8 x 8 values 0 .. 16.
The file holds them as they are (uint8); `convscope.data.digits` scales them to 0 .. 255. The same bytes come out on
every machine: the archive is not compressed and carries no time.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from convscope import files

TARGET = Path(__file__).resolve().parents[1] / "src" / "convscope" / "data" / "digits.npz"


def main() -> None:
    """Writes the file and says its hash."""
    bunch = load_digits()
    arrays = {"images": bunch.images.astype(np.uint8), "labels": bunch.target.astype(np.uint8)}
    with files.writing(TARGET) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data.getvalue())
    print(f"{TARGET}: {TARGET.stat().st_size} bytes, SHA-256 {files.sha256_file(TARGET)}")


if __name__ == "__main__":
    main()
