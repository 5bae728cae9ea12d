"""The tables of a Timeline in other formats."""
