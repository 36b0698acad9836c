# SPDX-License-Identifier: GPL-3.0-or-later
# Warnings, sanitizers, and flags of the C compiler.

# RAN_CHECK_WARNINGS: sets WARNING_CFLAGS; --enable-werror turns warnings into errors.
AC_DEFUN([RAN_CHECK_WARNINGS], [
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [warnings are errors (used by CI)])],
    [], [enable_werror=no])
  # Tables use designated initialisers and leave the rest zero on purpose.
  WARNING_CFLAGS="-Wall -Wextra -Wno-missing-field-initializers"
  WERROR_CFLAGS=
  ran_warnings_are=warnings
  AS_IF([test "x$enable_werror" = xyes], [WERROR_CFLAGS=-Werror; ran_warnings_are=errors])
  AC_SUBST([WARNING_CFLAGS])
  AC_SUBST([WERROR_CFLAGS])
])

# RAN_CHECK_SANITIZERS: --enable-sanitizers builds all with AddressSanitizer and UBSan.
AC_DEFUN([RAN_CHECK_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers],
      [build with AddressSanitizer and UndefinedBehaviorSanitizer (use with CC=clang-19)])],
    [], [enable_sanitizers=no])
  SANITIZER_CFLAGS=
  AS_IF([test "x$enable_sanitizers" = xyes], [
    SANITIZER_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
    ran_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $SANITIZER_CFLAGS"
    AC_MSG_CHECKING([whether $CC links with sanitizers])
    AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([--enable-sanitizers needs their run-time library (Debian: libclang-rt-19-dev)])])
    CFLAGS=$ran_saved_CFLAGS
    AC_DEFINE([RAN_HAVE_SANITIZERS], [1], [Define to 1 when built with sanitizers.])
  ])
  # A library whose definitions are not all there fails at its own link, not at its users'.
  # Not with sanitizers: clang leaves their run-time library to the program.
  COMPLETE_LDFLAGS=
  AS_IF([test "x$enable_sanitizers" != xyes], [COMPLETE_LDFLAGS=-Wl,-z,defs])
  AC_SUBST([COMPLETE_LDFLAGS])
  AM_CONDITIONAL([SANITIZERS], [test "x$enable_sanitizers" = xyes])
  AC_SUBST([SANITIZER_CFLAGS])
])
