/* SPDX-License-Identifier: BSD-3-Clause */
/* mbufs.c - mbufs that AddressSanitizer looks after */
#include "tests/fuzz/mbufs.h"

#include <sanitizer/asan_interface.h>

#include "tests/fuzz/input.h"
#include "tests/unit/datapath/model_guest.h"

/**
 * fence() - Poison what is around one object of a pool
 * @pool:	Pool
 * @arg:	Unused
 * @obj:	mbuf
 * @i:		Unused
 */
static void fence(struct rte_mempool *pool, void *arg, void *obj, unsigned int i)
{
	(void)arg, (void)i;
	ASAN_POISON_MEMORY_REGION((char *)obj - pool->header_size, pool->header_size);
	ASAN_POISON_MEMORY_REGION((char *)obj + pool->elt_size, pool->trailer_size);
}

struct rte_mempool *mbufs_new(const char *name, unsigned int n, uint16_t room)
{
	struct rte_mempool *pool;

	/* What the fixtures assert is a finding like any other */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	mg_eal_init();
	pool = rte_pktmbuf_pool_create(name, n, 0, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + room),
				       SOCKET_ID_ANY);
	FUZZ_CHECK(pool);
	rte_mempool_obj_iter(pool, fence, NULL);
	return pool;
}

struct rte_mbuf *mbufs_frame(struct rte_mempool *pool, const uint8_t *bytes, uint32_t len,
			     uint32_t cut)
{
	struct rte_mbuf *first = NULL, **link = &first, *m;
	uint32_t n;

	do {
		m = rte_pktmbuf_alloc(pool);
		FUZZ_CHECK(m);
		n = (uint32_t)m->buf_len - RTE_PKTMBUF_HEADROOM;
		n = RTE_MIN(len, n);
		n = cut ? RTE_MIN(n, cut) : n;
		m->data_off = (uint16_t)(m->buf_len - n);
		m->data_len = (uint16_t)n;
		memcpy(rte_pktmbuf_mtod(m, void *), bytes, n);
		*link = m;
		link = &m->next;
		if (m != first)
			first->nb_segs++;
		first->pkt_len += n;
		bytes += n;
		len -= n;
	} while (len);
	return first;
}

void mbufs_check(const struct rte_mbuf *m)
{
	const struct rte_mbuf *seg = m;
	const char *why;
	uint32_t len = 0;

	FUZZ_CHECK(!rte_mbuf_check(m, 1, &why));
	do {
		FUZZ_CHECK(seg->data_len);
		len += seg->data_len;
		seg = seg->next;
	} while (seg);
	FUZZ_CHECK(len == m->pkt_len);
}
