/* SPDX-License-Identifier: BSD-3-Clause */
/* looped_guest.h - A model guest behind a port that returns what is sent
 *
 * It sends numbered frames and expects them back, whole and in order; some may be
 * dropped by name.  Real threads poll its rings, so it kicks where it is asked to.
 *
 * Threads: the test's own, which is the control thread.
 */
#ifndef VUNETD_LOOPED_GUEST_H
#define VUNETD_LOOPED_GUEST_H

#include "datapath/pmd.h"
#include "tests/unit/datapath/model_guest.h"

struct rte_mempool;

/* Entries in each of its rings */
#define LG_SIZE 128

/**
 * struct looped_guest - A model guest, its port and its wire
 * @sent:	Frames it sent
 * @expect:	Serial the next frame it gets has at least
 * @received:	Frames it got
 * @kick:	eventfd of the transmit ring
 * @kicks:	How often it was asked to kick and did
 * @fds:	Two eventfds for calls
 */
struct looped_guest {
	struct model_guest *g;
	struct mg_ring *rx;
	struct mg_ring *tx;
	struct wire *wire;
	struct rte_mempool *pool;
	uint64_t rx_buf;
	uint64_t tx_buf;
	uint32_t sent;
	uint32_t expect;
	uint32_t received;
	uint16_t port;
	bool event_idx;
	int kick;
	unsigned int kicks;
	int fds[2];
};

/**
 * lg_find_cores() - Two CPUs this process may run on, or one twice
 */
void lg_find_cores(unsigned int cores[2]);

/**
 * lg_nap_us() - Let others run
 */
void lg_nap_us(unsigned int us);

/**
 * lg_open() - Make a guest with a port of its own
 * @guest:	Filled in
 * @set:	Whose threads will poll it
 * @features:	Negotiated besides VERSION_1 and MRG_RXBUF
 */
void lg_open(struct looped_guest *guest, struct pmd_set *set, uint64_t features);

/**
 * lg_close() - Undo lg_open()
 * @guest:	In no poll list
 */
void lg_close(struct looped_guest *guest);

/**
 * lg_send() - Send a frame if there is room, and kick if that is wanted
 */
void lg_send(struct looped_guest *guest);

/**
 * lg_receive() - Take a frame and look at it
 * Return: Whether there was one
 */
bool lg_receive(struct looped_guest *guest);

/**
 * lg_offer() - Make every free receive buffer available
 */
void lg_offer(struct looped_guest *guest);

/**
 * lg_settled() - Whether every frame sent came back or was dropped by name
 */
bool lg_settled(const struct looped_guest *guest);

/**
 * lg_entry() - The guest as its thread is to poll it
 */
struct poll_entry lg_entry(const struct looped_guest *guest);

#endif /* VUNETD_LOOPED_GUEST_H */
