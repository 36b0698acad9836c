#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# make_man.sh PROGRAM VERSION: prints a man page made of the program's --help, so that the two agree.
set -eu
program=$1
version=$2
name=$(basename "$program")

"$program" --help | awk -v name="$name" -v version="$version" '
function escape(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    if (text ~ /^[.\x27]/)
        text = "\\&" text
    return text
}
function trim(text) {
    gsub(/^ +| +$/, "", text)
    return text
}
function heading(text) {
    if (!in_options) {
        print ".SH OPTIONS"
        in_options = 1
    }
    if (text)
        print ".SS " escape(text)
}
BEGIN {
    print ".TH " toupper(escape(name)) " 1 \"\" \"rancc " version "\" \"User Commands\""
}
/^Usage: / {
    usage = substr($0, length("Usage: " name) + 1)
    next
}
/^  or: / {
    more_usage = more_usage "\n.br\n.B " escape(trim(substr($0, 6)))
    next
}
!started {
    started = 1
    description = $0
    print ".SH NAME"
    sub(/\.$/, "", description)
    print escape(name) " \\- " tolower(substr(description, 1, 1)) escape(substr(description, 2))
    print ".SH SYNOPSIS"
    print ".B " escape(name)
    print escape(trim(usage)) more_usage
    print ".SH DESCRIPTION"
    print escape($0)
    next
}
/^ [^ ].*:$/ {
    heading(trim(substr($0, 1, length($0) - 1)))
    next
}
/^  +-/ {
    heading("")
    gap = match(substr($0, 8), /  +/)
    print ".TP"
    print ".B " escape(gap ? trim(substr($0, 1, gap + 6)) : trim($0))
    if (gap)
        print escape(trim(substr($0, gap + 7)))
    behind_option = 1
    next
}
/^ {20}/ && behind_option {
    print escape(trim($0))
    next
}
/^$/ {
    if (!behind_option)
        print ".PP"
    else
        behind_option = 0
    next
}
{
    if (in_options && !noted) {
        print ".SH NOTES"
        noted = 1
    }
    print escape($0)
}
END {
    print ".SH \"EXIT STATUS\""
    print "0 done, 1 the input is wrong or the environment fails, 2 usage, 3 something is not supported,"
    print "4 a comparison or a budget does not hold, 70 a bug in rancc."
    print ".SH \"SEE ALSO\""
    print "rancc(1), ran\\-opt(1), ran\\-run(1), ran\\-stat(1), ran\\-design(1), ran\\-train(1), ran\\-search(1)"
}'
