/* pgwaked's command line: to watch, or to print something and exit. */
#pragma once

/* The exit status: 0, 1 (anything broke), 64 (EX_USAGE) or 78 (EX_CONFIG). */
int command_line_run(int argc, char **argv);
