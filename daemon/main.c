/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c - Options, start, the control thread's loop, and a clean end */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/single.h"
#include "daemon/backing.h"
#include "daemon/container_of.h"
#include "daemon/daemon.h"
#include "daemon/eal.h"
#include "daemon/guest.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/misses.h"
#include "daemon/options.h"
#include "daemon/passed.h"
#include "daemon/port.h"
#include "daemon/spin.h"
#include "daemon/statistics.h"
#include "daemon/supervise.h"
#include "daemon/topology.h"
#include "datapath/miss.h"
#include "datapath/pmd.h"

#define DEFAULT_CONF "/etc/vunetd/vunetd.conf"

/**
 * struct signals - SIGTERM and SIGINT end the daemon, SIGUSR1 logs the totals
 * @source:	signalfd
 * @daemon:	Whose they are
 */
struct signals {
	struct loop_source source;
	struct daemon *daemon;
};

/**
 * signal_ready() - Act on a signal
 * @src:	Of struct signals
 * @events:	EPOLL* bits
 */
static void signal_ready(struct loop_source *src, uint32_t events)
{
	struct signals *signals = container_of(src, struct signals, source);
	struct signalfd_siginfo info;

	(void)events;
	thread_role_assume(&ctl_role);
	if (read(src->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1) {
		statistics_log_totals(signals->daemon);
		return;
	}
	log_notice("stopping on signal %u", info.ssi_signo);
	signals->daemon->over = true;
}

/**
 * signals_open() - Take the signals as events, in every thread
 * @signals:	Zeroed
 * @daemon:	With its loop
 * Return: 0 or -errno
 *
 * Before any thread is started: they inherit the mask.
 */
static int signals_open(struct signals *signals, struct daemon *daemon) CTL_ONLY
{
	sigset_t set;
	int fd, err;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	signals->daemon = daemon;
	signals->source.ready = signal_ready;
	err = loop_add(daemon->loop, &signals->source, fd, EPOLLIN);
	if (err)
		close(fd);
	return err;
}

/**
 * struct doorbell - The miss queue's doorbell as a source of events
 * @source:	Of the loop
 * @misses:	Whose doorbell it is
 */
struct doorbell {
	struct loop_source source;
	struct miss_queue *misses;
};

/**
 * doorbell_ready() - A miss was posted while the control thread slept
 * @src:	The miss queue's doorbell
 * @events:	EPOLL* bits
 */
static void doorbell_ready(struct loop_source *src, uint32_t events)
{
	(void)events;
	thread_role_assume(&ctl_role);
	miss_doorbell_empty(container_of(src, struct doorbell, source)->misses);
}

/**
 * run() - Serve until it is time to end
 * @daemon:	Complete
 */
static void run(struct daemon *daemon) CTL_ONLY
{
	struct spin spin = {.limit_ns = daemon->conf->iotlb.spin_us * UINT64_C(1000)};

	while (!daemon->over) {
		bool spinning = spin_on(&spin, loop_now_ns());
		bool may_sleep = !spinning && miss_sleep(daemon->misses);
		unsigned int served = loop_wait(daemon->loop, may_sleep);

		if (!spinning)
			miss_wake(daemon->misses);
		served += misses_serve(daemon);
		if (served)
			spin_worked(&spin, loop_now_ns());
		else if (spinning)
			sched_yield();
	}
}

/**
 * open_ports() - Open every port
 * @daemon:	Daemon
 * Return: 0 or -errno, logged
 */
static int open_ports(struct daemon *daemon) CTL_ONLY
{
	int err = 0;

	daemon->ports = calloc(daemon->conf->n_ports, sizeof(*daemon->ports));
	if (!daemon->ports)
		return -ENOMEM;
	for (unsigned int i = 0; !err && i < daemon->conf->n_ports; i++)
		err = port_open(&daemon->conf->ports[i], daemon->conf->pmd.n_cores,
				&daemon->ports[i]);
	return err;
}

/**
 * open_guests() - Open every guest
 * @daemon:	Daemon
 * Return: 0 or -errno, logged
 */
static int open_guests(struct daemon *daemon) CTL_ONLY
{
	int err = 0;

	daemon->guests = calloc(daemon->conf->n_guests, sizeof(*daemon->guests));
	if (!daemon->guests)
		return -ENOMEM;
	for (unsigned int i = 0; !err && i < daemon->conf->n_guests; i++)
		err = guest_open(&daemon->guests[i], daemon, i);
	return err;
}

/**
 * start() - Set up everything below the guests
 * @daemon:	With conf and loop
 * @doorbell:	Of the miss queue
 * Return: 0 or -errno
 */
static int start(struct daemon *daemon, struct doorbell *doorbell) CTL_ONLY
{
	const struct conf *conf = daemon->conf;
	int err = open_ports(daemon);

	if (!err)
		err = miss_queue_new(&daemon->misses);
	doorbell->misses = daemon->misses;
	if (!err)
		err = loop_add(daemon->loop, &doorbell->source, miss_doorbell_fd(daemon->misses),
			       EPOLLIN);
	if (!err) {
		err = pmd_set_new(conf->pmd.cores, conf->pmd.n_cores, conf->pmd_idle_sleep_us,
				  conf->pmd_nap_us, &daemon->pmds);
		if (err)
			log_err("[pmd]: cannot start the poll-mode threads: %s", strerror(-err));
	}
	if (!err)
		err = topology_new(conf, daemon->ports, daemon->pmds, &daemon->topo);
	if (!err)
		err = open_guests(daemon);
	return err;
}

/**
 * stop() - Take everything down again, as far as it came up
 * @daemon:	Daemon
 */
static void stop(struct daemon *daemon) CTL_ONLY
{
	for (unsigned int i = 0; daemon->guests && i < daemon->conf->n_guests; i++)
		guest_close(&daemon->guests[i]);
	free(daemon->guests);
	topology_free(daemon->topo);
	pmd_set_free(daemon->pmds);
	miss_queue_free(daemon->misses);
	for (unsigned int i = 0; daemon->ports && i < daemon->conf->n_ports; i++) {
		port_close(&daemon->ports[i]);
		eal_settle();
	}
	free(daemon->ports);
}

/**
 * serve() - The daemon's life, with EAL up
 * @daemon:	With conf and loop
 * Return: 0 or -errno, logged
 */
static int serve(struct daemon *daemon) CTL_ONLY
{
	struct doorbell doorbell = {.source = {.fd = -1, .ready = doorbell_ready}};
	struct supervisor *supervisor = NULL;
	int err = start(daemon, &doorbell);

	if (!err)
		err = supervise_start(daemon, &supervisor);
	if (!err)
		run(daemon);
	supervise_stop(supervisor);
	if (!err)
		statistics_log_totals(daemon);
	stop(daemon);
	return err;
}

/**
 * make_lib_dir() - Make the directory for the library's private sockets
 * @daemon:	Daemon
 * Return: 0 or -errno, logged
 */
static int make_lib_dir(struct daemon *daemon) CTL_ONLY
{
	int err = library_dir_make(&daemon->lib_dir);

	if (err)
		log_err("cannot make a directory for private sockets: %s (its parent is "
			"$RUNTIME_DIRECTORY, else /run/vunetd)",
			strerror(-err));
	return err;
}

/**
 * take_passed() - Take the sockets that were opened before us
 * @daemon:	Daemon
 * @fd:		The only guest's, or -1
 * Return: 0 or -errno, logged
 *
 * Before anything opens descriptors of its own.
 */
static int take_passed(struct daemon *daemon, int fd) CTL_ONLY
{
	int err = passed_new(daemon->conf, &daemon->passed);

	if (!err && fd >= 0)
		err = passed_add(daemon->passed, fd);
	return err;
}

/**
 * daemon_main() - Everything after the configuration
 * @conf:	Configuration
 * @fd:		The only guest's socket, or -1
 * Return: Exit code
 */
static int daemon_main(const struct conf *conf, int fd) CTL_ONLY
{
	struct daemon daemon = {.conf = conf};
	struct signals signals = {.source.fd = -1};
	int err;

	log_init(conf->log.level);
	err = take_passed(&daemon, fd);
	if (!err)
		err = loop_new(&daemon.loop);
	if (!err)
		err = signals_open(&signals, &daemon);
	if (!err)
		err = backing_start();
	/* Before EAL, which keeps its own files in the same directory */
	if (!err)
		err = make_lib_dir(&daemon);
	if (!err)
		err = eal_start(conf);
	if (!err)
		err = serve(&daemon);
	library_dir_remove(daemon.lib_dir);
	if (signals.source.fd >= 0)
		close(signals.source.fd);
	loop_free(daemon.loop);
	passed_free(daemon.passed, conf->n_guests);
	if (err)
		log_err("ended: %s", strerror(-err));
	return err ? EXIT_RUN : EXIT_OK;
}

/**
 * load() - Load the configuration that was asked for
 * @opts:	Command line
 * @ret_conf:	Owned by the caller
 * Return: 0 or -errno, said on standard error
 */
static int load(const struct options *opts, struct conf **ret_conf)
{
	char from[32];

	if (opts->socket)
		return conf_single(opts->file, opts->socket, stderr, ret_conf);
	if (opts->fd < 0)
		return conf_load(opts->file ? opts->file : DEFAULT_CONF, stderr, ret_conf);
	snprintf(from, sizeof(from), "descriptor %d", opts->fd);
	return conf_single(opts->file, from, stderr, ret_conf);
}

int main(int argc, char **argv)
{
	struct options opts;
	struct conf *conf;
	int code;

	thread_role_assume(&ctl_role);
	options_parse(argc, argv, &opts);
	if (load(&opts, &conf))
		return EXIT_CONF;
	if (opts.check) {
		printf("%s: valid: %u port%s, %u guest%s\n", conf->file, conf->n_ports,
		       conf->n_ports > 1 ? "s" : "", conf->n_guests, conf->n_guests > 1 ? "s" : "");
		conf_free(conf);
		return EXIT_OK;
	}
	code = daemon_main(conf, opts.fd);
	conf_free(conf);
	return code;
}
