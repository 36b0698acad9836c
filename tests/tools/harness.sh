# SPDX-License-Identifier: GPL-3.0-or-later
# The harness itself: a runner that passes everything would make every test worthless.
. "$RAN_SRCDIR/tests/harness/lib.sh"

runner="sh $RAN_SRCDIR/tests/harness/ir_runner"
summary="sh $RAN_SRCDIR/tests/harness/summary"

# golden FILE COMMAND EXPECTED...: a golden test whose "program" is a shell command
golden() {
    file=$1
    printf '// RUN: %s\n' "$2" >"$file"
    shift 2
    printf '%s\n' "$@" >>"$file"
}

golden same.ran 'echo a; echo; echo b' '// CHECK-EXACT' '// a' '//' '// b'
expect 0 $runner same.ran
golden other.ran 'echo a; echo c' '// CHECK-EXACT' '// a' '//' '// b'
expect 1 $runner other.ran
expect_text out '+c'
golden nothing.ran 'echo a'
expect 1 $runner nothing.ran
golden status.ran 'echo a; exit 3' '// CHECK-EXACT' '// a'
expect 1 $runner status.ran
golden status_right.ran 'exit 3' '// EXIT: 3'
expect 0 $runner status_right.ran

RAN_BLESS=1 expect 0 $runner other.ran
expect 0 $runner other.ran
expect_text other.ran '// c'

error='echo "%s:4:1: error: bad shape here" >&2; exit 1'
golden error.ran "$error" '// EXIT: 1' '' 'x // ERROR: bad shape'
expect 0 $runner error.ran
golden error_line.ran "$error" '// EXIT: 1' 'x // ERROR: bad shape'
expect 1 $runner error_line.ran
golden error_more.ran "echo '%s:3:1: error: other' >&2; $error" '// EXIT: 1' '' 'x // ERROR: bad shape'
expect 1 $runner error_more.ran

for result in PASS FAIL SKIP; do
    echo ":test-result: $result" >$result.trs
    echo "SKIP: needs test data" >$result.log
done
RANCC_TEST_DATA= expect 0 $summary 'PASS.log SKIP.log'
expect_equal "$(tail -n 1 out)" "1 passed, 0 failed, 1 skipped" summary
RANCC_TEST_DATA=$TEST_DIR expect 1 $summary 'PASS.log SKIP.log'
expect 1 $summary 'PASS.log FAIL.log'
expect_equal "$(tail -n 1 out)" "1 passed, 1 failed, 0 skipped" summary
