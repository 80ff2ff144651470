/* SPDX-License-Identifier: BSD-3-Clause */
/* migrate.c - Moving the guest to another backend under its traffic (--migrate) */
#include "tests/guest/migrate.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/guest/clock.h"
#include "tests/guest/frontend.h"
#include "tests/guest/guest.h"

/* Times that pages are copied again under traffic, and the time between two */
#define ROUNDS	 4
#define ROUND_NS (4 * NS_PER_MS)

/* Unless it is known, nothing is on its way when nothing has come for so long; in
 * any case, when
 */
#define QUIET_NS (20 * NS_PER_MS)
#define LATE_NS	 (2 * NS_PER_S)

/* Whose pages are protected: signal handlers have no argument of ours */
static struct guest *guarded;

/**
 * n_pages() - Pages of a region; it begins and ends at one
 */
static uint64_t n_pages(const struct region *r)
{
	return r->size / LOG_PAGE;
}

/**
 * home_of() - Where in the regions an address of the rings' linear view is
 * @m:		Memory
 * @at:		Address, replaced
 */
static void home_of(const struct memory *m, uintptr_t *at)
{
	const struct arena *a = &m->rings;
	uint64_t off = *at - (uintptr_t)a->linear;

	if (off < a->bytes)
		*at = (uintptr_t)arena_ptr(a, off, NULL);
}

/**
 * on_fault() - The driver wrote to a page that is protected: note that, let it
 */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr, page = at & ~(uintptr_t)(LOG_PAGE - 1);
	const struct memory *m = &guarded->mem;
	unsigned int i;

	(void)context;
	home_of(m, &at);
	for (i = 0; i < m->n_regions; i++) {
		uint64_t off = at - (uintptr_t)m->regions[i].va;

		if (off >= m->regions[i].size)
			continue;
		guarded->migrate.ours[i][off / LOG_PAGE] = true;
		if (mprotect((void *)page, LOG_PAGE, PROT_READ | PROT_WRITE) == 0)
			return;
	}
	/* It is a fault of ours, and ends us when it is repeated */
	(void)signal(sig, SIG_DFL);
}

/**
 * protect() - See what the driver writes to from here on
 */
static int protect(const struct memory *m)
{
	unsigned int i;
	int failed = mprotect(m->rings.linear, m->rings.bytes, PROT_READ);

	for (i = 0; i < m->n_regions; i++)
		failed |= mprotect(m->regions[i].va, m->regions[i].size, PROT_READ);
	if (!failed)
		return 0;
	fprintf(stderr, "vunet-guest: cannot protect memory: %s\n", strerror(errno));
	return -ENOMEM;
}

int migrate_init(struct migrate *t, struct guest *g)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
	unsigned int i;

	bitmap_init(&t->log, &g->mem);
	for (i = 0; i < g->mem.n_regions; i++) {
		t->ours[i] = calloc(n_pages(&g->mem.regions[i]), sizeof(bool));
		if (!t->ours[i])
			return -ENOMEM;
	}
	guarded = g;
	return sigaction(SIGSEGV, &sa, NULL) ? -errno : 0;
}

void migrate_free(struct migrate *t, const struct guest *g)
{
	unsigned int i;

	if (guarded)
		(void)signal(SIGSEGV, SIG_DFL);
	for (i = 0; i < REGIONS_MAX; i++) {
		if (t->copies[i])
			munmap(t->copies[i], g->mem.regions[i].size);
		free(t->ours[i]);
	}
	bitmap_close(&t->log);
}

/**
 * copy() - Copy what is marked and what the driver wrote to
 *
 * The mark is taken away before the page is read: what is written later is marked
 * again.
 */
static void copy(struct migrate *t, const struct memory *m)
{
	unsigned int i;
	uint64_t page;

	for (i = 0; i < m->n_regions; i++) {
		const struct region *r = &m->regions[i];

		for (page = 0; page < n_pages(r); page++) {
			bool marked = bitmap_take(&t->log, r->gpa + page * LOG_PAGE);

			if (!marked && !t->ours[i][page])
				continue;
			t->ours[i][page] = false;
			memcpy(t->copies[i] + page * LOG_PAGE, r->va + page * LOG_PAGE, LOG_PAGE);
		}
	}
}

/**
 * begin() - Switch logging on, and copy all of memory
 */
static int begin(struct migrate *t, struct guest *g)
{
	struct device *d = &g->devices[0];
	unsigned int i;
	int err = bitmap_open(&t->log);

	if (!err)
		err = frontend_set_log(d, t->log.fd, t->log.size);
	if (!err)
		err = frontend_log_all(d, true);
	if (!err)
		err = protect(&g->mem);
	if (!err)
		err = memory_twin(&g->mem, t->copies);
	for (i = 0; !err && i < g->mem.n_regions; i++)
		memset(t->ours[i], true, n_pages(&g->mem.regions[i]) * sizeof(bool));
	if (err)
		return err;
	copy(t, &g->mem);
	t->state = MIGRATE_COPY;
	t->rounds = ROUNDS;
	return 0;
}

/**
 * again() - Copy once more, or let come in what is on its way
 */
static int again(struct migrate *t, struct guest *g, uint64_t now)
{
	unsigned int pair;
	int err = protect(&g->mem);

	if (err)
		return err;
	copy(t, &g->mem);
	if (--t->rounds)
		return 0;
	for (pair = 0; !err && pair < g->opt->pairs; pair++)
		err = frontend_stop_ring(&g->devices[0], 2 * pair + 1);
	t->state = MIGRATE_DRAIN;
	t->heard = g->stats.rx_frames;
	t->late_ns = now + LATE_NS;
	return err;
}

/**
 * compare() - Hold the copy against memory
 */
static void compare(const struct migrate *t, struct guest *g)
{
	unsigned int i;
	uint64_t page;

	for (i = 0; i < g->mem.n_regions; i++) {
		const struct region *r = &g->mem.regions[i];

		for (page = 0; page < n_pages(r); page++) {
			uint64_t off = page * LOG_PAGE, gpa = r->gpa + off;

			if (!memcmp(t->copies[i] + off, r->va + off, LOG_PAGE))
				continue;
			if (!g->stats.log_missed++)
				fprintf(stderr,
					"vunet-guest: the page at 0x%llx is not what it was "
					"before the migration\n",
					(unsigned long long)gpa);
		}
	}
}

/**
 * change_over() - Go on with the copy, at the other backend
 */
static int change_over(struct migrate *t, struct guest *g)
{
	struct device *d = &g->devices[0];
	int err = memory_become(&g->mem, t->copies);

	if (err)
		return err;
	vu_close(&d->vu);
	t->away = !t->away;
	d->vu.path = t->away ? g->opt->migrate : g->opt->sockets[0];
	d->logged = false;
	viommu_forget(&d->iommu);
	err = frontend_connect(d);
	return err ? err : frontend_start(d);
}

/**
 * finish() - Stop what runs, copy what is left, and change over
 */
static int finish(struct migrate *t, struct guest *g)
{
	unsigned int pair;
	int err = 0;

	for (pair = 0; !err && pair < g->opt->pairs; pair++)
		err = frontend_stop_ring(&g->devices[0], 2 * pair);
	if (err)
		return err;
	copy(t, &g->mem);
	compare(t, g);
	err = change_over(t, g);
	g->stats.migrations += !err;
	t->state = MIGRATE_REST;
	t->next_ns = clock_ns() + g->opt->migrate_ms * NS_PER_MS;
	return err;
}

/**
 * all_back() - Whether all frames that the backend took have come back
 *
 * Of those that are sent, what it has not taken is still in the transmit rings.
 */
static bool all_back(struct guest *g)
{
	uint64_t left = 0;
	unsigned int pair;

	for (pair = 0; pair < g->opt->pairs; pair++)
		left += ring_left(device_tx(&g->devices[0], pair));
	return g->stats.rx_frames + left >= g->stats.tx_frames;
}

/**
 * drain() - Finish when nothing is on its way
 */
static int drain(struct migrate *t, struct guest *g, uint64_t now)
{
	bool more = g->stats.rx_frames != t->heard;

	t->heard = g->stats.rx_frames;
	if (g->opt->mode == MODE_VERIFY)
		more = !all_back(g);
	if (!more || now > t->late_ns)
		return finish(t, g);
	t->next_ns = now + QUIET_NS;
	return 0;
}

int migrate_step(struct migrate *t, struct guest *g, uint64_t now)
{
	int err = 0;

	if (now < t->next_ns)
		return 0;
	switch (t->state) {
	case MIGRATE_REST:
		t->next_ns = now + ROUND_NS;
		return begin(t, g);
	case MIGRATE_COPY:
		t->next_ns = now + ROUND_NS;
		err = again(t, g, now);
		if (t->state == MIGRATE_DRAIN)
			t->next_ns = now + QUIET_NS;
		return err;
	default:
		return drain(t, g, now);
	}
}
