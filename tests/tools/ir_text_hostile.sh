# SPDX-License-Identifier: GPL-3.0-or-later
# Hostile texts: a message and status 1, in bounded time and memory.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# Sanitizers reserve address space by the terabyte.
[ -n "$RAN_SANITIZED" ] || ulimit -v 2000000

# repeat COUNT TEXT
repeat() {
    awk -v n="$1" -v text="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%s", text }'
}

# refuses MESSAGE: what is in text.ran is refused with this message, not more than 20 of them.
refuses() {
    expect 1 timeout 10 ran-opt text.ran -o result.ran
    expect_text err "$1"
    expect_no_file result.ran
    [ "$(grep -c 'error:' err)" -le 20 ] || fail "more than 20 errors"
}

argument() {
    printf 'func @main(%%x: %s) {\n  return\n}\n' "$1" >text.ran
}

argument "$(repeat 100000 'sequence<')"
refuses "the type nests too deeply"
argument "tensor<$(repeat 100000 '(')1$(repeat 100000 ')')xf32>"
refuses "the dimension is too long"
argument "tensor<(N$(repeat 100000 ' + M'))xf32>"
refuses "the dimension is too long"
argument "tensor<$(repeat 100000 '1x')f32>"
refuses "the rank is above 16"
argument "tensor<99999999999999999999xf32>"
refuses "the dimension is too large"
argument "tensor<1099511627776x1099511627776xf32>"
refuses "too many elements"
argument "tensor<(N floordiv 0)xf32>"
refuses "the divisor is not positive"

{
    printf 'func @main(%%c: tensor<bool>) {\n'
    repeat 100000 '%0 = if %c : tensor<f32> () {
'
} >text.ran
refuses "regions nest too deeply"

printf 'const @w = tensor<1000000000xf32> splat(1)\n' >text.ran
refuses "take more than 256 MiB"
{
    for i in 1 2 3 4 5; do
        printf 'const @w%d = tensor<20000000xf32> noise(%d)\n' $i $i
    done
} >text.ran
refuses "take more than 256 MiB"
printf 'const @w = tensor<1000000000xf32> [1, 2]\n' >text.ran
refuses "fewer elements than"
printf 'const @w = tensor<1000000000xf32> hex("00")\n' >text.ran
refuses "hexadecimal digits"
printf 'const @w = tensor<1xf32> [%s]\n' "$(repeat 100000 1)" >text.ran
refuses "the number is too long"

repeat 300000 '%0 = relu %x : tensor<f32>
' >text.ran
refuses "expected 'const' or 'func'"
head -c 3000000 /dev/zero | tr '\0' '"' >text.ran
refuses "error:"
head -c 3000000 /dev/zero >text.ran
refuses "unexpected byte 0x00"
: >text.ran
refuses "the text has no function"

# Truncated at every place.
golden=$RAN_SRCDIR/tests/ir/verify/regions.ran
size=$(wc -c <"$golden")
at=200
while [ $at -lt "$size" ]; do
    head -c $at "$golden" >text.ran
    expect 1 ran-opt text.ran -o result.ran
    expect_no_file result.ran
    at=$((at + 37))
done
