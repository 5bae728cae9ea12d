"""The agent's C by itself: warnings, format, sanitizers, valgrind, other machines."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from agent_support import AGENT, NATIVE, STRICT, compile_c, compiler

CLOCK = [NATIVE / "clock_check.c", AGENT / "clock.c"]
BUFFER = [NATIVE / "buffer_check.c", AGENT / "buffer.c", AGENT / "chunk_file.c", AGENT / "clock.c"]
CALLS = [NATIVE / "call_check.c", AGENT / "call.c", *BUFFER[1:]]
PARTS = [pytest.param(CLOCK, id="clock"), pytest.param(BUFFER, id="buffer"), pytest.param(CALLS, id="calls")]
SOURCES = sorted(AGENT.glob("*.c"))


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("flags", [("-O0",), ("-O2", "-Wconversion"), ("-O3", "-flto")])
def test_the_agent_compiles_without_a_warning(tmp_path, flags):
    include = f"-isystem{sysconfig.get_path('include')}"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("no Python headers here")
    compile_c(tmp_path / "agent.so", SOURCES, include, *flags, "-shared", "-fPIC", "-fvisibility=hidden")


@pytest.mark.parametrize("source", [*SOURCES, *AGENT.glob("*.h"), *NATIVE.glob("*.c")], ids=lambda p: p.name)
def test_c_files_are_formatted_and_short(source):
    assert len(source.read_text().splitlines()) < 400
    if shutil.which("clang-format") is None:
        pytest.skip("no clang-format here")
    run("clang-format", "--dry-run", "--Werror", source)


@pytest.mark.parametrize(
    ("sanitizer", "arguments"), [("address,undefined", ["5000"]), ("thread", ["5000", "no-stops"])]
)
@pytest.mark.parametrize("sources", PARTS)
def test_the_parts_without_python_are_clean_under_sanitizers(tmp_path, sources, sanitizer, arguments):
    flags = ["-O1", "-g", "-fno-sanitize-recover=all", f"-fsanitize={sanitizer}"]
    probe = tmp_path / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    if subprocess.run([compiler(), probe, "-o", tmp_path / "probe", *flags], check=False).returncode:
        pytest.skip(f"this compiler has no {sanitizer} sanitizer")
    program = compile_c(tmp_path / "check", sources, *flags)
    assert "all checks hold" in run(program, tmp_path / "gil.bin", *arguments)


@pytest.mark.parametrize("sources", PARTS)
def test_the_parts_without_python_are_clean_under_valgrind(tmp_path, sources):
    if shutil.which("valgrind") is None:
        pytest.skip("no valgrind here")
    program = compile_c(tmp_path / "check", sources, "-O1", "-g")
    valgrind = ["valgrind", "--quiet", "--error-exitcode=9", "--fair-sched=yes"]
    assert "all checks hold" in run(*valgrind, program, tmp_path / "gil.bin", "500", "no-stops")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the processor is told to trap in its own way")
@pytest.mark.parametrize("flag", ["-O0", "-O2", "-O3"])
def test_a_signal_at_any_instruction_of_a_write_costs_no_record(tmp_path, flag):
    program = compile_c(tmp_path / "check", [NATIVE / "step_check.c", *BUFFER[1:]], flag)

    assert "all checks hold" in run(program, tmp_path / "gil.bin")


LINKING = [
    ("-fPIE", "-pie", "-Wl,-z,lazy"),
    ("-fPIE", "-pie", "-Wl,-z,now,-z,relro"),
    ("-fno-pie", "-no-pie"),
    ("-fno-plt",),
]
IMPORTS = [NATIVE / "import_check.c", AGENT / "elf_patch.c", AGENT / "elf_object.c"]


@pytest.mark.parametrize("flags", LINKING, ids=" ".join)
def test_an_import_table_is_redirected_and_put_back_however_it_was_linked(tmp_path, flags):
    program = compile_c(tmp_path / "check", IMPORTS, "-O1", *flags)
    assert "all checks hold" in run(program)


def test_musl_runs_the_parts_without_python(tmp_path):
    musl = shutil.which("musl-gcc")
    if musl is None:
        pytest.skip("no musl here")
    for name, sources in {"clock": CLOCK, "buffer": BUFFER, "imports": IMPORTS, "calls": CALLS}.items():
        program = tmp_path / name
        run(musl, *STRICT, "-O2", f"-I{AGENT}", *sources, "-o", program)
        assert "all checks hold" in run(program, tmp_path / "gil.bin", "5000")


def test_aarch64_runs_the_parts_without_python(tmp_path):
    cross, emulator = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
    if cross is None or emulator is None:
        pytest.skip("no compiler or emulator for aarch64 here")
    for name, sources in {"clock": CLOCK, "buffer": BUFFER, "imports": IMPORTS, "calls": CALLS}.items():
        program = tmp_path / name
        run(cross, *STRICT, "-O2", f"-I{AGENT}", *sources, "-o", program)
        out = run(emulator, "-L", "/usr/aarch64-linux-gnu", program, tmp_path / "gil.bin", "2000", "no-stops")
        assert "all checks hold" in out
