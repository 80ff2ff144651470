/* SPDX-License-Identifier: BSD-3-Clause */
/* rings.c - A guest that does what a script says, and a ring that must bear it */
#include "tests/fuzz/rings.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_cycles.h>

#include "datapath/miss.h"
#include "datapath/offload.h"
#include "datapath/offload_merge.h"
#include "datapath/vq.h"
#include "datapath/vq_call.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/mbufs.h"
#include "tests/fuzz/scatter.h"
#include "tests/unit/datapath/model_frame.h"

#define OPS_MAX	    96
#define N_MBUFS	    1023
#define ROOM	    2048
#define FRAME_MAX   9216
#define AT_DESC	    0x0000u
#define AT_AVAIL    0x1000u
#define AT_USED	    0x2000u
#define AT_TABLES   0x3000u
#define AT_BUFFERS  0x5000u
#define TABLE_BYTES 0x200u
#define N_TABLES    ((AT_BUFFERS - AT_TABLES) / TABLE_BYTES)

#define BIT(n) (UINT64_C(1) << (n))
#define AVAIL  BIT(VRING_PACKED_DESC_F_AVAIL)
#define USED   BIT(VRING_PACKED_DESC_F_USED)

/**
 * struct play - One script being played
 * @cfg:	What the virtqueue was started with
 * @kind:	Of memory
 * @dir:	VRING_DESC_F_WRITE when the ring receives
 * @packed:	The layout
 * @next:	Split: available index; packed: slot the guest writes next
 * @wrap:	Packed: wrap counter there
 * @now:	Time, as the virtqueue is told
 */
struct play {
	struct input in;
	struct vq_config cfg;
	unsigned int kind;
	uint16_t dir;
	bool packed;
	uint16_t next;
	bool wrap;
	uint64_t now;
};

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

/* --------------------------------------------------------- descriptors -- */

/**
 * put_desc() - Write a descriptor of either layout
 * @at:		Where the table is
 * @i:		Which
 * @addr:	Address
 * @len:	Bytes
 * @third:	Split: flags; packed: buffer ID
 * @fourth:	Split: next; packed: flags
 */
static void put_desc(uint32_t at, uint16_t i, uint64_t addr, uint32_t len, uint16_t third,
		     uint16_t fourth)
{
	struct vring_desc d = {.addr = addr, .len = len, .flags = third, .next = fourth};

	scatter_write(at + i * (uint32_t)sizeof(d), &d, sizeof(d));
}

/**
 * put_buffer() - Write a descriptor of a chain
 * @p:		Play
 * @at:		Table, or the ring
 * @i:		Which
 * @addr:	Address
 * @len:	Bytes
 * @flags:	VRING_DESC_F_*
 * @in_table:	In an indirect table
 */
static void put_buffer(const struct play *p, uint32_t at, uint16_t i, uint64_t addr, uint32_t len,
		       uint16_t flags, bool in_table)
{
	if (!p->packed)
		put_desc(at, i, addr, len, flags, (uint16_t)(i + 1));
	else if (in_table)
		put_desc(at, i, addr, len, 0, flags);
	else
		put_desc(at, i, addr, len, i, (uint16_t)(flags | (p->wrap ? AVAIL : USED)));
}

/**
 * show_split() - Make a chain available
 * @p:		Play
 * @head:	Its head
 */
static void show_split(struct play *p, uint16_t head)
{
	uint32_t at = AT_AVAIL + (uint32_t)(p->cfg.avail - scatter_iova(AT_AVAIL));

	scatter_write(at + 4 + (p->next & (p->cfg.size - 1u)) * 2u, &head, 2);
	p->next++;
	scatter_write(at + 2, &p->next, 2);
}

/**
 * step_packed() - Go on to the next slot
 * @p:	Play
 */
static void step_packed(struct play *p)
{
	if (++p->next == p->cfg.size) {
		p->next = 0;
		p->wrap = !p->wrap;
	}
}

/**
 * desc_at() - Where in the window the ring's descriptors are
 * @p:	Play
 */
static uint32_t desc_at(const struct play *p)
{
	return (uint32_t)(p->cfg.desc - scatter_iova(0));
}

/**
 * put_frame() - Write a virtio-net header and a frame that it is about
 * @p:		Play
 * @off:	Where to
 */
static void put_frame(struct play *p, uint32_t off)
{
	static struct mf frame;
	struct virtio_net_hdr_mrg_rxbuf hdr = {0};
	uint8_t what = input_u8(&p->in);
	struct mf_spec spec = {
		.tags = what >> 4 & 1,
		.ipv6 = what & 1,
		.options = (what >> 5 & 1) * 8u,
		.proto = what & 2 ? 17 : 6,
		.tcp_options = (what >> 6 & 1) * 12u,
		.tcp_flags = 0x10,
		.payload = input_u16(&p->in) & 0x1fff,
	};

	mf_build(&spec, &frame, &hdr.hdr);
	if (what & 4) {
		hdr.hdr.gso_type = spec.ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		hdr.hdr.gso_size = input_u16(&p->in);
	}
	/* One byte of it all is as the script wants it */
	if (what & 8)
		((uint8_t *)&hdr)[input_u8(&p->in) % sizeof(hdr)] = input_u8(&p->in);
	if (what & 128)
		frame.bytes[input_u8(&p->in)] ^= input_u8(&p->in);
	scatter_write(off, &hdr, sizeof(hdr));
	scatter_write(off + (uint32_t)sizeof(hdr), frame.bytes, frame.len);
}

/* ---------------------------------------------------------- what it does -- */

/**
 * op_offer() - Make a good chain available, in the ring or in a table
 * @p:	Play
 */
static void op_offer(struct play *p)
{
	uint8_t how = input_u8(&p->in);
	uint16_t n = (how & 7) + 1u, head = (uint16_t)(p->packed ? p->next : p->next % p->cfg.size);
	uint32_t off = AT_BUFFERS + input_u16(&p->in) % (SCATTER_BYTES - AT_BUFFERS);
	uint32_t table = AT_TABLES + (how >> 4 & 7) * TABLE_BYTES;
	bool indirect = how & 8;

	if (how & 128)
		put_frame(p, off);
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = input_u16(&p->in);
		uint16_t flags = (uint16_t)(p->dir | (i + 1 < n ? VRING_DESC_F_NEXT : 0));
		uint16_t at = indirect	  ? i
			      : p->packed ? p->next
					  : (uint16_t)((head + i) % p->cfg.size);

		put_buffer(p, indirect ? table : desc_at(p), at, scatter_iova(off), len, flags,
			   indirect);
		off += len;
		if (p->packed && !indirect)
			step_packed(p);
	}
	if (indirect)
		put_buffer(p, desc_at(p), head, scatter_iova(table), n * 16u, VRING_DESC_F_INDIRECT,
			   false);
	if (!p->packed)
		show_split(p, head);
	else if (indirect)
		step_packed(p);
}

/**
 * read_addr() - An address, most of them in the window
 * @p:	Play
 */
static uint64_t read_addr(struct play *p)
{
	uint8_t kind = input_u8(&p->in);

	switch (kind & 7) {
	case 0:
		return input_u64(&p->in);
	case 1:
		return -(uint64_t)input_u16(&p->in);
	case 2:
		return input_u16(&p->in);
	case 3:
		return scatter_iova(AT_TABLES + (kind >> 3) % N_TABLES * TABLE_BYTES);
	default:
		return scatter_iova(input_u16(&p->in));
	}
}

/**
 * op_desc() - Write one descriptor of any content
 * @p:	Play
 */
static void op_desc(struct play *p)
{
	uint8_t where = input_u8(&p->in);
	uint32_t at = where & 128 ? AT_TABLES + (where & 7) * TABLE_BYTES : desc_at(p);
	uint16_t i = where & 128 ? where >> 3 & 15 : (where & 127) % p->cfg.size;
	uint64_t addr = read_addr(p);
	uint32_t len = input_u16(&p->in);
	uint16_t third = input_u16(&p->in), fourth = input_u16(&p->in);

	/* Rarely a length that 16 bits do not hold */
	if (len >= 0xff00)
		len = input_u32(&p->in);
	put_desc(at, i, addr, len, third, fourth);
}

/**
 * op_show() - Make something available, whatever it is
 * @p:	Play
 */
static void op_show(struct play *p)
{
	uint8_t what = input_u8(&p->in);
	uint16_t flags;
	uint32_t at;

	if (!p->packed) {
		show_split(p, what < 250 ? what % p->cfg.size : input_u16(&p->in));
		return;
	}
	at = desc_at(p) + p->next * 16u + 14;
	scatter_read(at, &flags, sizeof(flags));
	flags = (uint16_t)((flags & ~(AVAIL | USED)) | (p->wrap ? AVAIL : USED));
	scatter_write(at, &flags, sizeof(flags));
	step_packed(p);
}

/**
 * op_poke() - Write some bytes anywhere
 * @p:	Play
 */
static void op_poke(struct play *p)
{
	uint8_t bytes[8], n = (input_u8(&p->in) & 7) + 1;
	uint16_t off = input_u16(&p->in);

	input_bytes(&p->in, bytes, n);
	scatter_write(off, bytes, n);
}

/**
 * op_fill() - Write one descriptor many times, for long chains and large tables
 * @p:	Play
 */
static void op_fill(struct play *p)
{
	uint16_t off = input_u16(&p->in), n = input_u16(&p->in) % 4096;
	uint64_t addr = read_addr(p);
	uint16_t len = input_u16(&p->in), third = input_u16(&p->in), fourth = input_u16(&p->in);

	for (uint16_t i = 0; i < n; i++)
		put_desc(off, i, addr, len, third, fourth);
}

/**
 * op_event() - Have something happen in the next poll
 * @p:	Play
 */
static void op_event(struct play *p)
{
	struct scatter_event e = {.at = input_u8(&p->in), .n = input_u8(&p->in) % 9};

	e.off = input_u16(&p->in);
	input_bytes(&p->in, e.bytes, e.n);
	scatter_arm(&e);
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
		op_offer(p);
		break;
	case 3 ... 4:
		op_desc(p);
		break;
	case 5:
		op_show(p);
		break;
	case 6:
		op_poke(p);
		break;
	case 7:
		op_event(p);
		break;
	case 8:
		op_fill(p);
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
	return (packed ? BIT(VIRTIO_F_RING_PACKED) : 0) |
	       (what & 2 ? BIT(VIRTIO_NET_F_MRG_RXBUF) : 0) |
	       (what & 4 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0) |
	       (what & 8 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0) |
	       (what & 16 ? 0 : BIT(VIRTIO_F_VERSION_1)) |
	       (what & 128 ? BIT(VIRTIO_F_IN_ORDER) : 0) |
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
