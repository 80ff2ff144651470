/* SPDX-License-Identifier: BSD-3-Clause */
/* guest.h - The guest: its memory, its devices, and what it counts
 *
 * Theory of operation
 * ===================
 * One thread does everything: a mode's loop moves frames, and calls
 * guest_tick() once per round, which hears the backend channel, prints the rates
 * and says when to stop.  The backend channel is heard each round while nothing
 * moves, and every TICK_ROUNDS rounds while it does: reading it is a system
 * call, and an unanswered miss stops the traffic anyway.
 */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/buffers.h"
#include "tests/guest/dirty.h"
#include "tests/guest/memory.h"
#include "tests/guest/migrate.h"
#include "tests/guest/options.h"
#include "tests/guest/vhost_user.h"
#include "tests/guest/viommu.h"
#include "tests/guest/ring.h"

/**
 * struct device - One virtio-net device
 * @g:		The guest it belongs to
 * @vu:		Connection
 * @iommu:	Its I/O address space
 * @rings:	Virtqueues; even ones receive
 * @base:	Where each ring is to be started
 * @logged:	Dirty pages are logged
 * @features:	Negotiated
 * @protocol:	Negotiated vhost-user protocol features
 * @hdr:	Bytes of struct virtio_net_hdr
 * @aliased:	Its rings are at their other addresses
 * @plugged:	The backend has the spare region
 */
struct device {
	struct guest *g;
	struct vu vu;
	struct viommu iommu;
	struct ring rings[2 * PAIRS_MAX];
	uint32_t base[2 * PAIRS_MAX];
	bool logged;
	uint64_t features;
	uint64_t protocol;
	uint32_t hdr;
	bool aliased;
	bool plugged;
};

/**
 * struct stats - What was counted; errors make the exit status 1
 * @rx_frames:	Frames received
 * @rx_bytes:	Bytes of them
 * @tx_frames:	Frames made available to the backend
 * @tx_bytes:	Bytes of them
 * @tx_left:	Of these, not taken by it when the traffic ended
 * @dropped:	Received frames that could not be forwarded
 * @malformed:	Frames with lengths that make no sense
 * @echoed:	ARP and ICMP echo requests answered
 * @lost:	verify: sent and never seen again
 * @reordered:	verify: seen out of order
 * @corrupt:	verify: seen with other content
 * @foreign:	verify: not ours
 * @hdr_errors:	Received virtio headers that do not describe their frames
 * @csum_errors: --offloads: received checksums that are wrong
 * @leaked:	Received frames that must not have been sent, or not to that ring
 * @tx_payload:	--offloads: bytes of streams sent
 * @rx_payload:	and received
 * @tx_segments: --offloads: frames that those sent become
 * @tx_partial:	--offloads: frames sent without a checksum
 * @tx_gso:	and those among them that are to be cut
 * @rx_valid:	Frames received whose checksum the backend found right
 * @rx_gso:	Frames received that were merged
 * @tx_bad:	--bad-offloads: frames sent that contradict themselves
 * @tx_too_big:	and frames to be cut into too large segments
 * @poison_checks:	Released pages looked at
 * @poison_violations:	Released pages that changed
 * @toggles:	--toggle: times rings were switched off or on
 * @tx_doomed:	and frames for transmit rings that were off
 * @log_rounds:	--log-dirty: times memory was held against the log
 * @log_changed: Pages that had changed
 * @log_marked:	Pages that were marked
 * @log_unchanged: Of these, pages that had not changed
 * @log_missed:	Pages that had changed and were not marked, or not copied (--migrate)
 * @log_stray:	Marks of pages that are none
 * @migrations:	--migrate: times the guest was moved
 * @calls:	Interrupts that ended a sleep
 * @calls_missed:	Sleeps that an interrupt should have ended
 * @plugs:	--hotplug: times a region was added or removed
 * @moves:	--readdress: times rings were moved
 * @revivals:	--reconnect: backends that came after one that ended
 * @outage_ms:	Longest time from the loss of one to the next frame received
 * @cut:	verify: frames that were on their way when a backend ended, never seen again
 */
struct stats {
	uint64_t rx_frames;
	uint64_t rx_bytes;
	uint64_t tx_frames;
	uint64_t tx_bytes;
	uint64_t tx_left;
	uint64_t dropped;
	uint64_t malformed;
	uint64_t echoed;
	uint64_t lost;
	uint64_t reordered;
	uint64_t corrupt;
	uint64_t foreign;
	uint64_t hdr_errors;
	uint64_t csum_errors;
	uint64_t leaked;
	uint64_t tx_payload;
	uint64_t rx_payload;
	uint64_t tx_segments;
	uint64_t tx_partial;
	uint64_t tx_gso;
	uint64_t rx_valid;
	uint64_t rx_gso;
	uint64_t tx_bad;
	uint64_t tx_too_big;
	uint64_t poison_checks;
	uint64_t poison_violations;
	uint64_t toggles;
	uint64_t tx_doomed;
	uint64_t log_rounds;
	uint64_t log_changed;
	uint64_t log_marked;
	uint64_t log_unchanged;
	uint64_t log_missed;
	uint64_t log_stray;
	uint64_t migrations;
	uint64_t calls;
	uint64_t calls_missed;
	uint64_t plugs;
	uint64_t moves;
	uint64_t revivals;
	uint64_t outage_ms;
	uint64_t cut;
};

/**
 * struct guest - Everything
 * @opt:	Options
 * @mem:	Memory, the same for all devices
 * @pool:	Buffers
 * @devices:	Devices
 * @dirty:	--log-dirty
 * @migrate:	--migrate
 * @n_devices:	How many
 * @stats:	Counters
 * @last:	Counters at the last line of rates
 * @rounds:	Of the loop
 * @start_ns:	When traffic began
 * @warm_ns:	When --warmup is over, 0 once it is
 * @line_ns:	When the next line of rates is due
 * @end_ns:	When to stop, or UINT64_MAX
 * @stop_ns:	When traffic ended
 * @start_cpu_ns:	Processor time used when traffic began
 * @stop_cpu_ns:	and when it ended
 * @idle:	Rounds in a row in which nothing moved
 * @plug_ns:	When to plug next
 * @move_ns:	When to move the rings next
 * @alive_ns:	When to look next whether the backends still live
 * @lost_ns:	When a backend was lost, until a frame is received again, else 0
 * @lost_rx:	Frames received until then
 * @error:	What ended the traffic, 0 or -errno
 * @done:	A mode has nothing left to do
 */
struct guest {
	const struct options *opt;
	struct memory mem;
	struct pool pool;
	struct device devices[DEVICES_MAX];
	unsigned int n_devices;
	struct dirty dirty;
	struct migrate migrate;
	struct stats stats;
	struct stats last;
	uint64_t rounds;
	uint64_t start_ns;
	uint64_t warm_ns;
	uint64_t line_ns;
	uint64_t end_ns;
	uint64_t stop_ns;
	uint64_t start_cpu_ns;
	uint64_t stop_cpu_ns;
	uint32_t idle;
	uint64_t plug_ns;
	uint64_t move_ns;
	uint64_t alive_ns;
	uint64_t lost_ns;
	uint64_t lost_rx;
	int error;
	bool done;
};

/* Set by SIGINT and SIGTERM */
extern volatile sig_atomic_t guest_stop;
/* Set by SIGUSR1 */
extern volatile sig_atomic_t guest_asked;

/**
 * guest_new() - Lay out memory and page tables; nothing is connected yet
 * @g:		Zeroed
 * @opt:	Options
 *
 * Return: 0 or -errno after a complaint
 */
int guest_new(struct guest *g, const struct options *opt);

/**
 * guest_free() - Take everything down
 * @g:	Guest
 */
void guest_free(struct guest *g);

/**
 * guest_begin() - Start the clock of --duration and the rates
 * @g:	Guest
 */
void guest_begin(struct guest *g);

/**
 * guest_end() - Stop that clock
 * @g:	Guest
 */
void guest_end(struct guest *g);

/**
 * guest_tick() - What is to be done between rounds
 * @g:		Guest
 * @moved:	Whether the round moved anything
 *
 * Return: 1 to go on, 0 to stop, -errno after a complaint
 */
int guest_tick(struct guest *g, bool moved);

/**
 * device_rx() - A device's receive ring
 */
static inline struct ring *device_rx(struct device *d, unsigned int pair)
{
	return &d->rings[2 * pair];
}

/**
 * device_tx() - A device's transmit ring
 */
static inline struct ring *device_tx(struct device *d, unsigned int pair)
{
	return &d->rings[2 * pair + 1];
}

#endif /* GUEST_GUEST_H */
