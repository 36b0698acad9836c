# SPDX-License-Identifier: GPL-3.0-or-later
# Assertions for tests of programs. A test is a shell script that begins with
#     . "$RAN_SRCDIR/tests/harness/lib.sh"
# It runs in an empty directory of its own, stops at the first failed assertion, and says what it
# was. The build's programs are on PATH. Environment: see AM_TESTS_ENVIRONMENT in tests/local.mk.
set -eu

TEST_NAME=$(basename "$0" .sh)
TEST_DIR=$RAN_BUILDDIR/tests/tmp/$TEST_NAME
rm -rf "$TEST_DIR"
mkdir -p "$TEST_DIR"
cd "$TEST_DIR"

# The directory stays when the test failed.
finish_test() {
    finish_status=$?
    cd /
    case $finish_status in
    0 | 77) rm -rf "$TEST_DIR" ;;
    *) echo "FAIL: $TEST_NAME: exit status $finish_status; files are in $TEST_DIR" ;;
    esac
}
trap finish_test EXIT

fail() {
    echo "FAIL: $*"
    exit 1
}

# skip REASON: this machine cannot run the test.
skip() {
    echo "SKIP: $*"
    exit 77
}

# need_command NAME PACKAGE
need_command() {
    command -v "$1" >/dev/null 2>&1 || skip "needs $1 (Debian: $2)"
}

# need_data PATH: sets DATA to that file or directory of the test data. Where the data is not
# there at all the test is skipped; where only this file is missing it fails.
need_data() {
    [ -n "${RANCC_TEST_DATA:-}" ] || skip "needs test data: RANCC_TEST_DATA is not set"
    [ -d "$RANCC_TEST_DATA" ] || skip "needs test data: no directory $RANCC_TEST_DATA"
    DATA=$RANCC_TEST_DATA/$1
    [ -e "$DATA" ] || fail "test data is there, but $1 is missing"
}

# need_model NAME: sets MODEL to an unpacked directory (model.onnx, test_data_set_*) of the real
# models in the test data; unpacked once for all tests.
need_model() {
    need_data models/real.tar.xz
    need_model_root=$RAN_BUILDDIR/tests/real_models
    (
        flock 9
        [ -e "$need_model_root/unpacked" ] || {
            tar -C "$need_model_root" -xf "$DATA" && touch "$need_model_root/unpacked"
        }
    ) 9>"$(mkdir -p "$need_model_root" && echo "$need_model_root/lock")"
    MODEL=$need_model_root/models/$1
    [ -e "$MODEL/model.onnx" ] || fail "test data has no model $1"
}

# has_peer: whether ONNX Runtime, which the test data installs through npm, can be asked.
has_peer() {
    [ -e "${RANCC_TEST_DATA:-/nonexistent}/peers/ort.sh" ] && command -v node >/dev/null 2>&1 &&
        command -v npm >/dev/null 2>&1
}

# peer run MODEL DATA OUT: asks it. Tests that run beside each other install it once.
peer() {
    mkdir -p "$XDG_CACHE_HOME"
    flock "$XDG_CACHE_HOME/peer.lock" sh "$RANCC_TEST_DATA/peers/ort.sh" "$@"
}

# need_aarch64: sets CROSS_CC and CROSS_RUN.
need_aarch64() {
    [ -n "$RAN_AARCH64_CC" ] || skip "needs aarch64-linux-gnu-gcc (Debian: gcc-aarch64-linux-gnu)"
    [ -n "$RAN_QEMU_AARCH64" ] || skip "needs qemu-aarch64 (Debian: qemu-user)"
    CROSS_CC=$RAN_AARCH64_CC
    CROSS_RUN="$RAN_QEMU_AARCH64 -L /usr/aarch64-linux-gnu"
}

# run COMMAND...: runs it with the output in files out and err, and its exit status in STATUS.
run() {
    STATUS=0
    "$@" >out 2>err || STATUS=$?
    [ $STATUS -lt 128 ] || {
        show_output
        fail "killed by signal $((STATUS - 128)): $*"
    }
}

show_output() {
    sed 's/^/stdout: /' out | head -n 40
    sed 's/^/stderr: /' err | head -n 40
}

# expect STATUS COMMAND...
expect() {
    expect_status=$1
    shift
    run "$@"
    [ "$STATUS" -eq "$expect_status" ] || {
        show_output
        fail "exit status $STATUS, expected $expect_status: $*"
    }
}

# expect_text FILE TEXT: the file holds this text (a fixed string).
expect_text() {
    grep -qF -e "$2" "$1" || {
        sed "s/^/$1: /" "$1" | head -n 40
        fail "$1 does not hold: $2"
    }
}

# expect_no_text FILE TEXT
expect_no_text() {
    ! grep -nF -e "$2" "$1" || fail "$1 holds: $2"
}

# expect_equal ACTUAL EXPECTED WHAT
expect_equal() {
    [ "$1" = "$2" ] || fail "$3: got '$1', expected '$2'"
}

# expect_file PATH... / expect_no_file PATH...
expect_file() {
    for expect_path; do
        [ -s "$expect_path" ] || fail "missing or empty: $expect_path"
    done
}

expect_no_file() {
    for expect_path; do
        [ ! -e "$expect_path" ] || fail "left behind: $expect_path"
    done
}
