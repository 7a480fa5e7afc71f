# Front door only: the build itself is CMake's (cmake --preset release && cmake --build --preset release).
.DEFAULT_GOAL := help
.PHONY: help demo demo-words check bench fuzz install build
FUZZ_SECONDS ?= 60
PREFIX ?= /usr/local
BENCHES := $(sort $(patsubst bench/%.sh,%,$(wildcard bench/*.sh)) \
	$(filter-out net peak fill,$(patsubst bench/bench_%.c,%,$(wildcard bench/bench_*.c))))

help:
	@echo "make demo          install what is needed, build, and see the whole story in under 5 minutes"
	@echo "make demo-words    the same for words that fill the same gap, from a dictionary and the Bible"
	@echo "make build         install what is needed and build build/release/likeness"
	@echo "make check         every check and every test (needs clang and its tools; installs them)"
	@echo "make bench         all benchmarks but losses; make bench-NAME for one: $(BENCHES)"
	@echo "                   shorter: QUICK=1, or SECONDS=1 ROUNDS=1 NETS=small; see docs/performance.md"
	@echo "make fuzz          every fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS) seconds each"
	@echo "make install       to PREFIX=$(PREFIX) (and DESTDIR): program, libraries, headers, man pages, models"

build:
	@scripts/packages.sh build
	@scripts/build.sh release

demo: build
	@scripts/demo.sh

demo-words: build
	@scripts/packages.sh words
	@scripts/demo_words.sh

check:
	@scripts/packages.sh build check
	@scripts/check.sh

# A benchmark is bench/NAME.sh or bench/bench_NAME.c; the table alone goes to stdout. bench_net and bench_peak (the
# machine's own peak, make bench-peak) serve the others.
# The losses take hours and measure what is learned, not how fast.
bench: $(addprefix bench-,$(filter-out losses,$(BENCHES)))
bench-%:
	@scripts/packages.sh build >&2
	@scripts/build.sh release >&2
	@if [ -x bench/$*.sh ]; then bench/$*.sh; else build/release/bench_$*; fi

fuzz:
	@scripts/packages.sh build fuzz
	@scripts/build.sh fuzz
	@scripts/fuzz.sh $(FUZZ_SECONDS)

# Configured again, because the program is told where its models will lie.
install: build
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@scripts/build.sh release
	cmake --install build/release
