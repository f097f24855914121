"""The benchmarks: this project and its peers over the same rows, in turn."""
