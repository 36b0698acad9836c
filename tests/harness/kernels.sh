# SPDX-License-Identifier: GPL-3.0-or-later
# What tests of kernels share: cases are the files in tests/kernels. Their first results are what is
# compared, the others their inputs, so that programs can read them.

# interpret MODEL: runs it by the reference evaluator; sets NAME and INPUTS, its files.
interpret() {
    NAME=$(basename "$1" .ran)
    interpret_results=$(sed -n 's/^\/\/ RESULTS: //p' "$1")
    expect 0 ran-run --interpret --output-dir="$NAME" "$1"
    INPUTS=
    interpret_i=$interpret_results
    while [ -e "$NAME/output_$interpret_i.pb" ]; do
        INPUTS="$INPUTS $NAME/output_$interpret_i.pb"
        interpret_i=$((interpret_i + 1))
    done
    expect_file "$NAME/output_$((interpret_i - 1)).pb"
}

# same_as_reference MODEL DIR: the results in DIR are those of the reference.
same_as_reference() {
    same_wanted=
    same_i=0
    while [ -e "$2/output_$same_i.pb" ]; do
        same_wanted="$same_wanted --expected=$2/output_$same_i.pb"
        same_i=$((same_i + 1))
    done
    [ "$same_i" -eq "$interpret_i" ] || fail "$2: $same_i results, expected $interpret_i"
    # shellcheck disable=SC2086  # a list of words
    expect 0 ran-run --interpret $same_wanted "$1"
}
