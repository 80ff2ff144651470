/* SPDX-License-Identifier: BSD-3-Clause */
/* counters.h - Every datapath counter, declared once
 *
 * X(name, sentence): the structs below, the statistics log, and whatever else
 * shows counters are projections of these tables.
 *
 * Threads: one writer, the PMD thread, or the one that polls the ring or wire; read
 * relaxed by the control thread.  A counter only grows while its object lives.
 */
#ifndef VUNETD_COUNTERS_H
#define VUNETD_COUNTERS_H

#include <stdint.h>

/* One virtqueue */
#define VQ_COUNTERS(X)                                                                    \
	X(packets, "frames carried")                                                      \
	X(bytes, "bytes of those frames, without the virtio-net header")                  \
	X(hits, "addresses the IOTLB translated")                                         \
	X(misses, "addresses that had to be asked of the front-end")                      \
	X(calls, "interrupts raised in the guest")                                        \
	X(calls_delayed, "interrupts that waited for the interval between two")           \
	X(logged, "pages marked in the log of a live migration")                          \
	X(no_mbuf, "bursts cut short because the mbuf pool was empty")                    \
	X(drop_too_big, "frames larger than the guest's buffers or than allowed")         \
	X(drop_runt, "frames shorter than an Ethernet header")                            \
	X(err_index, "descriptor indexes beyond the ring")                                \
	X(err_chain, "descriptor chains that loop or exceed the ring")                    \
	X(err_indirect, "indirect tables of bad size, nested or not negotiated")          \
	X(err_direction, "buffers readable where writable is due, or the reverse")        \
	X(err_length, "chains too short for the virtio-net header, or wrapping")          \
	X(err_offload, "frames whose offload header contradicts them or the negotiation") \
	X(err_call, "rings stopped: their call eventfd was made to block")                \
	X(err_log, "writes outside the memory table, which no log can tell of")           \
	X(moved_base, "times a ring was taken over elsewhere than the front-end said")    \
	X(err_base, "rings stopped: they were used already where the front-end said")     \
	X(err_ring, "rings stopped: an available index beyond the ring, or a chain without end")

/* One wire: a port queue and the queue pair it is wired to */
#define WIRE_COUNTERS(X)                                                        \
	X(port_rx, "frames received from the port")                             \
	X(port_tx, "frames sent to the port")                                   \
	X(busy_tsc, "cycles spent on polls that moved frames")                  \
	X(drop_guest_down, "frames for a guest that is not there")              \
	X(drop_guest_full, "frames the guest had no buffers for in time")       \
	X(drop_guest_miss, "frames whose buffers were not translated in time")  \
	X(drop_port_full, "frames the port did not take in time")               \
	X(drop_port_size, "frames longer than the port sends")                  \
	X(drop_port_offload, "frames whose offloads the port's driver refused") \
	X(drop_no_mbuf, "frames for whose segments there was no mbuf in time")  \
	X(drop_disabled, "frames from a transmit ring that is disabled")

/* One poll-mode thread */
#define PMD_COUNTERS(X)                                       \
	X(sleeps, "times it slept because nothing was to do") \
	X(kicks, "sleeps that guests ended by a kick")        \
	X(wakes, "sleeps that the control thread ended")      \
	X(late, "sleeps that time ended though frames were waiting, of ports most likely")

#define COUNTER_MEMBER(name, help) uint64_t name;

struct vq_counters {
	VQ_COUNTERS(COUNTER_MEMBER)
};

struct wire_counters {
	WIRE_COUNTERS(COUNTER_MEMBER)
};

struct pmd_counters {
	PMD_COUNTERS(COUNTER_MEMBER)
};

/* Single-writer increment: no atomic read-modify-write, no torn read elsewhere */
#define COUNTER_ADD(c, n) \
	__atomic_store_n(&(c), __atomic_load_n(&(c), __ATOMIC_RELAXED) + (n), __ATOMIC_RELAXED)
#define COUNTER_READ(c) __atomic_load_n(&(c), __ATOMIC_RELAXED)

#endif /* VUNETD_COUNTERS_H */
