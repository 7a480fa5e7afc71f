#!/bin/bash
# search.sh: one probe against a gallery of 100,000 photos, and what filling and opening it costs.
cd "$(dirname "$0")/.." && exec build/release/bench_search "$@"
