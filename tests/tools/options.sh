# SPDX-License-Identifier: GPL-3.0-or-later
# Every program: --version, --help on a screen, exit status 2 for usage errors, @FILE.
. "$RAN_SRCDIR/tests/harness/lib.sh"

for program in rancc ran-design ran-opt ran-run ran-search ran-stat ran-train; do
    expect 0 $program --version
    expect_text out "$program (rancc) "
    expect 0 $program --help
    expect_text out "Usage: $program"
    awk 'length > 100 { print "line too long: " $0; exit 1 }' out || fail "$program --help"
    [ "$(wc -l <out)" -le 100 ] || fail "$program --help does not fit a screen"
    expect 2 $program --no-such-option
    expect_text err "$program: unrecognized option"
    expect 2 $program --no-such-option --version
done

printf '%s\n' "--version" >options
expect 0 rancc @options
expect_text out "rancc (rancc) "
printf '%s\n' "'--no such' \"option\"" >options
expect 2 rancc @options
expect_text err "--no such"
expect 1 rancc @missing
expect_text err "missing"

# Options of clang's form are shown in it, and each group of options has its own.
for program in rancc ran-run ran-opt; do
    expect 0 $program --help
    expect_text out ' -OLEVEL '
    expect_text out ' -f[no-]PASS[=VALUE] '
    awk '/^ [^ ].*:$/ { if (empty) exit 1; empty = 1; next } NF { empty = 0 }' out ||
        fail "$program --help has a heading without options"
done
expect 0 rancc --help
expect_text out ' -emit-llvm '
expect_text out ' -MD, -MF FILE, -MT NAME'

# A prefix is taken as it is, or refused.
for prefix in 3x a-b 'a b' ''; do
    expect 2 rancc --prefix="$prefix" model.onnx
    expect_text err "--prefix=$prefix: letters, digits and _"
done
