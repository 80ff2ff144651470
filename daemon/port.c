/* SPDX-License-Identifier: BSD-3-Clause */
/* port.c - Ethernet ports: any DPDK ethdev, opened from its device string */
#include "daemon/port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "daemon/log.h"
#include "datapath/vq.h"

/* mbufs a thread keeps for itself, and how many that may become (rte_mempool) */
#define PORT_POOL_CACHE	    256
#define PORT_POOL_CACHE_MAX (PORT_POOL_CACHE + PORT_POOL_CACHE / 2)
/* Ethernet header and two VLAN tags, which no driver counts into the MTU */
#define PORT_FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

/* What guests may leave to do; the rest is finished in software */
#define PORT_TX_WANTED                                                   \
	(RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | \
	 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO)

#define PORT_RSS_WANTED (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

/**
 * port_probe() - Find the ethdev a device string names, probing it first
 * @conf:	Section
 * @ret_id:	ethdev port
 * Return: 0 or -errno
 */
static int port_probe(const struct conf_port *conf, uint16_t *ret_id)
{
	struct rte_dev_iterator it;
	uint16_t id, found = RTE_MAX_ETHPORTS;
	int err = rte_dev_probe(conf->devargs);

	if (err && err != -EEXIST)
		return err;
	RTE_ETH_FOREACH_MATCHING_DEV(id, conf->devargs, &it)
	{
		found = id;
		rte_eth_iterator_cleanup(&it);
		break;
	}
	if (found == RTE_MAX_ETHPORTS)
		return -ENODEV;
	*ret_id = found;
	return 0;
}

/**
 * port_chains() - Whether a frame of the port's MTU goes over several mbufs
 * @conf:	Section
 * @info:	From the driver
 *
 * One element for each frame would cost a port with jumbo frames four times the
 * memory, most of it unused: most frames are small.  A driver that cannot both
 * receive into chains and send them needs such elements.
 */
static bool port_chains(const struct conf_port *conf, const struct rte_eth_dev_info *info)
{
	return conf->mtu + PORT_FRAME_OVERHEAD > RTE_MBUF_DEFAULT_DATAROOM &&
	       info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER &&
	       info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
}

/**
 * pool_mib() - Memory that a pool takes, in MiB
 * @n:		mbufs
 * @room:	Bytes of data in each
 *
 * An mbuf does not cross a page: without hugepages, where a page holds one of
 * the usual size, that is nearly half of the memory.
 */
static unsigned int pool_mib(unsigned int n, unsigned int room)
{
	uint64_t page = rte_eal_has_hugepages() ? 2 << 20 : (uint64_t)sysconf(_SC_PAGESIZE);
	uint32_t each = rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + room, 0, NULL);
	uint64_t per_page = RTE_MAX(page / each, 1u);
	uint64_t size = RTE_ALIGN_CEIL(per_page * each, page);

	return (unsigned int)(((n + per_page - 1) / per_page * size >> 20) + 1);
}

/**
 * hide() - Keep a piece of a pool out of core dumps
 * @pool:	Unused
 * @opaque:	Unused
 * @hdr:	Piece
 * @i:		Its number, unused
 *
 * What is in it are guests' frames.  Its first and last page may not be all its own.
 */
static void hide(struct rte_mempool *pool, void *opaque, struct rte_mempool_memhdr *hdr,
		 unsigned int i)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = RTE_ALIGN_CEIL((uintptr_t)hdr->addr, page);
	uintptr_t to = RTE_ALIGN_FLOOR((uintptr_t)hdr->addr + hdr->len, page);

	(void)pool, (void)opaque, (void)i;
	if (from < to)
		(void)madvise((void *)from, to - from, MADV_DONTDUMP);
}

/**
 * port_pool() - Make the port's mbuf pool
 * @conf:	Section
 * @info:	From the driver
 * @id:		ethdev port
 * @n_threads:	PMD threads
 * Return: Pool, or NULL, logged
 *
 * Enough for every descriptor in both directions, one burst in flight per
 * queue and direction, and the caches of the threads, this one's among them.  A
 * descriptor is for one mbuf, not for one frame.
 */
static struct rte_mempool *port_pool(const struct conf_port *conf,
				     const struct rte_eth_dev_info *info, uint16_t id,
				     unsigned int n_threads)
{
	struct rte_mempool *pool;
	unsigned int room = RTE_MBUF_DEFAULT_DATAROOM, frame = conf->mtu + PORT_FRAME_OVERHEAD;
	unsigned int burst = 4 * VQ_BURST, n;
	char name[RTE_MEMPOOL_NAMESIZE];

	if (port_chains(conf, info))
		burst *= (frame + room - 1) / room;
	else
		room = RTE_MAX(frame, room);
	n = conf->queues * (2u * conf->descriptors + burst) + (n_threads + 1) * PORT_POOL_CACHE_MAX;
	snprintf(name, sizeof(name), "port%u", id);
	pool = rte_pktmbuf_pool_create(name, n, PORT_POOL_CACHE, 0,
				       (uint16_t)(RTE_PKTMBUF_HEADROOM + room),
				       rte_eth_dev_socket_id(id));
	if (!pool)
		log_err("port %s: no memory for its frames: %s (queues = %u, descriptors = %u and "
			"mtu = %u need about %u MiB of [dpdk] memory_mb: raise that, or "
			"lower these)",
			conf->name, rte_strerror(rte_errno), conf->queues, conf->descriptors,
			conf->mtu, pool_mib(n, RTE_PKTMBUF_HEADROOM + room));
	else
		(void)rte_mempool_mem_iter(pool, hide, NULL);
	return pool;
}

/**
 * port_mtu_max() - Largest MTU a device takes
 * @info:	From the driver
 *
 * A driver that knows no limit of the MTU (UINT16_MAX) may still have one of the
 * frame, which ethdev checks with the header and the checksum counted in.
 */
static unsigned int port_mtu_max(const struct rte_eth_dev_info *info)
{
	unsigned int overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	unsigned int frame = info->max_rx_pktlen;

	if (info->max_mtu != UINT16_MAX || frame <= overhead)
		return info->max_mtu;
	return RTE_MIN(frame - overhead, (unsigned int)UINT16_MAX);
}

/**
 * port_limits() - Check what the device can do against what is asked
 * @conf:	Section
 * @info:	From the driver
 * Return: 0 or -ERANGE, logged
 */
static int port_limits(const struct conf_port *conf, const struct rte_eth_dev_info *info)
{
	unsigned int mtu_max = port_mtu_max(info);

	if (conf->queues > info->max_rx_queues || conf->queues > info->max_tx_queues) {
		log_err("port %s: queues = %u, but %s has %u receive and %u transmit queues",
			conf->name, conf->queues, conf->devargs, info->max_rx_queues,
			info->max_tx_queues);
		return -ERANGE;
	}
	if ((info->min_mtu && conf->mtu < info->min_mtu) || (mtu_max && conf->mtu > mtu_max)) {
		log_err("port %s: mtu = %u, but %s takes %u to %u", conf->name, conf->mtu,
			conf->devargs, info->min_mtu, mtu_max);
		return -ERANGE;
	}
	return 0;
}

/**
 * struct port_quirk - Offloads a driver has but does otherwise than we need
 * @driver:	As in rte_eth_dev_info
 * @tx:		RTE_ETH_TX_OFFLOAD_* not to be used
 * @rx:		RTE_ETH_RX_OFFLOAD_* not to be used
 */
struct port_quirk {
	const char *driver;
	uint64_t tx;
	uint64_t rx;
};

static const struct port_quirk port_quirks[] = {
	/* Counts the Ethernet header into the MTU, and stops at a full segment */
	{"net_tap", RTE_ETH_TX_OFFLOAD_TCP_TSO, 0},
	/* Delivers frames whose checksums are yet to be made */
	{"net_virtio", 0, RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM},
	{"net_virtio_user", 0, RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM},
	{0},
};

/**
 * port_offloads() - Choose from the offloads a device has
 * @info:	From the driver
 * @conf:	Offloads filled in
 */
static void port_offloads(const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	conf->rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM;
	conf->txmode.offloads = info->tx_offload_capa & PORT_TX_WANTED;
	for (const struct port_quirk *q = port_quirks; q->driver; q++) {
		if (strcmp(q->driver, info->driver_name) != 0)
			continue;
		conf->txmode.offloads &= ~q->tx;
		conf->rxmode.offloads &= ~q->rx;
	}
}

/**
 * port_eth_conf() - Choose offloads and RSS from what the device has
 * @conf:	Section
 * @info:	From the driver
 * @ret_conf:	Filled in
 */
static void port_eth_conf(const struct conf_port *conf, const struct rte_eth_dev_info *info,
			  struct rte_eth_conf *ret_conf)
{
	memset(ret_conf, 0, sizeof(*ret_conf));
	ret_conf->rxmode.mtu = conf->mtu;
	port_offloads(info, ret_conf);
	if (port_chains(conf, info))
		ret_conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	if (conf->queues > 1 && (info->flow_type_rss_offloads & PORT_RSS_WANTED)) {
		ret_conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		ret_conf->rx_adv_conf.rss_conf.rss_hf =
			info->flow_type_rss_offloads & PORT_RSS_WANTED;
	}
}

/**
 * port_queues() - Set up the queues, with as many descriptors as allowed
 * @port:	Port with its pool
 * Return: 0 or -errno
 */
static int port_queues(struct port *port)
{
	uint16_t n_rx = port->conf->descriptors, n_tx = port->conf->descriptors;
	int socket = rte_eth_dev_socket_id(port->id);
	int err = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &n_rx, &n_tx);

	for (uint16_t q = 0; !err && q < port->conf->queues; q++) {
		err = rte_eth_rx_queue_setup(port->id, q, n_rx, (unsigned int)socket, NULL,
					     port->pool);
		if (!err)
			err = rte_eth_tx_queue_setup(port->id, q, n_tx, (unsigned int)socket, NULL);
	}
	return err;
}

/**
 * port_setup() - Configure and start a probed port
 * @port:	With conf and id
 * @n_threads:	PMD threads
 * Return: 0 or -errno, logged
 */
static int port_setup(struct port *port, unsigned int n_threads)
{
	const struct conf_port *conf = port->conf;
	struct rte_eth_dev_info info;
	struct rte_eth_conf eth;
	int err = rte_eth_dev_info_get(port->id, &info);

	if (err) {
		log_err("port %s: cannot ask %s what it can do: %s", conf->name, conf->devargs,
			strerror(-err));
		return err;
	}
	err = port_limits(conf, &info);
	if (err)
		return err;
	port_eth_conf(conf, &info, &eth);
	port->pool = port_pool(conf, &info, port->id, n_threads);
	if (!port->pool)
		return -ENOMEM;
	err = rte_eth_dev_configure(port->id, conf->queues, conf->queues, &eth);
	if (!err)
		err = port_queues(port);
	if (!err)
		err = rte_eth_dev_start(port->id);
	if (err) {
		log_err("port %s: cannot start %s: %s", conf->name, conf->devargs, strerror(-err));
		return err;
	}
	port->tx_offloads = eth.txmode.offloads;
	if (eth.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS)
		port->reta_size = info.reta_size;
	/* What a single mbuf does not hold is more than the MTU; drivers
	 * without MULTI_SEGS must never see a chain */
	port->max_frame = eth.txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS
				  ? VQ_FRAME_MAX
				  : (uint16_t)(conf->mtu + PORT_FRAME_OVERHEAD);
	return 0;
}

/**
 * port_receive_mode() - Promiscuous or not; a device that cannot say so is told
 * @port:	Started
 */
static void port_receive_mode(const struct port *port)
{
	int err = port->conf->promiscuous ? rte_eth_promiscuous_enable(port->id)
					  : rte_eth_promiscuous_disable(port->id);

	if (err && err != -ENOTSUP)
		log_warning("port %s: cannot set promiscuous = %s: %s", port->conf->name,
			    port->conf->promiscuous ? "yes" : "no", strerror(-err));
}

int port_open(const struct conf_port *conf, unsigned int n_threads, struct port *ret_port)
{
	struct port port = {.conf = conf};
	char name[RTE_ETH_NAME_MAX_LEN] = "";
	int err = port_probe(conf, &port.id);

	if (err) {
		log_err("port %s: cannot open devargs = \"%s\": %s", conf->name, conf->devargs,
			strerror(-err));
		return err;
	}
	err = port_setup(&port, n_threads);
	if (err) {
		port_close(&port);
		return err;
	}
	port_receive_mode(&port);
	(void)rte_eth_dev_get_name_by_port(port.id, name);
	log_notice("port %s: %s is up, %u queue%s, mtu %u", conf->name, name, conf->queues,
		   conf->queues > 1 ? "s" : "", conf->mtu);
	*ret_port = port;
	return 0;
}

void port_close(struct port *port)
{
	if (!port->conf)
		return;
	(void)rte_eth_dev_stop(port->id);
	(void)rte_eth_dev_close(port->id);
	rte_mempool_free(port->pool);
	memset(port, 0, sizeof(*port));
}

/*
 * DPDK's frame ends in bytes that it leaves as they were: of some guest's frame,
 * for another to read.
 */
struct rte_mbuf *port_rarp(const struct port *port, const struct rte_ether_addr *mac)
{
	struct rte_mbuf *frame = rte_net_make_rarp_packet(port->pool, mac);
	const uint32_t used = RTE_ETHER_HDR_LEN + sizeof(struct rte_arp_hdr);

	if (!frame)
		return NULL;
	memset(rte_pktmbuf_mtod_offset(frame, char *, used), 0, frame->data_len - used);
	return frame;
}
