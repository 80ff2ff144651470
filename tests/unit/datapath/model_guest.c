/* SPDX-License-Identifier: BSD-3-Clause */
/* model_guest.c - A guest's memory and vIOMMU in this process
 *
 * See model_guest.h.
 */
#include "tests/unit/datapath/model_guest.h"

#include <assert.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_rcu_qsbr.h>

void mg_eal_init(void)
{
	static char *argv[] = {"test",
			       "--no-huge",
			       "-m",
			       "128",
			       "--no-pci",
			       "--no-shconf",
			       "--no-telemetry",
			       "--iova-mode=va",
			       "--log-level=*:4",
			       "--lcores=0",
			       NULL};
	static bool done;
	cpu_set_t cpus;

	thread_role_assume(&ctl_role);
	if (done)
		return;
	done = true;
	/* EAL binds the calling thread to a core; tests share what there is */
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	assert_true(rte_eal_init(RTE_DIM(argv) - 1, argv) >= 0);
	assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
}

uint32_t mg_rand(struct model_guest *g, uint32_t n)
{
	/* xorshift64* */
	g->rng ^= g->rng >> 12;
	g->rng ^= g->rng << 25;
	g->rng ^= g->rng >> 27;
	return (uint32_t)((g->rng * UINT64_C(2685821657736338717)) >> 33) % n;
}

/* Sattolo's algorithm: one cycle, so that no granule stays in its place */
static void mg_scatter(struct model_guest *g)
{
	for (uint32_t i = g->n - 1; i > 0; i--) {
		uint32_t j = mg_rand(g, i);
		uint32_t slot = g->map[i].slot;

		g->map[i].slot = g->map[j].slot;
		g->map[j].slot = slot;
	}
}

struct model_guest *mg_new(uint32_t n, uint32_t gran, bool linear, struct rte_rcu_qsbr *qsbr)
{
	struct model_guest *g = calloc(1, sizeof(*g));
	const char *seed = getenv("TEST_SEED");

	thread_role_assume(&ctl_role);
	mg_eal_init();
	assert_non_null(g);
	g->rng = seed ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15;
	g->n = n;
	g->gran = gran;
	/* Beyond 4 GiB, and in the last page of a 2 MiB span */
	g->base = UINT64_C(0x7000000) * gran + UINT64_C(511) * gran;
	g->ram = mmap(NULL, (size_t)n * gran, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	assert_true(g->ram != MAP_FAILED);
	g->map = calloc(n, sizeof(*g->map));
	assert_non_null(g->map);
	for (uint32_t i = 0; i < n; i++)
		g->map[i].slot = i;
	if (!linear)
		mg_scatter(g);
	if (!qsbr) {
		qsbr = aligned_alloc(64, RTE_ALIGN_CEIL(rte_rcu_qsbr_get_memsize(1), 64));
		assert_int_equal(rte_rcu_qsbr_init(qsbr, 1), 0);
		g->qsbr = qsbr;
	}
	/* A granule may lie in two pages, and then is two entries */
	assert_int_equal(iotlb_new(2 * n + 64, qsbr, &g->tlb), 0);
	assert_int_equal(miss_queue_new(&g->misses), 0);
	return g;
}

void mg_free(struct model_guest *g)
{
	thread_role_assume(&ctl_role);
	iotlb_free(g->tlb);
	miss_queue_free(g->misses);
	munmap(g->ram, (size_t)g->n * g->gran);
	free(g->qsbr);
	free(g->map);
	free(g);
}

uint64_t mg_alloc(struct model_guest *g, size_t size, size_t align, size_t skew, uint8_t perm)
{
	uint64_t iova = RTE_ALIGN_MUL_CEIL(g->base + g->brk, align) + skew;
	uint64_t end = iova + size - g->base;

	assert_true(end <= (uint64_t)g->n * g->gran);
	for (uint64_t i = (iova - g->base) / g->gran; i <= (end - 1) / g->gran; i++)
		g->map[i].perm |= perm;
	g->brk = end;
	return iova;
}

void mg_alloc_page(struct model_guest *g)
{
	g->brk = RTE_ALIGN_MUL_CEIL(g->brk, g->gran);
}

uint8_t *mg_host(const struct model_guest *g, uint64_t iova)
{
	uint64_t off = iova - g->base;

	assert_true(off < (uint64_t)g->n * g->gran);
	return g->ram + (size_t)g->map[off / g->gran].slot * g->gran + off % g->gran;
}

void mg_write(struct model_guest *g, uint64_t iova, const void *src, size_t n)
{
	size_t len;

	for (; n; n -= len, iova += len, src = (const char *)src + len) {
		len = RTE_MIN(n, (size_t)(g->gran - (iova - g->base) % g->gran));
		memcpy(mg_host(g, iova), src, len);
	}
}

void mg_read(const struct model_guest *g, uint64_t iova, void *dst, size_t n)
{
	size_t len;

	for (; n; n -= len, iova += len, dst = (char *)dst + len) {
		len = RTE_MIN(n, (size_t)(g->gran - (iova - g->base) % g->gran));
		memcpy(dst, mg_host(g, iova), len);
	}
}

static void mg_map(struct model_guest *g, uint32_t i)
{
	thread_role_assume(&ctl_role);
	if (!g->map[i].perm || g->map[i].mapped)
		return;
	assert_true(iotlb_map(g->tlb, g->base + (uint64_t)i * g->gran, g->gran,
			      g->ram + (size_t)g->map[i].slot * g->gran, g->map[i].perm) >= 0);
	g->map[i].mapped = true;
}

void mg_map_all(struct model_guest *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		mg_map(g, i);
}

void mg_map_linear(struct model_guest *g)
{
	thread_role_assume(&ctl_role);
	assert_true(iotlb_map(g->tlb, g->base, (uint64_t)g->n * g->gran, g->ram,
			      IOTLB_READ | IOTLB_WRITE) >= 0);
}

static void mg_unmap(struct model_guest *g, uint32_t i)
{
	thread_role_assume(&ctl_role);
	if (!g->map[i].mapped)
		return;
	assert_int_equal(iotlb_unmap(g->tlb, g->base + (uint64_t)i * g->gran, g->gran), 0);
	g->map[i].mapped = false;
}

void mg_unmap_random(struct model_guest *g, unsigned int n)
{
	thread_role_assume(&ctl_role);
	while (n--)
		mg_unmap(g, mg_rand(g, g->n));
	iotlb_synchronize(g->tlb);
}

void mg_unmap_at(struct model_guest *g, uint64_t iova)
{
	thread_role_assume(&ctl_role);
	mg_unmap(g, (uint32_t)((iova - g->base) / g->gran));
	iotlb_synchronize(g->tlb);
}

void mg_map_at(struct model_guest *g, uint64_t iova)
{
	mg_map(g, (uint32_t)((iova - g->base) / g->gran));
}

unsigned int mg_answer(struct model_guest *g, unsigned int max)
{
	unsigned int n = 0;
	struct miss m;

	thread_role_assume(&ctl_role);
	while (n < max && miss_drain(g->misses, &m, 1)) {
		uint64_t i = (m.iova - g->base) / g->gran;

		n++;
		if (i >= g->n || !m.perm || (m.perm & ~g->map[i].perm)) {
			g->faults++;
			continue;
		}
		g->answered += !g->map[i].mapped;
		mg_map(g, (uint32_t)i);
	}
	return n;
}
