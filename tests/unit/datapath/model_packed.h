/* SPDX-License-Identifier: BSD-3-Clause */
/* model_packed.h - The packed half of model_guest.h
 *
 * The functions of struct mg_ring that are the same for both layouts call these;
 * a test of what only the packed layout has calls them itself.
 */
#ifndef VUNETD_MODEL_PACKED_H
#define VUNETD_MODEL_PACKED_H

#include "tests/unit/datapath/model_guest.h"

/* The lowest buffer ID */
#define MP_ID 0x4000

/**
 * mp_init() - Lay out a packed ring; its configuration has size and base
 */
void mp_init(struct mg_ring *r);

/**
 * mp_init_flags() - Make every slot the driver's
 */
void mp_init_flags(struct mg_ring *r);

/**
 * mp_desc() - Write one descriptor
 */
void mp_desc(struct model_guest *g, uint64_t table, uint16_t i, uint64_t addr, uint32_t len,
	     uint16_t id, uint16_t flags);

/**
 * mp_put() - Write the ring's next descriptor
 * @first:	Of a chain: the device may not have it before mp_show()
 */
void mp_put(struct mg_ring *r, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags,
	    bool first);

/**
 * mp_show() - Give the device what was added
 */
void mp_show(struct mg_ring *r);

/**
 * mp_add() - mg_add()
 */
int mp_add(struct mg_ring *r, const struct mg_buf *bufs, unsigned int n, uint16_t flags,
	   bool indirect);

/**
 * mp_used() - mg_used()
 */
int mp_used(struct mg_ring *r, uint32_t *ret_len);

/**
 * mp_base() - Where the driver knows the device to be, as vq_base() says it
 */
uint32_t mp_base(const struct mg_ring *r);

/**
 * mp_set_event() - Say when to interrupt
 */
void mp_set_event(struct mg_ring *r, uint16_t slot, bool wrap, uint16_t flags);

/**
 * mp_device_flags() - Read when the device wants a kick
 */
uint16_t mp_device_flags(struct mg_ring *r);

#endif /* VUNETD_MODEL_PACKED_H */
