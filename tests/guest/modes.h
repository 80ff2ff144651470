/* SPDX-License-Identifier: BSD-3-Clause */
/* modes.h - What the guest can do with frames
 *
 * Each mode runs until guest_tick() tells it to stop.
 *
 * Return of each: 0, or -errno after a complaint
 */
#ifndef GUEST_MODES_H
#define GUEST_MODES_H

struct guest;

/** l2fwd_run() - Send frames back, or across two devices */
int l2fwd_run(struct guest *g);

/** tx_run() - Send as fast as the backend takes */
int tx_run(struct guest *g);

/** rx_run() - Count what arrives */
int rx_run(struct guest *g);

/** verify_run() - Send numbered frames and expect them back */
int verify_run(struct guest *g);

/** streams_run() - With --offloads, in place of tx_run(), rx_run() and verify_run() */
int streams_run(struct guest *g);

/** snatch_run() - Receive while pages are taken away (--mode poison) */
int snatch_run(struct guest *g);

#endif /* GUEST_MODES_H */
