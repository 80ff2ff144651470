/* SPDX-License-Identifier: BSD-3-Clause */
/* supervise.c - What systemd is told, and whether the PMD threads still move */
#include "daemon/supervise.h"

#include <errno.h>
#include <stdlib.h>

#include <systemd/sd-daemon.h>

#include "daemon/container_of.h"
#include "daemon/guest.h"
#include "daemon/statistics.h"
#include "daemon/topology.h"
#include "datapath/pmd.h"

#define SECOND_NS UINT64_C(1000000000)

/**
 * struct supervisor - Supervision of one daemon
 * @daemon:	Daemon
 * @timer:	Next look
 * @stats:	What the last line of statistics saw
 * @period_ns:	Between two looks: at most a second
 * @stats_due_ns:	When the next line of statistics is due
 * @watched:	Whether systemd expects WATCHDOG=1
 * @told:	Whether a status was told yet
 * @told_served:	Guests connected, by the last one told
 * @beats:	Each PMD thread's heartbeat at the last look
 */
struct supervisor {
	struct daemon *daemon;
	struct loop_timer timer;
	struct statistics *stats;
	uint64_t period_ns;
	uint64_t stats_due_ns;
	bool watched;
	bool told;
	unsigned int told_served;
	uint64_t beats[CONF_CORES_MAX];
};

/**
 * all_moved() - Whether every PMD thread's heartbeat moved since the last look
 * @s:	Supervisor
 */
static bool all_moved(struct supervisor *s) CTL_ONLY
{
	bool moved = true;

	for (unsigned int t = 0; t < pmd_set_count(s->daemon->pmds); t++) {
		uint64_t beat = pmd_heartbeat(s->daemon->pmds, t);

		if (beat == s->beats[t]) {
			moved = false;
			log_err("the PMD thread on core %u has stopped moving",
				s->daemon->conf->pmd.cores[t]);
		}
		s->beats[t] = beat;
	}
	return moved;
}

/**
 * tell_status() - A summary for `systemctl status`, when it has changed
 * @s:	Supervisor
 */
static void tell_status(struct supervisor *s) CTL_ONLY
{
	const struct daemon *daemon = s->daemon;
	unsigned int served = 0;

	for (unsigned int i = 0; i < daemon->conf->n_guests; i++)
		served += daemon->guests[i].front.fd >= 0;
	if (s->told && s->told_served == served)
		return;
	s->told = true;
	s->told_served = served;
	(void)sd_notifyf(0, "STATUS=%u of %u guests connected, %u PMD thread%s", served,
			 daemon->conf->n_guests, pmd_set_count(daemon->pmds),
			 pmd_set_count(daemon->pmds) > 1 ? "s" : "");
}

/**
 * look() - One look at everything
 * @timer:	Of the supervisor
 */
static void look(struct loop_timer *timer)
{
	struct supervisor *s = container_of(timer, struct supervisor, timer);
	struct daemon *daemon = s->daemon;
	uint64_t now = loop_now_ns();

	thread_role_assume(&ctl_role);
	if (all_moved(s) && s->watched)
		(void)sd_notify(0, "WATCHDOG=1");
	for (unsigned int i = 0; i < daemon->conf->n_guests; i++)
		guest_check(&daemon->guests[i]);
	topology_measure(daemon->topo);
	tell_status(s);
	if (daemon->conf->log.stats_s && now >= s->stats_due_ns) {
		statistics_log_rates(s->stats);
		s->stats_due_ns += daemon->conf->log.stats_s * SECOND_NS;
	}
	loop_timer_set(daemon->loop, timer, s->period_ns);
}

int supervise_start(struct daemon *daemon, struct supervisor **ret_supervisor)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	uint64_t watchdog_us = 0;
	int err;

	if (!s)
		return -ENOMEM;
	s->daemon = daemon;
	err = statistics_new(daemon, &s->stats);
	if (err) {
		free(s);
		return err;
	}
	s->timer.expired = look;
	s->watched = sd_watchdog_enabled(0, &watchdog_us) > 0;
	s->period_ns = SECOND_NS;
	if (s->watched && watchdog_us * 1000 / 3 < s->period_ns)
		s->period_ns = watchdog_us * 1000 / 3;
	s->stats_due_ns = loop_now_ns() + daemon->conf->log.stats_s * SECOND_NS;
	loop_timer_set(daemon->loop, &s->timer, s->period_ns);
	(void)sd_notify(0, "READY=1");
	tell_status(s);
	*ret_supervisor = s;
	return 0;
}

void supervise_stop(struct supervisor *supervisor)
{
	if (!supervisor)
		return;
	(void)sd_notify(0, "STOPPING=1");
	loop_timer_stop(&supervisor->timer);
	statistics_free(supervisor->stats);
	free(supervisor);
}
