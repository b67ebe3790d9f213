/* What pgwaked was called for: to watch, or to print something and end. */
#pragma once

/* The exit status: 0, 1 (anything broke), 64 (EX_USAGE) or 78 (EX_CONFIG). */
int command_line_run(int argc, char **argv);
