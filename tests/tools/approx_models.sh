# SPDX-License-Identifier: GPL-3.0-or-later
# Every approximate pass on real models: it applies, and native code then agrees with the reference from
# there on, or it says why it does not (status 3, with a reason).
. "$RAN_SRCDIR/tests/harness/lib.sh"

# try MODEL PASSES: prints what became of it.
try() {
    # shellcheck disable=SC2086  # one option or none
    run timeout 120 rancc --passes="$2" --verify --check $dims "$MODEL/model.onnx"
    case $STATUS in
    0)
        grep -q 'ok: max abs' out err || fail "$1: $2: nothing was compared"
        grep -q 'needs fine-tuning' err || fail "$1: $2: nothing was changed, without a word"
        applied=$((applied + 1))
        ;;
    3)
        grep -q "error: pass '" err || fail "$1: $2: does not say why not"
        ;;
    *)
        fail "$1: $2: exit status $STATUS"
        ;;
    esac
}

for name in mlperf_resnet8 vit_pgd_cifar ultraface_slim320 carvana_unet; do
    need_model "$name"
    dims=
    # Without norms and without any activation its values grow to 1e19, and what a softmax makes of
    # them depends on rounding: it keeps most.
    some=all
    [ $name != ultraface_slim320 ] || some=cheapest:4
    [ $name != vit_pgd_cifar ] || dims=--dim=batch_size=1
    applied=0
    for passes in "remove-nonlinearity{spec=$some}" 'remove-nonlinearity{spec=all;fraction=0.5}' \
        'remove-nonlinearity{spec=cheapest:1;replace=hard_swish}' "cull{spec=$some}" \
        'thin{spec=all}' 'relu-reuse{n=4}' 'relu-reuse{n=2;spec=all}' \
        'scale-channels{factor=0.5}' 'replace-activation{with=silu}' 'insert-afrb{spec=all}' \
        'insert-afrb{spec=all},harden-afrb{to=relu}' 'refine-bottlenecks{macs=100G}' \
        'remove-nonlinearity{spec=all;fraction=0.5},bottleneck-branch{variant=gelu}'; do
        try "$name" "$passes"
    done
    [ $applied -ge 3 ] || fail "$name: only $applied passes apply"
done
