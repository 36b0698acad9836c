# SPDX-License-Identifier: GPL-3.0-or-later

# RAN_CHECK_LIBRARIES: what rancc links besides LLVM.
AC_DEFUN([RAN_CHECK_LIBRARIES], [
  PKG_CHECK_MODULES([PROTOBUF_C], [libprotobuf-c >= 1.3], [],
    [AC_MSG_ERROR([protobuf-c not found (Debian: libprotobuf-c-dev)])])
  AC_ARG_VAR([PROTOC_C], [compiler of protobuf-c])
  AC_PATH_PROGS([PROTOC_C], [protoc-c])
  AS_IF([test -z "$PROTOC_C"], [AC_MSG_ERROR([protoc-c not found (Debian: protobuf-c-compiler)])])
  PKG_CHECK_MODULES([JANSSON], [jansson >= 2.10], [],
    [AC_MSG_ERROR([jansson not found (Debian: libjansson-dev)])])
  PKG_CHECK_MODULES([ZLIB], [zlib], [], [AC_MSG_ERROR([zlib not found (Debian: zlib1g-dev)])])
  PKG_CHECK_MODULES([LIBELF], [libelf], [], [AC_MSG_ERROR([libelf not found (Debian: libelf-dev)])])
  PKG_CHECK_MODULES([PNG], [libpng >= 1.6], [],
    [AC_MSG_ERROR([libpng not found (Debian: libpng-dev)])])
  PKG_CHECK_MODULES([JPEG], [libjpeg], [],
    [AC_MSG_ERROR([libjpeg-turbo not found (Debian: libjpeg62-turbo-dev)])])
  PKG_CHECK_MODULES([ZIP], [libzip], [], [AC_MSG_ERROR([libzip not found (Debian: libzip-dev)])])
  TRAIN_CFLAGS="$PNG_CFLAGS $JPEG_CFLAGS $ZIP_CFLAGS $ZLIB_CFLAGS $JANSSON_CFLAGS"
  TRAIN_LIBS="$PNG_LIBS $JPEG_LIBS $ZIP_LIBS"
  AC_SUBST([TRAIN_CFLAGS])
  AC_SUBST([TRAIN_LIBS])
  RAN_CHECK_GLPK
  RAN_CHECK_MPI
  RAN_CHECK_OPENMP
  RAN_CHECK_PTHREADPOOL
])

AC_DEFUN([RAN_CHECK_GLPK], [
  ran_saved_LIBS=$LIBS
  AC_CHECK_HEADER([glpk.h], [], [AC_MSG_ERROR([glpk.h not found (Debian: libglpk-dev)])])
  AC_CHECK_LIB([glpk], [glp_intopt], [GLPK_LIBS=-lglpk],
    [AC_MSG_ERROR([GLPK not found (Debian: libglpk-dev)])])
  LIBS=$ran_saved_LIBS
  AC_SUBST([GLPK_LIBS])
])

# Training over several processes; off unless asked for.
AC_DEFUN([RAN_CHECK_MPI], [
  AC_ARG_WITH([mpi], [AS_HELP_STRING([--with-mpi], [train over several processes by Open MPI])],
    [], [with_mpi=no])
  AS_IF([test "$with_mpi" != no], [
    PKG_CHECK_MODULES([MPI], [ompi-c], [],
      [AC_MSG_ERROR([Open MPI not found (Debian: libopenmpi-dev openmpi-bin)])])
    AC_DEFINE([HAVE_MPI], [1], [Define to 1 to train over several processes by MPI.])])
  AC_SUBST([MPI_CFLAGS])
  AC_SUBST([MPI_LIBS])
])

AC_DEFUN([RAN_CHECK_OPENMP], [
  AC_OPENMP
  ran_have_openmp=no
  AS_IF([test -n "$OPENMP_CFLAGS"], [
    ran_have_openmp="yes ($OPENMP_CFLAGS)"
    AC_DEFINE([HAVE_OPENMP], [1], [Define to 1 when the compiler has OpenMP.])])
  AM_CONDITIONAL([HAVE_OPENMP], [test -n "$OPENMP_CFLAGS"])
])

AC_DEFUN([RAN_CHECK_PTHREADPOOL], [
  ran_have_pthreadpool=no
  ran_saved_LIBS=$LIBS
  AC_CHECK_HEADER([pthreadpool.h],
    [AC_CHECK_LIB([pthreadpool], [pthreadpool_parallelize_1d],
      [ran_have_pthreadpool=yes; PTHREADPOOL_LIBS=-lpthreadpool], [], [-lpthread])])
  LIBS=$ran_saved_LIBS
  AC_SUBST([PTHREADPOOL_LIBS])
  AS_IF([test $ran_have_pthreadpool = yes],
    [AC_DEFINE([HAVE_PTHREADPOOL], [1], [Define to 1 when pthreadpool is there.])])
  AM_CONDITIONAL([HAVE_PTHREADPOOL], [test $ran_have_pthreadpool = yes])
])

# RAN_CHECK_TEST_TOOLS: all optional; a test that needs a missing one is skipped and says so.
AC_DEFUN([RAN_CHECK_TEST_TOOLS], [
  PKG_CHECK_MODULES([CHECK], [check >= 0.12], [ran_have_check=yes], [ran_have_check=no])
  AM_CONDITIONAL([HAVE_CHECK], [test $ran_have_check = yes])
  AC_ARG_VAR([AARCH64_CC], [cross compiler for aarch64 Linux, for tests])
  AC_ARG_VAR([QEMU_AARCH64], [user-mode emulator of aarch64, for tests])
  AC_PATH_PROGS([AARCH64_CC], [aarch64-linux-gnu-gcc])
  AC_PATH_PROGS([QEMU_AARCH64], [qemu-aarch64 qemu-aarch64-static])
])
