"""Prints ten megabytes, and some of it as an error."""

import sys

for digit in "0123456789":
    sys.stdout.write(digit * (1 << 20))
sys.stderr.write("e" * 100_000)
