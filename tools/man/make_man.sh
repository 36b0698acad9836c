#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# make_man.sh PROGRAM VERSION: prints a man page made of the program's --help, so that the two agree.
# The commands that the help of a program lists have a section each, made of their own --help.
set -eu
program=$1
version=$2
name=$(basename "$program")

# render COMMAND: text of --help to a page, or, of a command, to a section of it.
render() {
    awk -v name="$name" -v version="$version" -v command="$1" '
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
    if (!in_options && !command)
        print ".SH OPTIONS"
    in_options = 1
    if (text)
        print ".SS " escape(text)
}
BEGIN {
    if (!command)
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
    if (command) {
        print ".SH \"" toupper(escape(name " " command)) "\"\n.B " escape(name)
        print escape(trim(usage)) "\n.PP\n" escape($0)
        next
    }
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
/^                    / && behind_option {
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
    if (in_options && !noted && !command) {
        print ".SH NOTES"
        noted = 1
    }
    print escape($0)
}
'
}

# "  hant     replace operators ..." behind the line that speaks of COMMAND --help
commands() {
    sed -n '/COMMAND --help/,$s/^  \([a-z][a-z]*\)  .*/\1/p'
}

help=$("$program" --help)
printf '%s\n' "$help" | render ''
for command in $(printf '%s\n' "$help" | commands); do
    "$program" "$command" --help | render "$command"
done
cat <<'END'
.SH "EXIT STATUS"
0 done, 1 the input is wrong or the environment fails, 2 usage, 3 something is not supported,
4 a comparison or a budget does not hold, 70 a bug in rancc.
.SH "SEE ALSO"
rancc(1), ran\-opt(1), ran\-run(1), ran\-stat(1), ran\-design(1), ran\-train(1), ran\-search(1)
END
