"""Builds what of gtrace is in C: the agent and the scheduler evidence; gtrace works without them, too."""

import sys
from glob import glob

from setuptools import Extension, find_namespace_packages, setup

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


setup(
    # the lab runs the workloads, so they go with it, from the folder where a reader looks for them
    packages=[*find_namespace_packages(include=["gtrace*"]), "gtrace.workloads"],
    package_dir={"gtrace.workloads": "workloads"},
    ext_modules=[extension(*item) for item in FOLDERS.items()] if sys.platform == "linux" else [],
)
