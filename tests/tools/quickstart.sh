# SPDX-License-Identifier: GPL-3.0-or-later
# quickstart's handling of packages, with apt, dpkg and sudo replaced by recorders.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# A copy, for it writes its log into build/ beside itself.
mkdir project bin
cp "$RAN_SRCDIR/quickstart" project/
echo 'ID=debian' >debian
echo 'ID=fedora' >fedora
quickstart="project/quickstart packages"
one_line="apt-get update && apt-get install -y --no-install-recommends"

# fake NAME BODY: a program in front of the real one
fake() {
    printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
    chmod +x "bin/$1"
}
fake apt-get 'echo "apt-get $*" >>calls
case "$*" in *--print-uris*)
    echo "Need to get 12.3 MB of archives."
    echo "After this operation, 45.6 MB of additional disk space will be used." ;;
esac'
fake sudo 'echo "sudo $*" >>calls; [ "$1" = -n ] && shift; "$@"'
installed_but() {
    fake dpkg-query "shift 2; for p; do case \$p in $1) ;; *) echo \"installed \$p\" ;; esac; done"
}
as_user() {
    fake id "echo $1"
}
quick() {
    rm -f calls
    touch calls
    expected=$1
    shift
    expect "$expected" env PATH="$TEST_DIR/bin:$PATH" \
        QUICKSTART_OS_RELEASE="$TEST_DIR/${OS:-debian}" "$@" </dev/null
}

# Nothing missing: apt is not even asked, whoever it is.
as_user 1000
installed_but none
quick 0 $quickstart
expect_equal "$(cat calls)" "" "calls with nothing missing"

# Root: first the lists, then the cost, then what is missing and only that; never an upgrade.
as_user 0
installed_but 'libglpk-dev|qemu-user'
quick 0 $quickstart
expect_text out "Missing packages: libglpk-dev"
expect_no_text out qemu-user
expect_text out "download 12.3 MB, on disk 45.6 MB; free: "
expect_no_text calls sudo
expect_equal "$(sed -n 's/^apt-get.* \(update\)$/\1/p' calls)" update "first call"
expect_equal "$(tail -n 1 calls)" "apt-get -o DPkg::Lock::Timeout=900 install -y \
--no-install-recommends --no-upgrade libglpk-dev" "last call"
expect_no_text calls ' upgrade'

# The tests need more.
quick 0 $quickstart check
expect_text out "Missing packages: libglpk-dev qemu-user"

# A user with sudo.
as_user 1000
quick 0 $quickstart
expect_text calls "sudo -n env DEBIAN_FRONTEND=noninteractive"

# sudo that wants a password where nobody can type it; no sudo at all; not Debian: one line.
fake sudo 'exit 1'
quick 1 $quickstart
expect_text out "$one_line libglpk-dev"
OS=fedora quick 1 $quickstart
expect_text out "not Debian"
expect_text out "$one_line autoconf"
OS=

# A failing step shows the log's tail and where the log is.
as_user 0
fake apt-get 'echo "E: no network" >&2; exit 100'
quick 1 $quickstart
expect_text err "E: no network"
expect_text err "project/build/quickstart.log"

quick 1 project/quickstart missing.onnx
expect_text err "cannot read missing.onnx"
quick 1 project/quickstart --fast
expect_text err "unknown option --fast"
quick 0 project/quickstart --help
expect_text out "quickstart MODEL.onnx"
