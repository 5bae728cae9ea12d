"""Builds what of gtrace is in C: the agent and the scheduler evidence; gtrace works without them, too."""

import sys
from glob import glob

from setuptools import Extension, setup

FOLDERS = {"gtrace/recorder/agent": "_agent", "gtrace/recorder/scheduler": "_scheduler"}


def extension(folder: str, name: str) -> Extension:
    return Extension(
        f"{folder.replace('/', '.')}.{name}",
        sources=sorted(glob(f"{folder}/*.c")),
        depends=sorted(glob(f"{folder}/*.h")),
        extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
        extra_link_args=["-pthread"],
        optional=True,
    )


setup(ext_modules=[extension(*item) for item in FOLDERS.items()] if sys.platform == "linux" else [])
