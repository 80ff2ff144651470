/* SPDX-License-Identifier: BSD-3-Clause */
/* toggle.c - Rings that are disabled and enabled while traffic runs (--toggle) */
#include "tests/guest/toggle.h"

#include <errno.h>
#include <stdio.h>

#include "tests/guest/clock.h"
#include "tests/guest/frontend.h"
#include "tests/guest/guest.h"
#include "tests/guest/netdev.h"
#include "tests/guest/random.h"
#include "tests/guest/verify.h"

/* Frames for a disabled ring, and how long a backend has to give them back */
#define DOOMED_FRAMES 40
#define PATIENCE_NS   (5 * NS_PER_S)

/**
 * enter() - Go to another state
 */
static void enter(struct toggle *t, const struct guest *g, enum toggle_state state)
{
	uint64_t now = clock_ns();

	t->state = state;
	t->next_ns = now + g->opt->toggle_ms * NS_PER_MS;
	t->late_ns = now + PATIENCE_NS;
}

/**
 * late() - Whether a state has lasted too long
 */
static int late(const struct toggle *t, const char *what)
{
	if (clock_ns() < t->late_ns)
		return 0;
	fprintf(stderr, "vunet-guest: pair %u: %s\n", t->pair, what);
	return -ETIMEDOUT;
}

/**
 * empty() - Look at all that is in a receive ring
 */
static void empty(struct guest *g, unsigned int pair, struct flow *flows)
{
	while (verify_check(g, pair, flows))
		;
}

/**
 * switch_rings() - Enable or disable what is to be
 */
static int switch_rings(struct toggle *t, struct guest *g, bool on)
{
	struct device *d = &g->devices[0];
	int err = frontend_enable(d, 2 * t->pair, on);

	if (!err && !t->half)
		err = frontend_enable(d, 2 * t->pair + 1, on);
	g->stats.toggles++;
	return err;
}

/**
 * rest_over() - Choose what is next
 *
 * What comes back is waited for, if the whole pair is to be switched off.
 */
static void rest_over(struct toggle *t, const struct guest *g, struct flow *flows)
{
	t->pair = (unsigned int)(random_next(&t->rng) % g->opt->pairs);
	t->half = !t->half;
	flows[t->pair].off = !t->half;
	enter(t, g, TOGGLE_DRAIN);
}

/**
 * switch_off() - Disable what is to be
 */
static int switch_off(struct toggle *t, struct guest *g, struct flow *flows)
{
	struct flow *flow = &flows[t->pair];
	unsigned int i;
	int err;

	if (!t->half && flow->sent != flow->expected)
		return late(t, "its frames do not come back");
	err = switch_rings(t, g, false);
	if (err)
		return err;
	/* Before whatever comes through another ring now */
	empty(g, t->pair, flows);
	flow->deaf = true;
	for (i = 0; !t->half && i < DOOMED_FRAMES && verify_send_doomed(g, t->pair); i++)
		;
	enter(t, g, TOGGLE_OFF);
	return 0;
}

/**
 * switch_on() - Enable what is disabled
 *
 * Frames that are not yet thrown away would be sent then, by right.
 */
static int switch_on(struct toggle *t, struct guest *g, struct flow *flows)
{
	const struct ring *r = device_tx(&g->devices[0], t->pair);
	unsigned int pair;
	int err;

	if (!t->half && r->n_free != r->size)
		return late(t, "a disabled transmit ring gives nothing back");
	empty(g, t->pair, flows);
	flows[t->pair].deaf = false;
	err = switch_rings(t, g, true);
	/* What came through another ring so far comes first */
	for (pair = 0; !err && pair < g->opt->pairs; pair++)
		if (pair != t->pair)
			empty(g, pair, flows);
	flows[t->pair].off = false;
	enter(t, g, TOGGLE_REST);
	return err;
}

int toggle_step(struct toggle *t, struct guest *g, struct flow *flows)
{
	if (t->state != TOGGLE_DRAIN && clock_ns() < t->next_ns)
		return 0;
	switch (t->state) {
	case TOGGLE_REST:
		rest_over(t, g, flows);
		return 0;
	case TOGGLE_DRAIN:
		return switch_off(t, g, flows);
	default:
		return switch_on(t, g, flows);
	}
}
