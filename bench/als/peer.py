"""Train implicit's ALS on a directory's train.csv and score every item for the users of foldin.csv.

usage: peer.py DIR FACTORS ALPHA REGULARIZATION EPOCHS THREADS
Writes DIR/scores.f32 (row-major little-endian float32) and prints the CPU seconds an epoch took.
"""
import os
import sys
import time

folder, factors, alpha, regularization, epochs, threads = sys.argv[1], *sys.argv[2:]
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # implicit's own threads are set below

import implicit
import numpy as np
import scipy.sparse as sp


def matrix(name):
    with open(os.path.join(folder, name)) as f:
        shape = tuple(int(n) for n in f.readline().split(","))
        pairs = np.array([line.split(",") for line in f], dtype=np.int64).reshape(-1, 2)
    return sp.csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), shape=shape)


train, foldin = matrix("train.csv"), matrix("foldin.csv")
model = implicit.cpu.als.AlternatingLeastSquares(
    factors=int(factors), alpha=float(alpha), regularization=float(regularization),
    iterations=int(epochs), num_threads=int(threads), use_cg=True, random_state=0)
start = time.process_time()
model.fit(train, show_progress=False)
print((time.process_time() - start) / int(epochs))
users = model.recalculate_user(np.arange(foldin.shape[0]), foldin)
(users @ model.item_factors.T).astype("<f4").tofile(os.path.join(folder, "scores.f32"))
