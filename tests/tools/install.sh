# SPDX-License-Identifier: GPL-3.0-or-later
# make install: what others find it by (pkg-config, man, bash), and that it runs from there.
. "$RAN_SRCDIR/tests/harness/lib.sh"
unset MAKEFLAGS MAKELEVEL MFLAGS DESTDIR

# The same installation serves every test that needs one.
root=$TEST_DIR/root
prefix=$root$(sed -n 's/^prefix = //p' "$RAN_BUILDDIR/Makefile")
make -C "$RAN_BUILDDIR" install DESTDIR="$root" >log 2>&1 || {
    tail -n 20 log
    fail "make install"
}
programs="rancc ran-design ran-opt ran-run ran-search ran-stat ran-train"
LD_LIBRARY_PATH=$prefix/lib
export LD_LIBRARY_PATH
for program in $programs; do
    expect 0 "$prefix/bin/$program" --version
    expect_file "$prefix/share/man/man1/$program.1" \
        "$prefix/share/bash-completion/completions/$program"
done
! grep -n '^                    ' "$prefix"/share/man/man1/ran*.1 || fail "a line of --help is in no paragraph"
for command in hant ilp latency layers pool; do
    grep -qi "^\.SH \"ran..\?search $command\"" "$prefix/share/man/man1/ran-search.1" ||
        fail "the man page of ran-search says nothing about $command"
done
for header in "$RAN_SRCDIR"/include/ran/*; do
    case $header in *.mk) continue ;; esac
    expect_file "$prefix/include/ran/$(basename "$header")"
done

# What is installed stands alone: each public header in C and C++, a program linked by pkg-config.
PKG_CONFIG_PATH=$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
for header in "$prefix"/include/ran/*.h; do
    echo "#include <ran/$(basename "$header")>" >one.c
    case $header in
    *_openmp.h) adapter=-fopenmp ;;
    *) adapter= ;;
    esac
    # shellcheck disable=SC2046,SC2086  # several options
    expect 0 $RAN_CC $adapter -std=c17 -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags ran) one.c
done
cat >program.c <<'END'
#include <ran/ran.h>
int main(void)
{
    ran_context *context = ran_context_create();
    int errors = context ? (int)ran_error_count(context) : 1;
    ran_context_destroy(context);
    return errors;
}
END
# shellcheck disable=SC2046
expect 0 $RAN_CC $RAN_SANITIZED program.c -o program $(pkg-config --cflags --libs ran)
expect 0 ./program

# Completion by what --help lists.
cat >complete.bash <<END
PATH=$prefix/bin:\$PATH
. "$prefix/share/bash-completion/completions/rancc"
COMP_WORDS=(rancc --ver) COMP_CWORD=1
_rancc
echo "\${COMPREPLY[*]}"
END
expect 0 bash complete.bash
expect_text out "--version"
