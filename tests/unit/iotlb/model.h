/* SPDX-License-Identifier: BSD-3-Clause */
/* model.h - What an IOTLB means, written as plainly as possible
 *
 * A list of disjoint byte intervals.  Mapping takes the range out of every
 * interval and adds one; a lookup searches them all.  Nothing is bounded, so an
 * IOTLB that evicts knows a part of what the model knows.
 */
#ifndef VUNETD_IOTLB_MODEL_H
#define VUNETD_IOTLB_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Bytes [first, last] of the space are at @host with @perm */
struct interval {
	uint64_t first;
	uint64_t last;
	uint64_t host;
	uint8_t perm;
};

struct model {
	struct interval *at;
	size_t n;
	size_t n_allocated;
};

static inline void model_add(struct model *m, struct interval v)
{
	if (m->n == m->n_allocated) {
		m->n_allocated = m->n_allocated ? 2 * m->n_allocated : 64;
		m->at = realloc(m->at, m->n_allocated * sizeof(*m->at));
		if (!m->at)
			abort();
	}
	m->at[m->n++] = v;
}

static inline void model_unmap(struct model *m, uint64_t first, uint64_t last)
{
	size_t n = m->n;

	for (size_t i = 0; i < n; i++) {
		struct interval v = m->at[i];

		if (v.last < first || v.first > last)
			continue;
		m->at[i].perm = 0; /* dead; swept below */
		if (v.first < first)
			model_add(m, (struct interval){v.first, first - 1, v.host, v.perm});
		if (v.last > last)
			model_add(m, (struct interval){last + 1, v.last,
						       v.host + (last + 1 - v.first), v.perm});
	}
	n = m->n;
	m->n = 0;
	for (size_t i = 0; i < n; i++)
		if (m->at[i].perm)
			m->at[m->n++] = m->at[i];
}

static inline void model_map(struct model *m, uint64_t first, uint64_t last, uint64_t host,
			     uint8_t perm)
{
	model_unmap(m, first, last);
	model_add(m, (struct interval){first, last, host, perm});
}

static inline const struct interval *model_at(const struct model *m, uint64_t iova)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->at[i].first <= iova && iova <= m->at[i].last)
			return &m->at[i];
	return NULL;
}

/* As iotlb_lookup(), but the length is all that is contiguous, up to @len */
static inline uint64_t model_lookup(const struct model *m, uint64_t iova, uint64_t len,
				    uint8_t perm, uint64_t *ret_len)
{
	const struct interval *v = model_at(m, iova);
	uint64_t host, got = 0;

	if (!v || (v->perm & perm) != perm)
		return 0;
	host = v->host + (iova - v->first);
	while (v && (v->perm & perm) == perm && v->host + (iova + got - v->first) == host + got) {
		got += v->last - (iova + got) + 1;
		if (got >= len || iova + got == 0)
			break;
		v = model_at(m, iova + got);
	}
	*ret_len = got < len ? got : len;
	return host;
}

static inline void model_free(struct model *m)
{
	free(m->at);
	*m = (struct model){0};
}

#endif /* VUNETD_IOTLB_MODEL_H */
