"""The experiments, a module for each claim or group of claims."""
