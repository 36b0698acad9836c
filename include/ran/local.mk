# Public headers, one a line, sorted.
ranincludedir = $(includedir)/ran
raninclude_HEADERS =
