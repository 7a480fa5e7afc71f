#!/bin/bash
# check.sh: every check there is, cheapest first; goes on after a failure so that one run tells everything.
# Logs stay in build/check/. The closing line counts each check and each test of each build.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=build/check
rm -rf $logs
mkdir -p $logs
passed=0 failed=0 skipped=0
failures=()
# Tests beside each other, as many as there are cores; threads that wait for each other let go of theirs meanwhile.
export CTEST_OUTPUT_ON_FAILURE=1 GTEST_COLOR=no CTEST_PARALLEL_LEVEL=$(nproc) OMP_WAIT_POLICY=passive

run() { # NAME COMMAND...: one check
    local name=$1 started=$SECONDS
    shift
    printf '%-44s ' "$name"
    if "$@" >"$logs/${name//[^a-z0-9]/-}.log" 2>&1; then
        passed=$((passed + 1))
        printf 'ok      %4d s\n' $((SECONDS - started))
        grep '^note: ' "$logs/${name//[^a-z0-9]/-}.log" | sed 's/^/    /'
        return 0
    fi
    failed=$((failed + 1))
    failures+=("$name")
    printf 'FAILED  %4d s\n' $((SECONDS - started))
    tail -60 "$logs/${name//[^a-z0-9]/-}.log" | sed 's/^/    /'
    return 1
}

count() { sed -n "s/^<testsuite.*/&/; s/^[ \t]*$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -1; }

tests() { # NAME PRESET [CTEST OPTION...]: the tests of one build
    local name=$1 preset=$2 started=$SECONDS log junit all bad skip
    shift 2
    log=$logs/${name//[^a-z0-9]/-}.log
    junit=$PWD/$logs/$preset.xml
    printf '%-44s ' "$name"
    # Address randomisation is off where it can be: ThreadSanitizer of this age does not know every layout.
    local plain=()
    setarch "$(uname -m)" -R true 2>/dev/null && plain=(setarch "$(uname -m)" -R)
    "${plain[@]}" ctest --test-dir "build/$preset" --output-junit "$junit" "$@" >"$log" 2>&1
    all=$(count tests "$junit") bad=$(count failures "$junit") skip=$(count skipped "$junit")
    if [ -z "$all" ] || [ "$all" -eq 0 ]; then
        failed=$((failed + 1))
        failures+=("$name")
        printf 'FAILED: no test ran\n'
        tail -20 "$log" | sed 's/^/    /'
        return 1
    fi
    passed=$((passed + all - bad - skip)) failed=$((failed + bad)) skipped=$((skipped + skip))
    printf '%-7s %4d s  %d of %d tests' "$([ "$bad" -eq 0 ] && echo ok || echo FAILED)" $((SECONDS - started)) \
        $((all - bad - skip)) "$all"
    [ "$skip" -eq 0 ] || printf ', %d skipped' "$skip"
    printf '\n'
    if [ "$bad" -ne 0 ]; then
        failures+=("$name")
        grep -E '\*\*\*|\[  ERROR|\[   LINE|ERROR: |WARNING: ThreadSan|runtime error' "$log" | head -40 | sed 's/^/    /'
        return 1
    fi
}

# The analyzer, which follows paths through functions, takes 30 times as long as all the rest: ANALYZE=1 runs it too.
tidy() {
    local analyzer=(--checks='-clang-analyzer-*')
    [ -z "${ANALYZE:-}" ] || analyzer=()
    git ls-files 'src/*.c' |
        xargs -P "$(nproc)" -n 1 clang-tidy -p build/clang --quiet --warnings-as-errors='*' "${analyzer[@]}"
}

run "layers: who includes whom" scripts/check-layers.sh
run "files: sizes, paths, pictures" scripts/check-files.sh
run "format" scripts/check-format.sh
run "headers alone, in C and C++" scripts/check-headers.sh

run "build: gcc, warnings are errors" scripts/build.sh gcc &&
    tests "tests: release" gcc
run "library: symbols, output, state" scripts/check-library.sh build/gcc
run "install: used from C and C++" scripts/check-install.sh build/gcc
run "build: clang, warnings are errors" scripts/build.sh clang
run "clang-tidy" tidy
# Without those that measure how good the figures are, or that wait for others: they run no code that the rest does not.
unsanitized='^cli_(faces|data|data_faces|data_faults|ranks|watch|photos|man|usage|serve_random|train|train_detector'
unsanitized+='|calibrate|damage|eval_report|gallery_people|python|report)$|^nn_layers_avx2$|^gallery_on_|^eval_(bootstrap|compare|sklearn)$'
unsanitized+='|^face_people$|^words_train$'
run "build: address and undefined sanitizers" scripts/build.sh asan &&
    tests "tests: address and undefined sanitizers" asan -E "$unsanitized"
run "build: thread sanitizer" scripts/build.sh tsan tests_base tests_gallery tests_face tests_words likeness cli_draw &&
    tests "tests: thread sanitizer" tsan -R '^base_|^gallery_(audit|index|search|store)$|^face_.*loader|^words_threads|^cli_serve_random$'

echo
[ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
echo "$((SECONDS / 60)) min $((SECONDS % 60)) s; logs in $logs"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
