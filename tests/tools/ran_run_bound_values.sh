# SPDX-License-Identifier: GPL-3.0-or-later
# An input whose value is a shape: native code is compiled for what each data set brings.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# npy FILE DTYPE SHAPE BYTES: a .npy with a header of 128 bytes in all.
npy() {
    printf '\223NUMPY\001\000\166\000' >"$1"
    printf '%-117s\n' "{'descr': '$2', 'fortran_order': False, 'shape': ($3), }" >>"$1"
    printf "$4" >>"$1"
}

cat >model.ran <<'IR'
func @main(%x: tensor<2x2xf32>, %s: tensor<1xi64>, %n: tensor<1xi64>) -> (%y: tensor<?1x?2xf32>) {
  %0 = reshape %x, %s : tensor<?0xf32>
  %1 = add %0, %0 : tensor<?0xf32>
  %2 = unsqueeze %1, %n : tensor<?1x?2xf32>
  return %2
}
IR
zero='\000\000\000\000'
one='\000\000\200\077'
for set in 0 1; do
    npy "x$set.npy" '<f4' '2, 2' "$one$zero$one$zero"
    npy "n$set.npy" '<i8' '1,' "$zero$zero"
done
npy s0.npy '<i8' '1,' "\\004\\000\\000\\000$zero"
npy s1.npy '<i8' '1,' '\377\377\377\377\377\377\377\377'
two='\000\000\000\100'
npy y.npy '<f4' '1, 4' "$two$zero$two$zero"
npy wrong.npy '<f4' '1, 4' "$two$zero$two$one"

for set in 0 1; do
    for level in -O0 -O3; do
        expect 0 ran-run $level --input x=x$set.npy --input s=s$set.npy --input n=n$set.npy \
            --expected y=y.npy model.ran
    done
done
expect 4 ran-run --input x=x0.npy --input s=s0.npy --input n=n0.npy --expected y=wrong.npy model.ran
npy bad.npy '<i8' '1,' "\\005\\000\\000\\000$zero"
expect 1 ran-run --input x=x0.npy --input s=bad.npy --input n=n0.npy model.ran
