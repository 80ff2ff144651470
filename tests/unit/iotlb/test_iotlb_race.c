/* SPDX-License-Identifier: BSD-3-Clause */
/* test_iotlb_race.c - A writer that takes pages away from readers at work
 *
 * What must hold is the promise to the guest: after iotlb_unmap() and
 * iotlb_synchronize() no reader touches the page.  How it is checked: race.h.
 *
 * Built with IOTLB_TEST_NO_GRACE the same test must find the promise broken, so
 * there it passes when it does, and fails when it does not.
 */
#include "tests/unit/iotlb/race.h"

#ifdef IOTLB_TEST_NO_GRACE
#define PROMISE_HOLDS 0
#else
#define PROMISE_HOLDS 1
#endif

#define N_SMALL	      96  /* pages of 4 KiB, over the first N_SPANS spans */
#define N_SPANS	      6	  /* spans of 2 MiB that hold them, scattered */
#define HUGE_PAGES    512 /* a 2 MiB leaf, in a span that also holds small pages */
#define N_FRAMES      256 /* host pages */
#define MAX_BOUND     700 /* entries: little more than a split takes */
#define N_OPS	      4000
#define N_HITS	      20000
#define N_KEPT	      1000
#define SECONDS	      1.0
#define SECONDS_LIMIT 60.0 /* by then a machine that does anything has done it */

/* The first page of each span; the last is the last of the space */
static const uint64_t span_page[N_SPANS] = {
	0x0, 0x200, 0x40000 - 0x200, 0x40000, UINT64_C(1) << 40, (UINT64_C(1) << 52) - 0x200,
};

/* What the writer knows of an IOVA page */
struct slot {
	uint64_t page;
	uint8_t *frame; /* mapped there, or NULL */
};

struct writer {
	struct race race;
	uint64_t rng;
	uint64_t pages[N_SMALL];
	struct slot slot[N_SMALL];
	uint8_t *frames;
	uint8_t *free[N_FRAMES];
	size_t n_free;
	uint8_t *huge;
	bool huge_is_mapped;
};

static uint8_t *frame_take(struct writer *w, uint64_t page)
{
	uint8_t *frame = w->free[--w->n_free];

	stamp(frame, page, 1);
	return frame;
}

static void frame_release(struct writer *w, uint8_t *frame)
{
	poison(frame, 1);
	w->free[w->n_free++] = frame;
}

/* Put a fresh frame at a slot; what was there is released after a grace period */
static void op_map(struct writer *w) CTL_ONLY
{
	struct slot *s = &w->slot[random_below(&w->rng, N_SMALL)];
	uint8_t *old = s->frame;
	uint64_t skip = random_below(&w->rng, 4) ? 0 : 8 * random_below(&w->rng, 500);

	s->frame = frame_take(w, s->page);
	/* a page, or from somewhere in the page to its end, at an odd address */
	assert_true(iotlb_map(w->race.tlb, s->page * PAGE + skip, PAGE - skip,
			      s->frame + skip / 16 * 8, RW) >= 0);
	if (!old)
		return;
	if (skip) /* the rest of the old page */
		iotlb_unmap(w->race.tlb, s->page * PAGE, skip);
	iotlb_synchronize(w->race.tlb);
	frame_release(w, old);
}

/* Unmap some slots, wait once for all */
static void op_unmap(struct writer *w) CTL_ONLY
{
	uint8_t *out[8];
	unsigned int n = 0;

	for (unsigned int i = 0; i < 8; i++) {
		struct slot *s = &w->slot[random_below(&w->rng, N_SMALL)];

		if (!s->frame)
			continue;
		iotlb_unmap(w->race.tlb, s->page * PAGE, PAGE);
		out[n++] = s->frame;
		s->frame = NULL;
	}
	iotlb_synchronize(w->race.tlb);
	while (n--)
		frame_release(w, out[n]);
}

/* Release what is mapped in the span of the huge page */
static void huge_evacuate(struct writer *w) CTL_ONLY
{
	iotlb_synchronize(w->race.tlb);
	if (w->huge_is_mapped)
		poison(w->huge, HUGE_PAGES);
	w->huge_is_mapped = false;
	for (unsigned int i = 0; i < N_SMALL; i++) {
		struct slot *s = &w->slot[i];

		if (s->page / HUGE_PAGES != span_page[3] / HUGE_PAGES || !s->frame)
			continue;
		frame_release(w, s->frame);
		s->frame = NULL;
	}
}

/* A 2 MiB leaf takes the place of a table, is split, and goes again */
static void op_huge(struct writer *w) CTL_ONLY
{
	uint64_t page = span_page[3], hole = page + random_below(&w->rng, HUGE_PAGES);

	iotlb_unmap(w->race.tlb, page * PAGE, 2 * MIB);
	huge_evacuate(w);
	stamp(w->huge, page, HUGE_PAGES);
	iotlb_map(w->race.tlb, page * PAGE, 2 * MIB, w->huge, RW);
	w->huge_is_mapped = true;
	sched_yield();
	iotlb_unmap(w->race.tlb, hole * PAGE, PAGE);
	iotlb_synchronize(w->race.tlb);
	poison(w->huge + (hole - page) * PAGE, 1);
	sched_yield();
	if (random_below(&w->rng, 2))
		return;
	iotlb_unmap(w->race.tlb, page * PAGE, 2 * MIB);
	huge_evacuate(w);
}

/* Scattered pages that nobody reads push nodes out */
static void op_scatter(struct writer *w) CTL_ONLY
{
	for (unsigned int i = 0; i < 40; i++)
		iotlb_map(w->race.tlb, random_next(&w->rng) << 12, 1, w->huge, RW);
}

/* Forget everything */
static void op_clear(struct writer *w) CTL_ONLY
{
	iotlb_clear(w->race.tlb);
	huge_evacuate(w);
	for (unsigned int i = 0; i < N_SMALL; i++) {
		if (w->slot[i].frame)
			frame_release(w, w->slot[i].frame);
		w->slot[i].frame = NULL;
	}
}

static void op_any(struct writer *w) CTL_ONLY
{
	switch (random_below(&w->rng, 64)) {
	case 0:
		op_clear(w);
		break;
	case 1 ... 3:
		op_huge(w);
		break;
	case 4 ... 6:
		op_scatter(w);
		break;
	case 7 ... 14:
		op_unmap(w);
		break;
	default:
		op_map(w);
		break;
	}
}

static void writer_init(struct writer *w) CTL_ONLY
{
	*w = (struct writer){.rng = 42};
	w->frames = aligned_alloc(PAGE, N_FRAMES * PAGE);
	w->huge = aligned_alloc(2 * MIB, 2 * MIB);
	assert_non_null(w->frames);
	assert_non_null(w->huge);
	for (unsigned int i = 0; i < N_FRAMES; i++)
		frame_release(w, w->frames + i * PAGE);
	for (unsigned int i = 0; i < N_SMALL; i++) {
		w->pages[i] = span_page[i % N_SPANS] + i / N_SPANS * 32;
		w->slot[i].page = w->pages[i];
	}
	w->race.pages = w->pages;
	w->race.n_pages = N_SMALL;
	w->race.qsbr = qsbr_new(N_READERS);
	assert_int_equal(iotlb_new(MAX_BOUND, w->race.qsbr, &w->race.tlb), 0);
}

static void writer_fini(struct writer *w) CTL_ONLY
{
	iotlb_free(w->race.tlb);
	free(w->race.qsbr);
	free(w->frames);
	free(w->huge);
}

static bool seen_enough(const struct race *race, unsigned int n_ops, double since)
{
	if (!PROMISE_HOLDS)
		return __atomic_load_n(&race->n_bad, __ATOMIC_RELAXED) > 0;
	return n_ops >= N_OPS && seconds() - since >= SECONDS &&
	       __atomic_load_n(&race->n_hits, __ATOMIC_RELAXED) >= N_HITS &&
	       __atomic_load_n(&race->n_kept, __ATOMIC_RELAXED) >= N_KEPT;
}

static void test_released_page_is_not_touched(void **state)
{
	static struct reader readers[N_READERS];
	static struct writer w;
	double since = seconds();
	unsigned int n_ops = 0;

	(void)state;
	thread_role_assume(&ctl_role);
	writer_init(&w);
	readers_start(&w.race, readers);
	while (!seen_enough(&w.race, n_ops, since) && seconds() - since < SECONDS_LIMIT) {
		op_any(&w);
		n_ops++;
	}
	readers_stop(&w.race, readers);
	print_message("%u operations, %llu hits, %llu kept, %llu bad\n", n_ops,
		      (unsigned long long)w.race.n_hits, (unsigned long long)w.race.n_kept,
		      (unsigned long long)w.race.n_bad);
	writer_fini(&w);
	assert_int_equal(w.race.n_bad == 0, PROMISE_HOLDS);
	if (PROMISE_HOLDS) {
		assert_true(n_ops >= N_OPS);
		assert_true(w.race.n_hits >= N_HITS);
		assert_true(w.race.n_kept >= N_KEPT);
	}
}

/* ------------------------------- the same, one page, step by step, no luck -- */

struct step {
	struct race race;
	uint8_t *frame;
	int holds;    /* the reader has looked the page up */
	int released; /* the writer has released it */
	bool sound;   /* what the reader then found in it */
};

/* Hold a page for 20 ms, or until the writer says that nobody holds it */
static void *holder_main(void *arg)
{
	struct step *s = arg;
	struct iotlb_hints own;
	struct held held = {.iova = PAGE, .len = PAGE};
	double since;

	thread_role_assume(&pmd_role);
	iotlb_hints_init(&own);
	rte_rcu_qsbr_thread_online(s->race.qsbr, 0);
	iotlb_hints_check(s->race.tlb, &own);
	held.host = iotlb_lookup(s->race.tlb, &own, held.iova, held.len, RW, &held.len);
	__atomic_store_n(&s->holds, 1, __ATOMIC_RELEASE);
	for (since = seconds(); seconds() - since < 0.02;) {
		if (__atomic_load_n(&s->released, __ATOMIC_ACQUIRE))
			break;
		sched_yield();
	}
	s->sound = held.host && held_is_sound(&held);
	rte_rcu_qsbr_thread_offline(s->race.qsbr, 0);
	return NULL;
}

static void test_synchronize_waits_for_holder(void **state)
{
	struct step s = {.frame = aligned_alloc(PAGE, PAGE)};
	pthread_t holder;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_non_null(s.frame);
	s.race.qsbr = qsbr_new(1);
	assert_int_equal(iotlb_new(64, s.race.qsbr, &s.race.tlb), 0);
	rte_rcu_qsbr_thread_register(s.race.qsbr, 0);
	stamp(s.frame, 1, 1);
	assert_true(iotlb_map(s.race.tlb, PAGE, PAGE, s.frame, RW) >= 0);
	assert_int_equal(pthread_create(&holder, NULL, holder_main, &s), 0);
	while (!__atomic_load_n(&s.holds, __ATOMIC_ACQUIRE))
		sched_yield();
	iotlb_unmap(s.race.tlb, PAGE, PAGE);
	iotlb_synchronize(s.race.tlb);
	poison(s.frame, 1);
	__atomic_store_n(&s.released, 1, __ATOMIC_RELEASE);
	pthread_join(holder, NULL);
	iotlb_free(s.race.tlb);
	free(s.race.qsbr);
	free(s.frame);
	assert_int_equal(s.sound, PROMISE_HOLDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_synchronize_waits_for_holder),
		cmocka_unit_test(test_released_page_is_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
