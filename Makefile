# The front door. meson and ninja do the building (meson.build), the scripts in tools/ the rest; this file
# only gives the verbs. Everything that is built goes into build/ or build-<variant>/.

SECONDS ?= 60
SEEDS ?= 100
ARGS ?=

ASAN = CFLAGS="-fno-sanitize-recover=undefined" MESON_ARGS="-Db_sanitize=address,undefined"
TSAN = MESON_ARGS="-Db_sanitize=thread"
FUZZ = CC=clang CFLAGS="-fno-sanitize-recover=undefined -fsanitize=fuzzer-no-link" \
	MESON_ARGS="-Dfuzz=true -Db_lundef=false -Db_sanitize=address,undefined"

.PHONY: all run test check asan tsan fuzz sim chaos bench bench-large bench-logs bench-memory bench-rules bench-workflow fmt clang clean

# The program build/qstash, and everything else there is to build.
all: build/build.ninja
	@tools/build build

# Installs what is missing, builds, and starts a development server in the foreground.
run:
	@tools/install-deps run
	@tools/build build src/app/qstash
	@exec build/qstash dev $(ARGS)

# Installs what is missing, builds, and runs every test. The last line is `N passed, N failed`.
test:
	@tools/install-deps test
	@tools/build build
	@tools/run-tests build

# What a change has to pass: the gates, a build without warnings by either compiler, and every test.
check:
	@tools/install-deps check
	@tools/build build
	@tools/run-gates build
	@CC=clang tools/build build-clang
	@tools/run-tests build

# The tests under AddressSanitizer and UndefinedBehaviorSanitizer.
asan:
	@tools/install-deps test
	@$(ASAN) tools/build build-asan
	@T_TIMEOUT_FACTOR=5 tools/run-tests build-asan

# The tests under ThreadSanitizer.
tsan:
	@tools/install-deps test
	@$(TSAN) tools/build build-tsan
	@T_TIMEOUT_FACTOR=10 tools/run-tests build-tsan

# Each fuzz target for SECONDS seconds.
fuzz:
	@tools/install-deps check
	@$(FUZZ) tools/build build-fuzz
	@tools/run-fuzz build-fuzz $(SECONDS)

# SEEDS runs of the simulator, each a history of faults in virtual time.
sim: build/build.ninja
	@tools/build build sim/sim
	@build/sim/sim --seeds $(SEEDS) $(ARGS)

# Processes, databases and log processes that die, stall and are replaced, under load: nothing may be lost. Its short form
# is part of `make test`.
chaos:
	@tools/install-deps test
	@tools/build build src/app/qstash
	@QSTASH_BIN=$(CURDIR)/build/qstash node test/chaos/chaos.mjs $(ARGS)

# Measurements, each in a release build of its own (build-bench/); ARGS="--help" tells what they take.
bench:
	@tools/install-deps bench
	@bench/run $(ARGS)
	@bench/rules
	@bench/workflow

bench-rules:
	@tools/install-deps test
	@bench/rules $(ARGS)

bench-workflow:
	@tools/install-deps test
	@bench/workflow $(ARGS)

bench-large:
	@tools/install-deps test
	@bench/large $(ARGS)

bench-logs:
	@tools/install-deps test
	@bench/logs $(ARGS)

bench-memory:
	@tools/install-deps test
	@bench/memory $(ARGS)

# Brings all C sources into the form that .clang-format describes.
fmt:
	@tools/c-files | xargs clang-format-19 -i

clang:
	@CC=clang tools/build build-clang

build/build.ninja:
	@meson setup build

clean:
	rm -rf build build-asan build-bench build-clang build-fuzz build-tsan
