"""Fit a recommender on a directory's train.csv and score every item for the rows of query.csv.

usage: peers.py DIR METHOD FACTORS THREADS NAME=VALUE...
train.csv, query.csv: "rows,items", then "row,item" for every positive; known.csv: the training
row of each query row, -1 for a stranger; features.csv: "features", then "item,feature".
Writes DIR/scores.f32 (row-major little-endian float32) and prints the CPU seconds of the
training, and of one epoch where there are any.
"""
import os
import sys

folder, method, factors, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
setting = {name: float(value) for name, value in (a.split("=") for a in sys.argv[5:])}
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1" if method == "implicit" else str(threads)  # implicit's own threads are set below

import time

import numpy as np
import scipy.sparse as sp


def lines(name):
    with open(os.path.join(folder, name)) as f:
        head = [int(n) for n in f.readline().split(",")]
        return head, np.array([line.split(",") for line in f], dtype=np.int64)


def matrix(name):
    head, pairs = lines(name)
    pairs = pairs.reshape(-1, 2)
    return sp.csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), shape=head)


def implicit_als(train, query):
    import implicit

    epochs = int(setting["epochs"])
    model = implicit.cpu.als.AlternatingLeastSquares(
        factors=factors, alpha=setting["alpha"], regularization=setting["regularization"], iterations=epochs,
        num_threads=threads, use_cg=True, random_state=0)
    start = time.process_time()
    model.fit(train, show_progress=False)
    cpu = time.process_time() - start
    return cpu, cpu / epochs, model.recalculate_user(np.arange(query.shape[0]), query) @ model.item_factors.T


def ease(train, query):
    """Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019, equation 8."""
    start = time.process_time()
    gram = (train.T @ train).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += setting["ridge"]
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0
    return time.process_time() - start, 0, query @ weights


def lightfm(train, query):
    import lightfm

    head, pairs = lines("features.csv")
    pairs, items = pairs.reshape(-1, 2), train.shape[1]
    content = sp.csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), shape=(items, head[0]))
    trained = np.asarray(train.sum(axis=0)).ravel() > 0  # a new item is known by its features alone
    features = sp.hstack([sp.diags(trained.astype(np.float32)), content]).tocsr()
    features = sp.diags(1 / np.maximum(np.asarray(features.sum(axis=1)).ravel(), 1)) @ features
    model = lightfm.LightFM(no_components=factors, loss="warp", item_alpha=setting["alpha"], user_alpha=setting["alpha"], random_state=0)
    epochs = int(setting["epochs"])
    start = time.process_time()
    model.fit(train, item_features=features.tocsr().astype(np.float32), epochs=epochs, num_threads=threads)
    cpu = time.process_time() - start
    user_bias, users = model.get_user_representations()
    item_bias, vectors = model.get_item_representations(features.tocsr().astype(np.float32))
    rows = lines("known.csv")[1].ravel()
    return cpu, cpu / epochs, users[rows] @ vectors.T + item_bias


cpu, epoch, scores = {"implicit": implicit_als, "ease": ease, "lightfm": lightfm}[method](matrix("train.csv"), matrix("query.csv"))
np.asarray(scores).astype("<f4").tofile(os.path.join(folder, "scores.f32"))
print(cpu, epoch)
