/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef RAN_TOOLS_BUG_H
#define RAN_TOOLS_BUG_H

/*
 * From here on a bug (a broken invariant of rancc's or LLVM's: abort) ends the program with status
 * 70, after it has written a reproducer: the command line and the model that it names, its weights
 * replaced by noise, as IR text in rancc-bug-PID.ran in the current directory.
 */
void ran_tool_catch_bugs(int argc, char **argv);

#endif
