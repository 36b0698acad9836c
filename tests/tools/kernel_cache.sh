# SPDX-License-Identifier: GPL-3.0-or-later
# Kernels that were compiled before come from a directory: same objects with and without, broken
# entries are replaced, and what can't be used is left alone.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design build resnet8 -o model.onnx
# compile CACHE OUTPUT OPTIONS...
compile() {
    compile_cache=$1 compile_output=$2
    shift 2
    expect 0 rancc model.onnx -O2 --prefix=m --kernel-cache="$compile_cache" "$@" -o "$compile_output"
}
entries() {
    find cache -type f | sort
}
same() {
    cmp "$1" "$2" || fail "$1 and $2 differ"
}

compile none without.o
expect_no_file cache
compile cache cold.o
count=$(entries | wc -l)
[ "$count" -gt 5 ] || fail "$count kernels in the cache"
expect_equal "$(find cache -name '.*' -type f | wc -l)" 0 "unfinished files"
entries | xargs md5sum >before
compile cache warm.o
entries | xargs md5sum >after
same before after
same without.o cold.o
same without.o warm.o

# Another target has kernels of its own.
compile cache other.o --target=x86-64
[ "$(entries | wc -l)" -gt "$count" ] || fail "kernels of two targets share entries"

# Entries that are cut, changed, empty, or of another key: generated again and replaced.
n=0
for entry in $(cut -c 35- before); do
    n=$((n + 1))
    case $((n % 4)) in
    0) : >"$entry" ;;
    1) truncate -s 200 "$entry" ;;
    2) printf 'X' | dd of="$entry" bs=1 seek=$(($(stat -c %s "$entry") - 100)) conv=notrunc 2>dd.log ;;
    3) cp "$(sed -n "${n}p" before | cut -c 35-)" "$entry" 2>/dev/null ||
        cp "$(head -n 1 before | cut -c 35-)" "$entry" ;;
    esac
done
compile cache repaired.o
same without.o repaired.o
cut -c 35- before | xargs md5sum >after
same before after

# Two at a time, a place that can't be, and the user's own directory.
rm -rf cache
rancc model.onnx -O2 --prefix=m --kernel-cache=cache -o one.o &
compile cache two.o
wait $!
same without.o one.o
same without.o two.o
echo text >file
compile file/cache nowhere.o
same without.o nowhere.o
mkdir home
expect 0 env XDG_CACHE_HOME="$PWD/home" rancc model.onnx -O2 --prefix=m -o home.o
same without.o home.o
[ -n "$(find home/rancc -type f)" ] || fail "nothing in XDG_CACHE_HOME/rancc"
expect 0 env -u XDG_CACHE_HOME HOME="$PWD/home" rancc model.onnx -O2 --prefix=m -o home.o
[ -n "$(find home/.cache/rancc -type f)" ] || fail "nothing in HOME/.cache/rancc"
