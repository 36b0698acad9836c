# SPDX-License-Identifier: GPL-3.0-or-later
# ran-opt: what it writes it reads back as the same text, from files and standard input; an error
# leaves no file.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# round_trip MODEL: imported or read, printed, read, printed: the same text and side file.
round_trip() {
    expect 0 ran-opt "$1" -o first.ran --weights=model.weights
    cp model.weights first.weights 2>/dev/null || : >first.weights
    expect 0 ran-opt first.ran -o second.ran --weights=model.weights
    cmp first.ran second.ran || fail "$1: print(parse(x)) is not x"
    [ ! -e model.weights ] || cmp first.weights model.weights || fail "$1: side files differ"
    rm -f -- *.ran *.weights
}

texts=0
for golden in "$RAN_SRCDIR"/tests/ir/*/*.ran; do
    ! grep -q '^// EXIT: [^0]' "$golden" || continue
    round_trip "$golden"
    texts=$((texts + 1))
done
[ $texts -ge 2 ] || fail "only $texts golden files"

golden=$RAN_SRCDIR/tests/ir/text/forms.ran
expect 0 ran-opt "$golden"
mv out expected
expect 0 ran-opt - <"$golden"
cmp out expected || fail "standard input"
expect 0 ran-opt <"$golden"
cmp out expected || fail "no argument"
expect 0 ran-opt --verify-only "$golden"
expect_equal "$(cat out)" "" "output of --verify-only"

expect 0 ran-opt --list-ops
expect_text out '| `conv` | x, w, b? | y |'

echo 'func @main() { %0 = nonsense : tensor<f32>' >wrong.ran
expect 1 ran-opt wrong.ran -o result.ran --weights=result.weights
expect_text err "wrong.ran:1:21: error: there is no op 'nonsense'"
expect_no_file result.ran result.weights
expect 1 ran-opt missing.ran -o result.ran
expect_text err "missing.ran"
expect 1 ran-opt "$golden" -o no/such/directory/result.ran
expect_text err "no/such/directory"
expect 1 ran-opt "$golden" -o result.ran --weights=no/such/result.weights
expect_no_file result.ran
expect 2 ran-opt a.ran b.ran
[ -z "$(ls -- *.tmp 2>/dev/null)" ] || fail "temporary files are left"
