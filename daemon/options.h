/* SPDX-License-Identifier: BSD-3-Clause */
/* options.h - The command line
 *
 * --socket-path, --fd and --print-capabilities follow the conventions for
 * vhost-user back-end programs ("Backend program conventions" of QEMU's
 * docs/interop/vhost-user.rst).
 */
#ifndef VUNETD_OPTIONS_H
#define VUNETD_OPTIONS_H

#include <stdbool.h>

/* Exit codes: vunetd(8) */
enum { EXIT_OK = 0, EXIT_RUN = 1, EXIT_CONF = 2 };

/**
 * struct options - What was asked for
 * @file:	Configuration, or NULL when none was named
 * @socket:	Path of the only guest's socket, or NULL
 * @fd:		The only guest's socket, or -1
 * @check:	Only check the configuration
 */
struct options {
	const char *file;
	const char *socket;
	int fd;
	bool check;
};

/**
 * options_parse() - Read the command line; exits for what only prints, and on errors
 * @argc:	Of main()
 * @argv:	Of main(); strings stay its own
 * @ret_opts:	Filled in
 */
void options_parse(int argc, char **argv, struct options *ret_opts);

#endif /* VUNETD_OPTIONS_H */
