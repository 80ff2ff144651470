/* SPDX-License-Identifier: BSD-3-Clause */
/* model_log.c - A front-end that compares a model guest's memory with the log */
#include "tests/unit/datapath/model_log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE  ((size_t)1 << DIRTY_PAGE_SHIFT)
#define GUARD 0x5a

/* Far apart, in no order; the highest page has the last bit */
static const uint64_t gpas[ML_REGIONS] = {UINT64_C(0x40000000), 0, UINT64_C(0x13000000)};

struct model_log *ml_new(struct model_guest *g)
{
	struct model_log *l = calloc(1, sizeof(*l));
	struct dirty_region regions[ML_REGIONS];
	size_t third;

	thread_role_assume(&ctl_role);
	assert_non_null(l);
	l->g = g;
	l->size = RTE_ALIGN_CEIL((size_t)g->n * g->gran, PAGE);
	third = RTE_ALIGN_FLOOR(l->size / ML_REGIONS, PAGE);
	for (unsigned int i = 0; i < ML_REGIONS; i++)
		regions[i] = (struct dirty_region){
			.host = (uintptr_t)g->ram + i * third,
			.gpa = gpas[i],
			.size = i + 1 < ML_REGIONS ? third : l->size - i * third,
		};
	l->n_bytes = ((gpas[0] + third - 1) / PAGE) / 8 + 1;
	l->bits = calloc(1, l->n_bytes + 1);
	l->before = malloc(l->size);
	assert_true(l->bits && l->before);
	l->bits[l->n_bytes] = GUARD;
	assert_int_equal(dirty_log_init(&l->log, l->bits, l->n_bytes - 1, regions, ML_REGIONS),
			 -ERANGE);
	assert_int_equal(dirty_log_init(&l->log, l->bits, l->n_bytes, regions, ML_REGIONS), 0);
	return l;
}

void ml_free(struct model_log *l)
{
	free(l->bits);
	free(l->before);
	free(l);
}

/* The bit of a page, found another way than by the code under test */
static bool ml_bit(const struct model_log *l, size_t off)
{
	size_t third = RTE_ALIGN_FLOOR(l->size / ML_REGIONS, PAGE);
	unsigned int i = (unsigned int)RTE_MIN(off / third, (size_t)(ML_REGIONS - 1));
	uint64_t page = (gpas[i] + (off - i * third)) / PAGE;

	return l->bits[page / 8] >> page % 8 & 1;
}

bool ml_marked(const struct model_log *l, uint64_t iova)
{
	return ml_bit(l, (size_t)(mg_host(l->g, iova) - l->g->ram));
}

void ml_begin(struct model_log *l)
{
	memset(l->bits, 0, l->n_bytes);
	memcpy(l->before, l->g->ram, (size_t)l->g->n * l->g->gran);
}

unsigned int ml_end(struct model_log *l)
{
	size_t bytes = (size_t)l->g->n * l->g->gran;
	unsigned int marked = 0;

	for (size_t off = 0; off < bytes; off += PAGE) {
		bool changed = memcmp(l->before + off, l->g->ram + off, RTE_MIN(PAGE, bytes - off));

		if (changed && !ml_bit(l, off))
			fail_msg("the page at %zu was written to and is not marked", off);
		marked += ml_bit(l, off);
		l->changed += changed;
	}
	/* Nothing else is */
	for (size_t i = 0; i < l->n_bytes; i++)
		marked -= (unsigned int)__builtin_popcount(l->bits[i]);
	assert_int_equal(marked, 0);
	assert_int_equal(l->bits[l->n_bytes], GUARD);
	for (size_t off = 0; off < bytes; off += PAGE)
		marked += ml_bit(l, off);
	l->marked += marked;
	return marked;
}
