# SPDX-License-Identifier: GPL-3.0-or-later
# The rules of the house that a machine can see: floors, licences, names.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cd "$RAN_SRCDIR"
sources() {
    find "$@" -type f \( -name '*.[chS]' -o -name '*.def' \) 2>/dev/null | sort
}
problem() {
    echo "$*" >>"$TEST_DIR/problems"
}
: >"$TEST_DIR/problems"

# ---- Floors: what a folder may include of ours ------------------------------------------------
floor() {
    folder=$1
    shift
    allowed=$(printf '%s|' "$folder" ran "$@" | sed 's/|$//')
    # shellcheck disable=SC2046  # a list of files
    grep -nE '^ *# *include "[a-z_]+/' $(sources "$folder") /dev/null |
        grep -vE "\"($allowed)/" >>"$TEST_DIR/problems" || :
}
floor include
floor ir
floor frontend ir
floor passes ir
floor codegen ir passes
floor runtime/rt runtime/rt
floor runtime/train runtime ir passes codegen frontend
floor search ir frontend passes codegen runtime

only_in() {
    where=$1
    header=$2
    # shellcheck disable=SC2046
    grep -nE "^ *# *include [<\"]$header" \
        $(sources include ir frontend passes codegen runtime search tools) /dev/null |
        grep -v "^$where/" >>"$TEST_DIR/problems" || :
}
only_in frontend 'protobuf-c/'
only_in frontend '.*\.pb-c\.h'
only_in codegen 'llvm-c/'
only_in search 'glpk\.h'

# ---- Licences ----------------------------------------------------------------------------------
for file in $(sources include ir frontend passes codegen runtime search tools tests examples bench); do
    head -n 1 "$file" | grep -qE 'SPDX-License-Identifier: (GPL-3.0-or-later|Apache-2.0 WITH LLVM-exception)' ||
        problem "$file:1: no SPDX line"
done
for file in $(sources runtime/rt codegen/vecmath); do
    head -n 1 "$file" | grep -q 'Apache-2.0 WITH LLVM-exception' ||
        problem "$file:1: ends up in compiled models, so it is under Apache-2.0 WITH LLVM-exception"
done

# ---- What marks a thing as unfinished ------------------------------------------------------------
# shellcheck disable=SC2046
grep -nE '\b(TO''DO|FIX''ME|XX''X)\b' \
    $(sources include ir frontend passes codegen runtime search tools) /dev/null \
    >>"$TEST_DIR/problems" || :

# ---- Names: what is not static begins with ran_ -------------------------------------------------
for library in ir frontend passes codegen rantime rantrain; do
    nm -g --defined-only "$RAN_BUILDDIR/.libs/lib$library.a" 2>/dev/null |
        awk -v library="$library" '$2 ~ /^[A-Z]$/ && $3 !~ /^(ran_|onnx__|_)/ \
            { print "lib" library ": not static, yet not ran_: " $3 }' >>"$TEST_DIR/problems"
done
nm -D --defined-only "$RAN_BUILDDIR/.libs/libran.so" |
    awk '$2 ~ /^[A-Z]$/ && $3 !~ /^(ran_|_)/ { print "libran.so exports " $3 }' >>"$TEST_DIR/problems"

[ ! -s "$TEST_DIR/problems" ] || {
    cat "$TEST_DIR/problems"
    fail "$(wc -l <"$TEST_DIR/problems") problems"
}
