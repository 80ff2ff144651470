/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_bench.c - Cycles a packet costs in vq_pull() and vq_push()
 *
 * A driver in the same thread makes a burst available and takes it back; only
 * the device's half is timed, in bursts of VQ_BURST.  The guest's buffers are
 * visited in turn, so that with many of them their bytes come from memory, as
 * they would from a real guest.
 *
 *	vq_bench [rounds]
 *
 * Columns: TSC cycles per packet, the lower quartile of bursts: what else runs on
 * the machine makes bursts longer, never shorter.  Built with -DVQ_STAGES, the
 * same for each stage of a call (vq_stages.h).
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include "datapath/dirty_log.h"
#include "datapath/miss.h"
#include "datapath/vq_internal.h"
#include "iotlb/iotlb.h"

#define PAGE	 4096u
#define RING	 256u
#define IOVA	 UINT64_C(0x100000000)
#define FEATURES (UINT64_C(1) << VIRTIO_F_VERSION_1 | UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF)
#define PACKED	 (UINT64_C(1) << VIRTIO_F_RING_PACKED)
#define ORDER	 (UINT64_C(1) << VIRTIO_F_IN_ORDER)

/* Figures a burst gives: all of it, or each stage and their sum */
#ifdef VQ_STAGES
#define N_FIGURES (VQ_N_STAGES + 1)
#else
#define N_FIGURES 1
#endif

/**
 * struct scene - One line of the table
 * @n_bufs:	Buffers visited in turn
 * @stride:	Distance between them
 * @scattered:	4 KiB pages at random places, else one linear range
 * @features:	Negotiated, beside FEATURES
 * @logged:	Dirty pages are logged, all of which are marked already
 */
struct scene {
	const char *name;
	unsigned int n_bufs;
	unsigned int stride;
	bool scattered;
	uint64_t features;
	bool logged;
};

static const struct scene scenes[] = {
	{"linear, 1024 buffers", 1024, 2048, false, 0, false},
	{"4K scattered, 1024 buffers", 1024, 2048, true, 0, false},
	{"linear, 8192 buffers", 8192, 2048, false, 0, false},
	{"4K scattered, 8192 buffers", 8192, 2048, true, 0, false},
	{"linear, 1024 straddling", 1024, 2176 + 128, false, 0, false},
	{"4K scattered, 1024 straddling", 1024, 2176 + 128, true, 0, false},
	{"in order, linear, 1024", 1024, 2048, false, ORDER, false},
	{"packed, linear, 1024", 1024, 2048, false, PACKED, false},
	{"packed, 4K scattered, 1024", 1024, 2048, true, PACKED, false},
	{"packed, linear, 8192", 8192, 2048, false, PACKED, false},
	{"packed, 4K scattered, 8192", 8192, 2048, true, PACKED, false},
	{"packed, in order, linear, 1024", 1024, 2048, false, PACKED | ORDER, false},
	{"logged, linear, 1024", 1024, 2048, false, 0, true},
	{"logged, packed, linear, 1024", 1024, 2048, false, PACKED, true},
};

static struct rte_rcu_qsbr *qsbr;
static struct rte_mempool *pool;
static struct miss_queue *misses;

/**
 * struct bench - A guest's memory and ring; ring areas come first in IOVA space
 */
struct bench {
	uint8_t *ram;
	size_t size;
	uint32_t *slot;
	struct iotlb *tlb;
	struct vq *vq;
	struct dirty_log log;
	uint8_t *bits;
	uint64_t bufs;
	uint32_t next_buf;
	uint16_t idx;
};

#define AVAIL_OFF (RING * 16u)
#define USED_OFF  (2 * PAGE)
#define BUFS_OFF  (3 * PAGE)

static void die(const char *what)
{
	fprintf(stderr, "vq_bench: %s\n", what);
	exit(1);
}

static uint8_t *host(const struct bench *b, uint64_t off)
{
	return b->ram + (size_t)b->slot[off / PAGE] * PAGE + off % PAGE;
}

static void scatter(struct bench *b, uint32_t n, bool scattered)
{
	for (uint32_t i = 0; i < n; i++)
		b->slot[i] = i;
	for (uint32_t i = n - 1; scattered && i; i--) {
		uint32_t j = (uint32_t)random() % i, s = b->slot[i];

		b->slot[i] = b->slot[j];
		b->slot[j] = s;
	}
}

static void map(struct bench *b, uint32_t n, bool scattered) CTL_ONLY
{
	uint8_t rw = IOTLB_READ | IOTLB_WRITE;

	if (!scattered && iotlb_map(b->tlb, IOVA, b->size, b->ram, rw))
		die("map");
	for (uint32_t i = 0; scattered && i < n; i++) {
		if (iotlb_map(b->tlb, IOVA + (uint64_t)i * PAGE, PAGE, host(b, i * PAGE), rw))
			die("map");
	}
}

static const struct dirty_log *dirty(struct bench *b, uint32_t n) CTL_ONLY
{
	struct dirty_region region = {.host = (uintptr_t)b->ram, .gpa = 0, .size = b->size};

	b->bits = calloc(1, n / 8 + 1);
	if (!b->bits || dirty_log_init(&b->log, b->bits, n / 8 + 1, &region, 1))
		die("log");
	return &b->log;
}

static void start(struct bench *b, const struct scene *s, uint8_t index) CTL_ONLY
{
	struct vq_config cfg = {
		.desc = IOVA,
		.avail = IOVA + AVAIL_OFF,
		.used = IOVA + USED_OFF,
		.features = FEATURES | s->features,
		.base = s->features & PACKED ? 1u << 15 : 0, /* the wrap counter begins at 1 */
		.call_fd = -1,
		.size = RING,
		.index = index,
	};
	uint32_t n;

	memset(b, 0, sizeof(*b));
	b->size = RTE_ALIGN_CEIL(BUFS_OFF + (size_t)s->n_bufs * s->stride, 2u << 20);
	n = (uint32_t)(b->size / PAGE);
	b->ram = mmap(NULL, b->size + (2u << 20), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	b->slot = calloc(n, sizeof(*b->slot));
	if (b->ram == MAP_FAILED || !b->slot)
		die("memory");
	b->ram = RTE_PTR_ALIGN_CEIL(b->ram, 2u << 20);
	/* The same host pages for every scene: what differs is the translation */
	madvise(b->ram, b->size, MADV_HUGEPAGE);
	memset(b->ram, 0, b->size);
	scatter(b, n, s->scattered);
	if (iotlb_new(65536, qsbr, &b->tlb) || vq_new(b->tlb, misses, &b->vq))
		die("iotlb");
	map(b, n, s->scattered);
	if (s->logged)
		cfg.log = dirty(b, n);
	if (vq_start(b->vq, &cfg))
		die("vq_start");
}

static void stop(struct bench *b) CTL_ONLY
{
	vq_free(b->vq);
	iotlb_free(b->tlb);
	munmap(b->ram, b->size);
	free(b->slot);
	free(b->bits);
}

/* The driver of a packed ring: likewise, RING being a power of two here */
static void offer_packed(struct bench *b, const struct scene *s, uint32_t len, uint16_t flags)
{
	for (unsigned int i = 0; i < VQ_BURST; i++, b->idx++) {
		bool wrap = !(b->idx & RING);
		struct vring_packed_desc d = {
			.addr = IOVA + BUFS_OFF + (uint64_t)b->next_buf * s->stride,
			.len = len,
			.id = b->idx & (RING - 1),
			.flags = (uint16_t)(flags | 1u << (wrap ? VRING_PACKED_DESC_F_AVAIL
								: VRING_PACKED_DESC_F_USED)),
		};

		memcpy(host(b, d.id * 16u), &d, sizeof(d));
		if (++b->next_buf == s->n_bufs)
			b->next_buf = 0;
	}
}

/* The driver: makes a burst of buffers available, in ring order */
static void offer(struct bench *b, const struct scene *s, uint32_t len, uint16_t flags)
{
	if (s->features & PACKED) {
		offer_packed(b, s, len, flags);
		return;
	}
	for (unsigned int i = 0; i < VQ_BURST; i++, b->idx++) {
		uint16_t at = b->idx & (RING - 1);
		struct vring_desc d = {
			.addr = IOVA + BUFS_OFF + (uint64_t)b->next_buf * s->stride,
			.len = len,
			.flags = flags,
		};

		memcpy(host(b, at * 16u), &d, sizeof(d));
		memcpy(host(b, AVAIL_OFF + 4 + at * 2u), &at, sizeof(at));
		if (++b->next_buf == s->n_bufs)
			b->next_buf = 0;
	}
	atomic_store_explicit((_Atomic uint16_t *)(void *)host(b, AVAIL_OFF + 2), b->idx,
			      memory_order_release);
}

static uint32_t pull_burst(struct bench *b, const struct scene *s, uint32_t len) PMD_ONLY
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint64_t t;

	offer(b, s, 12 + len, 0);
	t = rte_rdtsc_precise();
	if (vq_pull(b->vq, pool, pkts, VQ_BURST, t) != VQ_BURST)
		die("pull");
	t = rte_rdtsc_precise() - t;
	rte_pktmbuf_free_bulk(pkts, VQ_BURST);
	return (uint32_t)t;
}

static uint32_t push_burst(struct bench *b, const struct scene *s, uint32_t len) PMD_ONLY
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint64_t t;

	if (rte_pktmbuf_alloc_bulk(pool, pkts, VQ_BURST))
		die("mbufs");
	for (unsigned int i = 0; i < VQ_BURST; i++)
		memset(rte_pktmbuf_append(pkts[i], (uint16_t)len), i, 64);
	offer(b, s, s->stride - 128, VRING_DESC_F_WRITE);
	t = rte_rdtsc_precise();
	if (vq_push(b->vq, pkts, VQ_BURST, t) != VQ_BURST)
		die("push");
	t = rte_rdtsc_precise() - t;
	rte_pktmbuf_free_bulk(pkts, VQ_BURST);
	return (uint32_t)t;
}

/**
 * figures() - What a burst cost
 * @b:		Ring
 * @cycles:	All of it
 * @ret:	Filled in
 */
static void figures(const struct bench *b, uint32_t cycles, uint32_t *ret)
{
#ifdef VQ_STAGES
	(void)cycles;
	ret[VQ_N_STAGES] = 0;
	for (unsigned int i = 0; i < VQ_N_STAGES; i++) {
		ret[i] = (uint32_t)b->vq->stages.cycles[i];
		ret[VQ_N_STAGES] += ret[i];
	}
#else
	(void)b;
	ret[0] = cycles;
#endif
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/**
 * measure() - Run bursts through a ring
 * @s:		Kind of guest
 * @push:	Towards it
 * @len:	Bytes in a frame
 * @rounds:	Bursts
 * @ret:	Lower quartile of each figure, per frame
 */
static void measure(const struct scene *s, bool push, uint32_t len, unsigned int rounds,
		    double ret[N_FIGURES])
{
	uint32_t *all[N_FIGURES], now[N_FIGURES];
	struct bench b;

	thread_role_assume(&ctl_role);
	thread_role_assume(&pmd_role);
	for (unsigned int f = 0; f < N_FIGURES; f++) {
		all[f] = calloc(rounds, sizeof(*all[f]));
		if (!all[f])
			die("memory");
	}
	start(&b, s, push ? 0 : 1);
	for (unsigned int i = 0; i < rounds; i++) {
		figures(&b, push ? push_burst(&b, s, len) : pull_burst(&b, s, len), now);
		for (unsigned int f = 0; f < N_FIGURES; f++)
			all[f][i] = now[f];
	}
	stop(&b);
	for (unsigned int f = 0; f < N_FIGURES; f++) {
		qsort(all[f], rounds, sizeof(*all[f]), by_value);
		now[f] = all[f][rounds / 4];
		ret[f] = (double)now[f] / VQ_BURST;
		free(all[f]);
	}
}

#ifdef VQ_STAGES
/* What reading the clock adds to each stage */
static double clock_cost(void)
{
	struct vq_stages s;

	vq_stages_begin(&s);
	for (unsigned int i = 0; i < 1000; i++)
		vq_stage_end(&s, VQ_STAGE_FETCH);
	return (double)s.cycles[VQ_STAGE_FETCH] / 1000 / VQ_BURST;
}

/* A line for each direction and length, a column for each stage and their sum */
static void table(unsigned int rounds)
{
	printf("%-44s %9s %9s %9s %9s %9s %9s   cycles per packet\n", "", "fetch", "mbufs",
	       "translate", "copy", "publish", "sum");
	for (unsigned int i = 0; i < RTE_DIM(scenes); i++) {
		for (unsigned int cell = 0; cell < 4; cell++) {
			uint32_t len = cell & 1 ? 1518 : 64;
			double cycles[N_FIGURES];

			measure(&scenes[i], cell & 2, len, rounds, cycles);
			printf("%-32s %s %5u", scenes[i].name, cell & 2 ? "push" : "pull", len);
			for (unsigned int f = 0; f < N_FIGURES; f++)
				printf(" %9.1f", cycles[f]);
			printf("\n");
			fflush(stdout);
		}
	}
	printf("%-44s %9.1f   in each stage\n", "reading the clock", clock_cost());
}
#else
static void table(unsigned int rounds)
{
	printf("%-32s %9s %9s %9s %9s   cycles per packet\n", "", "pull 64", "pull 1518", "push 64",
	       "push 1518");
	for (unsigned int i = 0; i < RTE_DIM(scenes); i++) {
		printf("%-32s", scenes[i].name);
		for (unsigned int cell = 0; cell < 4; cell++) {
			double cycles[N_FIGURES];

			measure(&scenes[i], cell & 2, cell & 1 ? 1518 : 64, rounds, cycles);
			printf(" %9.1f", cycles[0]);
			fflush(stdout);
		}
		printf("\n");
	}
}
#endif

int main(int argc, char **argv)
{
	static char *eal[] = {"vq_bench",
			      "--no-huge",
			      "-m",
			      "128",
			      "--no-pci",
			      "--no-shconf",
			      "--no-telemetry",
			      "--iova-mode=va",
			      "--lcores=0@0",
			      "--log-level=*:4",
			      NULL};
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 20000;

	thread_role_assume(&ctl_role);
	if (rte_eal_init(RTE_DIM(eal) - 1, eal) < 0)
		die("EAL");
	pool = rte_pktmbuf_pool_create("bench", 4095, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	qsbr = aligned_alloc(64, RTE_ALIGN_CEIL(rte_rcu_qsbr_get_memsize(1), 64));
	if (!pool || !qsbr || rte_rcu_qsbr_init(qsbr, 1) || miss_queue_new(&misses))
		die("set-up");
	table(rounds);
	rte_eal_cleanup();
	return 0;
}
