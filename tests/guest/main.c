/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c - vunet-guest: a virtual machine's network side without the machine
 *
 * It plays both the vhost-user front-end (QEMU's part) and the virtio-net driver
 * of a guest, with a vIOMMU between them if wanted, for testing and loading a
 * vhost-user-net backend over the real protocol.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/guest/frontend.h"
#include "tests/guest/guest.h"
#include "tests/guest/modes.h"
#include "tests/guest/netdev.h"
#include "tests/guest/options.h"
#include "tests/guest/report.h"

enum { EXIT_GOOD, EXIT_BAD, EXIT_USAGE, EXIT_BACKEND };

static int (*const runs[])(struct guest *) = {
	[MODE_L2FWD] = l2fwd_run,   [MODE_TX] = tx_run,		[MODE_RX] = rx_run,
	[MODE_VERIFY] = verify_run, [MODE_POISON] = snatch_run,
};

/**
 * on_signal() - End the traffic, with a clean stop
 */
static void on_signal(int signal)
{
	(void)signal;
	guest_stop = 1;
}

/**
 * on_question() - Have the loop say how it goes
 */
static void on_question(int signal)
{
	(void)signal;
	guest_asked = 1;
}

/**
 * catch_signals() - Let SIGINT and SIGTERM end the traffic, and SIGUSR1 ask about it
 */
static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sa.sa_handler = on_question;
	sigaction(SIGUSR1, &sa, NULL);
}

/**
 * open_many() - Allow as many files as we may have: each ring has two
 */
static void open_many(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	/* Should it not do, opening says so */
	setrlimit(RLIMIT_NOFILE, &files);
}

/**
 * pin() - Stay on one processor
 */
static int pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		return 0;
	fprintf(stderr, "vunet-guest: --cpu=%d: %s\n", cpu, strerror(errno));
	return -errno;
}

/**
 * run_of() - What to do with frames
 */
static int (*run_of(const struct options *opt))(struct guest *)
{
	bool streams = opt->mode == MODE_TX || opt->mode == MODE_RX || opt->mode == MODE_VERIFY;

	return streams && opt->offloads ? streams_run : runs[opt->mode];
}

/**
 * start() - Bring all devices up and give them their first buffers
 */
static int start(struct guest *g)
{
	unsigned int i, pair;
	int err = 0;

	netdev_prepare(g);
	for (i = 0; !err && i < g->n_devices; i++)
		err = frontend_connect(&g->devices[i]);
	for (i = 0; !err && i < g->n_devices; i++)
		err = frontend_start(&g->devices[i]);
	for (i = 0; !err && g->opt->mode != MODE_TX && i < g->n_devices; i++)
		for (pair = 0; pair < g->opt->pairs; pair++)
			rx_refill(&g->devices[i], pair);
	return err;
}

/**
 * run() - From the first message to the last
 */
static int run(struct guest *g)
{
	unsigned int i, pair;
	int err, last;

	err = start(g);
	if (err)
		return err;
	guest_begin(g);
	g->error = run_of(g->opt)(g);
	guest_end(g);
	err = g->error;
	for (i = 0; i < g->n_devices; i++) {
		for (pair = 0; !err && pair < g->opt->pairs; pair++)
			g->stats.tx_left += tx_left(&g->devices[i], pair);
		last = frontend_stop(&g->devices[i]);
		err = err ? err : last;
	}
	g->error = err;
	report_summary(g);
	return err;
}

int main(int argc, char **argv)
{
	struct options opt;
	struct guest *g;
	int err, status = EXIT_BACKEND;

	err = options_parse(argc, argv, &opt);
	if (err)
		return err < 0 ? EXIT_USAGE : EXIT_GOOD;
	g = calloc(1, sizeof(*g));
	if (!g || pin(opt.cpu)) {
		free(g);
		return EXIT_USAGE;
	}
	catch_signals();
	open_many();
	if (guest_new(g, &opt) == 0 && run(g) == 0)
		status = report_good(g) ? EXIT_GOOD : EXIT_BAD;
	guest_free(g);
	free(g);
	return status;
}
