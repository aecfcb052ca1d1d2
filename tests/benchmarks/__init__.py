"""The toolkit and the runtime beside their peers: ``python -m tests.benchmarks``."""
