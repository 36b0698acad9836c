# SPDX-License-Identifier: GPL-3.0-or-later
# RAN_CHECK_LLVM: LLVM 19 or newer through its C API, and the clang of the same major version, which
# compiles the kernel bodies to bitcode that this LLVM reads.
AC_DEFUN([RAN_CHECK_LLVM], [
  AC_ARG_VAR([LLVM_CONFIG], [llvm-config of LLVM 19 or newer])
  AC_ARG_VAR([CLANG], [clang of the same major version as LLVM, for kernel bodies])
  AS_IF([test -z "$LLVM_CONFIG"],
    [AC_PATH_PROGS([LLVM_CONFIG], [llvm-config-19 llvm-config-20 llvm-config-21 llvm-config])])
  AS_IF([test -z "$LLVM_CONFIG"],
    [AC_MSG_ERROR([llvm-config not found (Debian: llvm-19-dev; or set LLVM_CONFIG)])])
  AC_MSG_CHECKING([the version of LLVM])
  LLVM_VERSION=`$LLVM_CONFIG --version`
  AC_MSG_RESULT([$LLVM_VERSION])
  LLVM_MAJOR=`AS_ECHO(["$LLVM_VERSION"]) | sed 's/\..*//'`
  AS_CASE([$LLVM_MAJOR], [*@<:@!0-9@:>@*|''],
    [AC_MSG_ERROR([$LLVM_CONFIG --version says "$LLVM_VERSION"])])
  AS_IF([test "$LLVM_MAJOR" -lt 19],
    [AC_MSG_ERROR([LLVM 19 or newer is needed, $LLVM_CONFIG is $LLVM_VERSION])])

  # System headers: LLVM's own warnings are not ours.
  LLVM_CPPFLAGS="-isystem `$LLVM_CONFIG --includedir`"
  ran_llvm_libdir=`$LLVM_CONFIG --libdir`
  LLVM_LIBS="-L$ran_llvm_libdir `$LLVM_CONFIG --libs --link-shared`"
  ran_saved_LIBS=$LIBS; ran_saved_CPPFLAGS=$CPPFLAGS
  LIBS="$LLVM_LIBS $LIBS"; CPPFLAGS="$CPPFLAGS $LLVM_CPPFLAGS"
  AC_MSG_CHECKING([for LLVM's C API])
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>]], [[LLVMOrcLLJITBuilderRef b = LLVMOrcCreateLLJITBuilder();
LLVMOrcDisposeLLJITBuilder(b); return LLVMContextCreate() == 0;]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([cannot link with LLVM's C API (Debian: llvm-19-dev, libllvm19)])])
  LIBS=$ran_saved_LIBS; CPPFLAGS=$ran_saved_CPPFLAGS
  AC_SUBST([LLVM_CPPFLAGS])
  AC_SUBST([LLVM_LIBS])
  AC_SUBST([LLVM_BINDIR], [`$LLVM_CONFIG --bindir`])
  AC_SUBST([LLVM_VERSION])
  AC_DEFINE_UNQUOTED([RAN_LLVM_VERSION], ["$LLVM_VERSION"], [Version of LLVM linked.])

  AS_IF([test -z "$CLANG"],
    [AC_PATH_PROGS([CLANG], [clang-$LLVM_MAJOR clang], [], [`$LLVM_CONFIG --bindir`:$PATH])])
  AS_IF([test -z "$CLANG"],
    [AC_MSG_ERROR([clang-$LLVM_MAJOR not found (Debian: clang-$LLVM_MAJOR; or set CLANG)])])
  AC_MSG_CHECKING([the major version of $CLANG])
  ran_clang_major=`AS_ECHO([__clang_major__]) | $CLANG -E -P -x c - 2>/dev/null | tail -n 1`
  AC_MSG_RESULT([$ran_clang_major])
  AS_IF([test "x$ran_clang_major" != "x$LLVM_MAJOR"],
    [AC_MSG_ERROR([kernel bitcode needs clang $LLVM_MAJOR to match LLVM, $CLANG is $ran_clang_major])])
])
