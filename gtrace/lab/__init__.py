"""What is said about Python threads, measured: each claim has a workload and a check on its Timeline."""
