/* SPDX-License-Identifier: BSD-3-Clause */
/* options.c - The command line */
#include "daemon/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/table.h"

/* Descriptors below are taken: standard input, output and errors */
#define FD_LEAST 3

enum { OPT_SOCKET_PATH = 256, OPT_FD, OPT_PRINT_CAPABILITIES, OPT_CHECK, OPT_HELP_CONF };

/**
 * usage() - Say how to call us
 * @out:	Where to
 */
static void usage(FILE *out)
{
	fputs("usage: vunetd [-c FILE] [--check] [--socket-path=PATH | --fd=FDNUM]\n"
	      "              [--print-capabilities] [--help-conf] [--help] [--version]\n"
	      "\n"
	      "  -c, --config FILE         configuration (default /etc/vunetd/vunetd.conf)\n"
	      "      --check               check the configuration and exit\n"
	      "      --socket-path=PATH    serve one guest at this socket; without -c with a\n"
	      "                            built-in configuration: a TAP device as port\n"
	      "      --fd=FDNUM            the same at a socket that is open already\n"
	      "      --print-capabilities  print what we are as JSON and exit\n"
	      "      --help-conf           describe every section and key and exit\n"
	      "  -h, --help                show this and exit\n"
	      "  -V, --version             show the version and exit\n",
	      out);
}

/**
 * refuse() - Say what is wrong, and exit
 * @what:	Option and argument
 * @why:	What is allowed
 */
static __attribute__((noreturn)) void refuse(const char *what, const char *arg, const char *why)
{
	fprintf(stderr, "vunetd: %s%s: %s\n", what, arg, why);
	usage(stderr);
	exit(EXIT_CONF);
}

/**
 * parse_fd() - Read the number of a descriptor
 * @arg:	Text
 */
static int parse_fd(const char *arg)
{
	uint64_t fd;

	if (conf_digits(arg, &fd) || fd < FD_LEAST || fd > INT_MAX)
		refuse("--fd=", arg, "the number of an open descriptor from 3 on is allowed");
	return (int)fd;
}

/**
 * print_only() - Do what only prints, and exit
 * @c:	Option
 */
static __attribute__((noreturn)) void print_only(int c)
{
	switch (c) {
	case OPT_PRINT_CAPABILITIES:
		/* VHostUserBackendCapabilities: for "net" no features are defined */
		puts("{\n  \"type\": \"net\"\n}");
		break;
	case OPT_HELP_CONF:
		conf_help(stdout);
		break;
	case 'V':
		puts("vunetd " VUNETD_VERSION);
		break;
	default:
		usage(stdout);
		break;
	}
	exit(fflush(stdout) ? EXIT_RUN : EXIT_OK);
}

/**
 * parse_one() - Take in one option
 * @c:		Option
 * @opts:	Filled in
 */
static void parse_one(int c, struct options *opts)
{
	switch (c) {
	case 'c':
		opts->file = optarg;
		break;
	case OPT_CHECK:
		opts->check = true;
		break;
	case OPT_SOCKET_PATH:
		opts->socket = optarg;
		break;
	case OPT_FD:
		opts->fd = parse_fd(optarg);
		break;
	case '?':
		usage(stderr);
		exit(EXIT_CONF);
	default:
		print_only(c);
	}
}

void options_parse(int argc, char **argv, struct options *ret_opts)
{
	static const struct option longopts[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPT_CHECK},
		{"socket-path", required_argument, NULL, OPT_SOCKET_PATH},
		{"fd", required_argument, NULL, OPT_FD},
		{"print-capabilities", no_argument, NULL, OPT_PRINT_CAPABILITIES},
		{"help-conf", no_argument, NULL, OPT_HELP_CONF},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int c;

	/* "Other options and arguments should be ignored", so whatever they are */
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--print-capabilities"))
			print_only(OPT_PRINT_CAPABILITIES);
	*ret_opts = (struct options){.fd = -1};
	while ((c = getopt_long(argc, argv, "c:hV", longopts, NULL)) != -1)
		parse_one(c, ret_opts);
	if (optind < argc)
		refuse("unexpected argument ", argv[optind], "options only are allowed");
	if (ret_opts->socket && ret_opts->fd >= 0)
		refuse("--fd", "", "not allowed together with --socket-path");
}
