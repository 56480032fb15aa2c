"""One script per question. `make bench` runs them all; `python -m bench.NAME` one."""
