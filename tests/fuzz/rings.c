/* SPDX-License-Identifier: BSD-3-Clause */
/* rings.c - A guest that does what a script says, and a ring that must bear it */
#include "tests/fuzz/rings.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#include <rte_cycles.h>

#include "datapath/miss.h"
#include "datapath/offload.h"
#include "datapath/offload_merge.h"
#include "datapath/vq_call.h"
#include "tests/fuzz/mbufs.h"
#include "tests/fuzz/rings_guest.h"
#include "tests/fuzz/scatter.h"
#include "tests/unit/datapath/features.h"

#define OPS_MAX	  96
#define N_MBUFS	  1023
#define ROOM	  2048
#define FRAME_MAX 9216

static struct rte_mempool *pool;
static struct miss_queue *misses;
static struct vq *vqs[SCATTER_KINDS];
static int call;

void rings_init(void)
{
	thread_role_assume(&ctl_role);
	pool = mbufs_new("rings", N_MBUFS, ROOM);
	call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	FUZZ_CHECK(call >= 0);
	FUZZ_CHECK(!miss_queue_new(&misses));
	scatter_init();
	for (unsigned int i = 0; i < SCATTER_KINDS; i++)
		FUZZ_CHECK(!vq_new(scatter_tlb(i), misses, &vqs[i]));
}

/**
 * op_map() - Change what a granule is mapped for
 * @p:	Play
 */
static void op_map(struct play *p)
{
	uint8_t how = input_u8(&p->in);
	uint16_t off = input_u16(&p->in);

	thread_role_assume(&ctl_role);
	/* Those at the ends by turns */
	scatter_set(how & 128 ? SCATTER_BYTES + (off & 1) : off, how & 3);
}

/**
 * op_answer() - Answer misses
 * @p:	Play
 */
static void op_answer(struct play *p)
{
	uint8_t n = input_u8(&p->in);
	struct miss m;

	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i <= n && miss_drain(misses, &m, 1); i++) {
		FUZZ_CHECK(m.perm && !(m.perm & ~(IOTLB_READ | IOTLB_WRITE)));
		FUZZ_CHECK(m.guest == p->cfg.guest && m.session == p->cfg.session);
		scatter_answer(m.iova);
	}
}

/* --------------------------------------------------------------- polling -- */

/**
 * pull() - Take what the guest transmits
 * @p:		Play
 * @max:	Frames at most
 */
static void pull(struct play *p, uint16_t max)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t n;

	thread_role_assume(&pmd_role);
	n = vq_pull(vqs[p->kind], pool, pkts, max, p->now);
	FUZZ_CHECK(n <= max);
	for (uint16_t i = 0; i < n; i++) {
		mbufs_check(pkts[i]);
		FUZZ_CHECK(pkts[i]->pkt_len >= 14 && pkts[i]->pkt_len <= VQ_FRAME_MAX);
	}
	rte_pktmbuf_free_bulk(pkts, n);
}

/**
 * push() - Give the guest frames
 * @p:		Play
 * @max:	How many
 */
static void push(struct play *p, uint16_t max)
{
	static uint8_t bytes[FRAME_MAX];
	uint8_t how = input_u8(&p->in);
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t n;

	for (uint16_t i = 0; i < max; i++) {
		/* Of all sizes, but not all of them in the script */
		uint32_t len = i % 4 ? 60 : 14 + input_u16(&p->in) % (FRAME_MAX - 14);

		pkts[i] = mbufs_frame(pool, bytes, len, 0);
		if (how & 1)
			pkts[i]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		if (how & 2) {
			pkts[i]->ol_flags |= RTE_MBUF_F_RX_LRO;
			pkts[i]->tso_segsz = 1448;
		}
	}
	thread_role_assume(&pmd_role);
	n = vq_push(vqs[p->kind], pkts, max, p->now);
	FUZZ_CHECK(n <= max);
	rte_pktmbuf_free_bulk(pkts, max);
}

/**
 * op_poll() - Have the virtqueue polled once
 * @p:		Play
 * @later:	Long enough after the last time for a ring that misses to ask anew
 */
static void op_poll(struct play *p, bool later)
{
	uint16_t n = (input_u8(&p->in) & 31) + 1u;

	p->now += later ? rte_get_tsc_hz() : 1;
	scatter_begin();
	thread_role_assume(&pmd_role);
	vq_call_poll(vqs[p->kind], p->now);
	if (p->dir)
		push(p, RTE_MIN(n, (uint16_t)8));
	else
		pull(p, n);
	thread_role_assume(&ctl_role);
	(void)scatter_end();
}

/**
 * start() - Start the virtqueue, with the index the guest has or another
 * @p:		Play
 * @base:	As struct vq_config has it
 * Return: Whether it could be
 */
static bool start(struct play *p, uint32_t base)
{
	thread_role_assume(&ctl_role);
	p->cfg.base = base;
	if (vq_start(vqs[p->kind], &p->cfg))
		return false;
	p->next = p->packed ? base & 0x7fff : (uint16_t)base;
	p->wrap = base >> 15 & 1;
	if (!p->packed)
		scatter_write((uint32_t)(p->cfg.avail - scatter_iova(0)) + 2, &p->next, 2);
	FUZZ_CHECK(!vq_broken(vqs[p->kind]));
	return true;
}

/**
 * op_restart() - Start again where it was, or anywhere
 * @p:		Play
 * @base:	Where, if not 0
 */
static void op_restart(struct play *p, uint16_t base)
{
	uint32_t was;

	thread_role_assume(&ctl_role);
	was = vq_base(vqs[p->kind]);
	FUZZ_CHECK(!p->packed || (was & 0x7fff) < p->cfg.size);
	if (!base || !start(p, base))
		FUZZ_CHECK(start(p, was));
}

/**
 * op_any() - Do what the script says next
 * @p:	Play
 */
static void op_any(struct play *p)
{
	uint8_t op = input_u8(&p->in);

	switch (op & 15) {
	case 0 ... 2:
		guest_offer(p);
		break;
	case 3 ... 4:
		guest_desc(p);
		break;
	case 5:
		guest_show(p);
		break;
	case 6:
		guest_poke(p);
		break;
	case 7:
		guest_event(p);
		break;
	case 8:
		guest_fill(p);
		break;
	case 9:
		op_map(p);
		break;
	case 10:
		op_answer(p);
		break;
	case 11:
		op_restart(p, input_u16(&p->in));
		break;
	default:
		op_poll(p, op & 16);
		break;
	}
}

/**
 * read_features() - What was negotiated
 * @what:	From the script
 * @packed:	The layout
 */
static uint64_t read_features(uint8_t what, bool packed)
{
	return (packed ? PACKED : 0) | (what & 2 ? MRG : 0) | (what & 4 ? INDIRECT : 0) |
	       (what & 8 ? EVENT : 0) | (what & 16 ? 0 : V1) | (what & 128 ? ORDER : 0) |
	       (what & 32 ? OFFLOAD_PULL_FEATURES | OFFLOAD_PUSH_FEATURES | OFFLOAD_MERGE_TSO : 0);
}

/**
 * set_up() - Lay the ring out as the script says, and start it
 * @p:	Play
 */
static void set_up(struct play *p)
{
	uint8_t memory = input_u8(&p->in), what = input_u8(&p->in), size = input_u8(&p->in);
	uint8_t skew = input_u8(&p->in);
	uint16_t base = input_u16(&p->in);

	p->kind = memory % SCATTER_KINDS;
	p->dir = what & 1 ? VRING_DESC_F_WRITE : 0;
	p->cfg = (struct vq_config){
		.desc = scatter_iova(AT_DESC + (skew & 15) * 16u),
		.avail = scatter_iova(AT_AVAIL + (skew >> 4) * 4u),
		.used = scatter_iova(AT_USED + (skew >> 4) * 4u),
		.features = read_features(what, p->packed),
		.call_interval_us = memory & 128 ? 100 : 0,
		.call_fd = what & 64 ? -1 : call,
		.session = 99,
		.guest = 7,
		.size = p->packed ? size % 64 + 1u : 1u << size % 7,
		.index = p->dir ? 0 : 1,
	};
	scatter_use(p->kind);
	p->cfg.log = memory & 64 ? scatter_log() : NULL;
	if (!start(p, p->packed ? base % p->cfg.size | (base & 0x8000) : base))
		FUZZ_CHECK(!"what the harness lays out is a ring");
}

void rings_run(const uint8_t *data, size_t size, bool packed)
{
	struct play p = {.in = {data, size}, .packed = packed, .now = UINT64_C(1) << 40};
	struct miss m;
	uint64_t count;

	set_up(&p);
	for (unsigned int i = 0; p.in.n && i < OPS_MAX; i++)
		op_any(&p);
	op_poll(&p, true);
	FUZZ_CHECK(rte_mempool_avail_count(pool) == N_MBUFS);
	/* As pmd_call() does for a ring that is polled no more */
	thread_role_assume(&pmd_role);
	if (vq_call_waits(vqs[p.kind]))
		vq_call_now(vqs[p.kind]);
	FUZZ_CHECK(!vq_call_waits(vqs[p.kind]));
	thread_role_assume(&ctl_role);
	while (miss_drain(misses, &m, 1))
		;
	FUZZ_CHECK(read(call, &count, sizeof(count)) == sizeof(count) || errno == EAGAIN);
}
