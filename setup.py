"""Builds the agent, the one part of gtrace in C; without a compiler gtrace installs and works without it."""

from glob import glob

from setuptools import Extension, setup

AGENT = "gtrace/recorder/agent"

setup(
    ext_modules=[
        Extension(
            "gtrace.recorder.agent._agent",
            sources=sorted(glob(f"{AGENT}/*.c")),
            depends=sorted(glob(f"{AGENT}/*.h")),
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
            extra_link_args=["-pthread"],
            optional=True,
        )
    ]
)
