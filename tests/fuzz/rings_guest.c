/* SPDX-License-Identifier: BSD-3-Clause */
/* rings_guest.c - What the guest of a script does to its memory (rings.h) */
#include "tests/fuzz/rings_guest.h"

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "tests/fuzz/scatter.h"
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_frame.h"

#define N_TABLES ((AT_BUFFERS - AT_TABLES) / TABLE_BYTES)

#define AVAIL BIT(VRING_PACKED_DESC_F_AVAIL)
#define USED  BIT(VRING_PACKED_DESC_F_USED)

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

void guest_offer(struct play *p)
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

void guest_desc(struct play *p)
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

void guest_show(struct play *p)
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

void guest_poke(struct play *p)
{
	uint8_t bytes[8], n = (input_u8(&p->in) & 7) + 1;
	uint16_t off = input_u16(&p->in);

	input_bytes(&p->in, bytes, n);
	scatter_write(off, bytes, n);
}

void guest_fill(struct play *p)
{
	uint16_t off = input_u16(&p->in), n = input_u16(&p->in) % 4096;
	uint64_t addr = read_addr(p);
	uint16_t len = input_u16(&p->in), third = input_u16(&p->in), fourth = input_u16(&p->in);

	for (uint16_t i = 0; i < n; i++)
		put_desc(off, i, addr, len, third, fourth);
}

void guest_event(struct play *p)
{
	struct scatter_event e = {.at = input_u8(&p->in), .n = input_u8(&p->in) % 9};

	e.off = input_u16(&p->in);
	input_bytes(&p->in, e.bytes, e.n);
	scatter_arm(&e);
}
