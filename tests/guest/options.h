/* SPDX-License-Identifier: BSD-3-Clause */
/* options.h - The command line of vunet-guest as one struct
 *
 * Theory of operation
 * ===================
 * One table (options.c) names every option with its kind, bounds, default and a
 * sentence; the parser and --help are projections of it.
 */
#ifndef GUEST_OPTIONS_H
#define GUEST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define DEVICES_MAX 2
#define PAIRS_MAX   128

enum guest_mode { MODE_L2FWD, MODE_TX, MODE_RX, MODE_VERIFY, MODE_POISON };
enum guest_map { MAP_STATIC_DEMAND, MAP_STATIC_PUSH, MAP_DYNAMIC };
enum guest_offloads { OFFLOADS_OFF, OFFLOADS_CSUM, OFFLOADS_ALL };
enum guest_rings { RINGS_SCATTERED, RINGS_CONTIGUOUS };

/**
 * struct options - What the user asked for; read-only after options_parse()
 * @sockets:	Paths, one per device
 * @n_sockets:	One or two
 * @mode:	enum guest_mode
 * @server:	Listen instead of connecting
 * @pairs:	Queue pairs per device
 * @viommu:	Page shift of the vIOMMU: 0 for none, 12, 21 or 30
 * @pages:	Page shift of the memory behind the buffers
 * @map:	enum guest_map
 * @rings:	enum guest_rings
 * @rw:		Map every buffer for reading and writing
 * @push:	In dynamic mode send each mapping before it is used
 * @batch:	Send the IOTLB messages of a burst together
 * @poison:	In dynamic mode quarantine released buffers under a pattern
 * @no_answer:	Leave misses unanswered
 * @answer_delay_us:	Answer misses this much later
 * @size:	Frame size without FCS
 * @size_random:	Frame sizes are spread over all allowed values instead
 * @duration_ms:	Time to run, 0 for no bound
 * @warmup_ms:	Time before the counters start from 0
 * @count:	Frames to send or receive, 0 for no bound
 * @window:	Frames verify keeps on their way at most
 * @log_dirty_ms: time between two checks of the log of dirty pages, 0 for none
 * @migrate:	Socket of the backend to migrate to, or NULL
 * @migrate_ms: time between two migrations
 * @rounds:	Checks of the log, or migrations, to end after, or 0
 * @toggle_ms:	verify: time between two changes of which rings are enabled, 0 for none
 * @reconnect_ms:	Time between two tries to reach the next backend, 0: none is tried
 * @slots:	Tell regions of memory one by one
 * @hotplug_ms:	Time between adding and removing a region, 0: none is
 * @readdress_ms:	Time between two changes of the rings' addresses, 0: they stay
 * @burst:	Frames moved per round
 * @ring_size:	Entries per ring
 * @buffers:	Buffers in the pool, 0 for twice the ring entries
 * @buf_size:	Bytes per buffer, virtio header included
 * @base:	Position the rings begin at
 * @packed:	Offer and use VIRTIO_F_RING_PACKED
 * @event_idx:	Offer and use VIRTIO_RING_F_EVENT_IDX
 * @in_order:	Offer and use VIRTIO_F_IN_ORDER
 * @aligned:	The first buffer starts a page, so that none of 2048 bytes crosses one
 * @scatter:	Without a vIOMMU: page shift of the pieces memory is scattered in
 * @mergeable:	Offer VIRTIO_NET_F_MRG_RXBUF
 * @indirect:	Offer and use VIRTIO_RING_F_INDIRECT_DESC
 * @chain:	Descriptors per buffer
 * @offloads:	enum guest_offloads
 * @bad_offloads:	Send frames with contradictory headers between the others
 * @icmpecho:	Answer ARP and ping in l2fwd
 * @interrupts:	Sleep on the call eventfds when idle
 * @interval:	Seconds between lines of rates, 0 for none
 * @quiet:	Print the summary only
 * @json:	Print the summary as JSON
 * @trace:	Print every protocol message
 * @timeout_ms:	Bound on each protocol step
 * @seed:	Of the scatter and of random sizes
 * @cpu:	Processor to run on, or -1
 */
struct options {
	const char *sockets[DEVICES_MAX];
	uint32_t n_sockets;
	uint32_t mode;
	bool server;
	uint32_t pairs;
	uint32_t viommu;
	uint32_t pages;
	uint32_t map;
	uint32_t rings;
	bool rw;
	bool push;
	bool batch;
	bool poison;
	bool no_answer;
	uint32_t answer_delay_us;
	uint32_t size;
	bool size_random;
	uint32_t duration_ms;
	uint32_t warmup_ms;
	uint64_t count;
	uint32_t window;
	const char *migrate;
	uint32_t migrate_ms;
	uint32_t rounds;
	uint32_t log_dirty_ms;
	uint32_t toggle_ms;
	uint32_t reconnect_ms;
	bool slots;
	uint32_t hotplug_ms;
	uint32_t readdress_ms;
	uint32_t burst;
	uint32_t ring_size;
	uint32_t buffers;
	uint32_t buf_size;
	uint32_t base;
	bool packed;
	bool event_idx;
	bool in_order;
	bool aligned;
	uint32_t scatter;
	uint32_t mergeable;
	bool indirect;
	uint32_t chain;
	uint32_t offloads;
	bool bad_offloads;
	bool icmpecho;
	bool interrupts;
	uint32_t interval;
	bool quiet;
	bool json;
	bool trace;
	uint32_t timeout_ms;
	uint32_t seed;
	int32_t cpu;
};

/**
 * options_parse() - Read the command line
 * @argc:	As main() got it
 * @argv:	As main() got it; strings stay referenced
 * @ret:	Filled in
 *
 * Return: 0 to go on, 1 after --help or --version, -EINVAL after a complaint
 */
int options_parse(int argc, char **argv, struct options *ret);

/**
 * options_name() - The word for the value of a choice
 * @option:	Name of the option, such as "mode"
 * @value:	As stored in struct options
 *
 * Return: The word, or "?"
 */
const char *options_name(const char *option, uint32_t value);

#endif /* GUEST_OPTIONS_H */
