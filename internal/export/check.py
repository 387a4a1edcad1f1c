#!/usr/bin/env python3
"""Reads files of `vitrine export features` with pyarrow and checks what they promise.

    python3 -m pip install pyarrow numpy
    python3 internal/export/check.py items.parquet [users.parquet]
"""
import json
import sys

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq


def columns(name):
    file = pq.read_table(name)
    rows = {c: file[c].to_pylist() for c in file.column_names}
    print(f"{name}: {file.num_rows} rows, {dict((k.decode(), v.decode()) for k, v in file.schema.metadata.items() if k.startswith(b'vitrine.'))}")
    return file, rows


def one_length(rows, column):
    lengths = {len(v) for v in rows[column] if v is not None}
    assert len(lengths) <= 1, f"{column} has lengths {lengths}"
    print(f"  {column}: {sum(v is not None for v in rows[column])} of length {max(lengths, default=0)}")


def check_items(name):
    file, rows = columns(name)
    assert rows["item_id"] == sorted(rows["item_id"], key=str.encode), "item_id is not ascending"
    assert len(set(rows["item_id"])) == len(rows["item_id"]), "item_id is not unique"
    for time in ("value_time", "create_time"):
        assert pc.all(pc.less_equal(file[time], file["as_of_time"])).as_py() is not False, f"{time} is after as_of_time"
    for column in ("raw_output", "vector", "factor"):
        one_length(rows, column)
    for vector in rows["vector"]:
        assert vector is None or abs(np.linalg.norm(vector) - 1) < 1e-5, "a vector is not of unit length"
    for attributes in rows["attributes"]:
        assert isinstance(json.loads(attributes), dict)


def check_users(name):
    file, rows = columns(name)
    assert all((u is None) != (v is None) for u, v in zip(rows["user_id"], rows["visitor_id"])), "neither or both ids"
    assert pc.all(pc.less_equal(file["last_time"], file["as_of_time"])).as_py() is not False, "last_time is after as_of_time"
    one_length(rows, "factor")


if __name__ == "__main__":
    check_items(sys.argv[1])
    for users in sys.argv[2:]:
        check_users(users)
    print("ok")
