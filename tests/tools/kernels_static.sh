# SPDX-License-Identifier: GPL-3.0-or-later
# The inner loops of convolutions and matrix products, in the assembly for targets that need not be
# this machine: they multiply and add, and nothing goes through the stack.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >model.ran <<'END'
const @w0 = tensor<128x64x3x3xf32> noise(1, 0.2)
const @w1 = tensor<128x64x1x1xf32> noise(2, 0.2)
const @w2 = tensor<64x3x7x7xf32> noise(3, 0.2)
const @w3 = tensor<96x1x3x3xf32> noise(4, 0.2)
const @w4 = tensor<192x768xf32> noise(5, 0.2)
const @b = tensor<128xf32> noise(6, 0.2)

func @main(%x0: tensor<1x64x28x28xf32>, %x1: tensor<1x3x56x56xf32>, %x2: tensor<1x96x28x28xf32>,
           %x3: tensor<197x192xf32>)
    -> (tensor<1x128x28x28xf32>, tensor<1x128x28x28xf32>, tensor<1x64x28x28xf32>,
        tensor<1x96x28x28xf32>, tensor<197x768xf32>) {
  %0 = conv %x0, @w0, @b {pads = [1, 1, 1, 1]} : tensor<1x128x28x28xf32>
  %1 = conv %x0, @w1, @b : tensor<1x128x28x28xf32>
  %2 = conv %x1, @w2 {pads = [3, 3, 3, 3], strides = [2, 2]} : tensor<1x64x28x28xf32>
  %3 = conv %x2, @w3 {group = 96, pads = [1, 1, 1, 1]} : tensor<1x96x28x28xf32>
  %4 = matmul %x3, @w4 : tensor<197x768xf32>
  %5 = relu %0 : tensor<1x128x28x28xf32>
  return %5, %1, %2, %3, %4
}
END

# inner_loops FILE: prints "function fma stack other-fma" for each block that jumps back to itself
# and has at least eight multiply-adds.
inner_loops() {
    awk '
        function block_ends(target) {
            if (target == label && fma >= 8)
                print name, fma, stack, odd
        }
        /^[A-Za-z_][A-Za-z0-9_.]*:/ { name = substr($1, 1, length($1) - 1) }
        /^\.L[A-Za-z0-9_]*:/ { label = substr($1, 1, length($1) - 1); fma = stack = odd = 0 }
        /vfmadd|fmla/ { fma++ }
        /fmla/ && !/\.s\[/ { odd++ }
        /vmov[a-z]*.*\(%rsp\)|[a-z]+.*[xyz]mm.*\(%rsp\)|\(%rsp\).*[xyz]mm|[ \t]q[0-9]+.*\[sp/ { stack++ }
        /^[ \t]+(j[a-z]+|b\.[a-z]+|[ct]bn?z)[ \t]/ { block_ends($NF) }
    ' "$1"
}

check() {
    target=$1
    least=$2
    expect 0 rancc -O3 --target="$target" -S model.ran -o "$target.s"
    inner_loops "$target.s" >loops
    for kernel in conv_direct conv_winograd conv_first_layer matmul; do
        grep -q "$kernel" loops || fail "$target: no inner loop of $kernel was found"
    done
    [ "$(grep -c . loops)" -ge "$least" ] || {
        cat loops
        fail "$target: expected $least inner loops or more"
    }
    # Winograd's transforms hold more than there are registers; its products must not.
    awk '$1 ~ /conv_winograd/ && $3 == 0 { good = 1 } END { exit !good }' loops ||
        fail "$target: no loop of conv_winograd keeps away from the stack"
    awk '$3 > 0 && $1 !~ /conv_winograd/ { print; bad = 1 } END { exit bad }' loops ||
        fail "$target: these loops (name, multiply-adds, stack accesses) use the stack"
    case $target in
    neoverse)
        awk '$1 ~ /conv_direct/ && $4 > 0 { print; bad = 1 } END { exit bad }' loops ||
            fail "$target: multiply-adds that are not by lane"
        ;;
    esac
}

check znver5 5
check x86-64-v4 5
check x86-64-v3 5
check neoverse 5
