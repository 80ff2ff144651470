/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_finish.c - What guests leave to do, done before the port sees it */
#include "datapath/offload_finish.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "datapath/offload_csum.h"

/* What offload_from_guest() sets, for software to clear */
#define FINISH_FLAGS                                                              \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM | \
	 RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6)

/* Smallest segment left to a port: i40e and iavf take none below, others 64 or 88, and no
 * driver tells
 */
#define FINISH_TSO_MIN 256

/* Ethernet header and two VLAN tags, which are not counted into the MTU */
#define FINISH_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

void offload_finish_init(struct offload_finish *f, uint16_t port_id, uint16_t queue, uint64_t capa,
			 struct rte_mempool *pool, struct wire_counters *counters)
{
	uint32_t room = (uint32_t)rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	struct rte_eth_dev_info info;
	uint16_t mtu;

	memset(f, 0, sizeof(*f));
	f->pool = pool;
	f->counters = counters;
	f->capa = capa;
	f->longest = rte_eth_dev_get_mtu(port_id, &mtu) ? 0 : mtu + FINISH_OVERHEAD;
	f->port_id = port_id;
	f->queue = queue;
	if (!(capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)) {
		f->segs_max = 1;
		f->longest = RTE_MIN(f->longest, room);
	} else if (!rte_eth_dev_info_get(port_id, &info)) {
		f->segs_max = info.tx_desc_lim.nb_seg_max;
	}
}

uint16_t offload_finish_drop(struct offload_finish *f)
{
	uint16_t n = (uint16_t)(f->n + !!f->cut.m);

	rte_pktmbuf_free_bulk(f->pkts + f->first, f->n);
	offload_cut_drop(&f->cut);
	f->n = 0;
	return n;
}

void offload_finish_put(struct offload_finish *f, struct rte_mbuf *const *pkts, uint16_t n)
{
	memcpy(f->pkts, pkts, n * sizeof(void *));
	f->first = 0;
	f->n = n;
}

/**
 * port_cuts() - Whether segmenting a frame can be left to the port
 * @f:	Queue
 * @m:	Frame; its headers are in its first mbuf, or software does it
 */
static bool port_cuts(const struct offload_finish *f, const struct rte_mbuf *m)
{
	uint32_t l4 = (uint32_t)m->l2_len + m->l3_len;
	const uint64_t need = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	const struct rte_tcp_hdr *tcp;

	if ((f->capa & need) != need || m->tso_segsz < FINISH_TSO_MIN)
		return false;
	if (f->segs_max && m->nb_segs > f->segs_max)
		return false;
	if (m->ol_flags & RTE_MBUF_F_TX_IPV4 && !(f->capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM))
		return false;
	if (l4 + m->l4_len > m->data_len)
		return false;
	if (m->ol_flags & RTE_MBUF_F_TX_IPV6 && m->l3_len != sizeof(struct rte_ipv6_hdr))
		return false;
	tcp = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, l4);
	return !(tcp->tcp_flags & RTE_TCP_CWR_FLAG);
}

/**
 * finish_csum() - Make a checksum unless the port does
 * @f:	Queue
 * @m:	Frame that lacks one
 */
static void finish_csum(const struct offload_finish *f, struct rte_mbuf *m)
{
	bool tcp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM;

	if (f->capa & (tcp ? RTE_ETH_TX_OFFLOAD_TCP_CKSUM : RTE_ETH_TX_OFFLOAD_UDP_CKSUM))
		return;
	offload_csum(m, (uint32_t)m->l2_len + m->l3_len,
		     tcp ? offsetof(struct rte_tcp_hdr, cksum)
			 : offsetof(struct rte_udp_hdr, dgram_cksum));
	m->ol_flags &= ~FINISH_FLAGS;
}

/**
 * finish_one() - Finish the next frame, or begin to cut it
 * @f:		Queue with a frame, none being cut
 * @pkts:	Where it goes
 * Return: How many frames were put there, 0 or 1
 */
static uint16_t finish_one(struct offload_finish *f, struct rte_mbuf **pkts) PMD_ONLY
{
	struct rte_mbuf *m = f->pkts[f->first++];

	f->n--;
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		if (offload_segment_len(m) > f->longest) {
			COUNTER_ADD(f->counters->drop_port_size, 1);
			rte_pktmbuf_free(m);
			return 0;
		}
		if (!port_cuts(f, m)) {
			offload_cut_begin(&f->cut, m);
			return 0;
		}
	} else if (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) {
		finish_csum(f, m);
	}
	*pkts = m;
	return 1;
}

/**
 * finish_prepare() - Have the driver look at what it is to finish
 * @f:		Queue
 * @pkts:	Frames; those it refuses are dropped
 * @n:		How many
 * Return: How many are left
 */
static uint16_t finish_prepare(struct offload_finish *f, struct rte_mbuf **pkts, uint16_t n)
	PMD_ONLY
{
	uint16_t ok = 0;

	for (;;) {
		ok = (uint16_t)(ok + rte_eth_tx_prepare(f->port_id, f->queue, pkts + ok, n - ok));
		if (likely(ok == n))
			return n;
		COUNTER_ADD(f->counters->drop_port_offload, 1);
		rte_pktmbuf_free(pkts[ok]);
		n--;
		memmove(pkts + ok, pkts + ok + 1, (size_t)(n - ok) * sizeof(void *));
	}
}

uint16_t offload_finish_get(struct offload_finish *f, struct rte_mbuf **pkts)
{
	uint16_t n = 0;

	while (n < VQ_BURST) {
		if (f->cut.m) {
			n = (uint16_t)(n + offload_cut_next(&f->cut, f->pool, pkts + n,
							    (uint16_t)(VQ_BURST - n)));
			if (f->cut.m)
				break;
		} else if (f->n) {
			n = (uint16_t)(n + finish_one(f, pkts + n));
		} else {
			break;
		}
	}
	return offload_wanted(pkts, n) ? finish_prepare(f, pkts, n) : n;
}
