/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_honest.h - What an honest front-end sends to the gate
 *
 * A script changes some of it.  Memory and rings are those of gate_fixture.h.
 */
#ifndef VUNETD_FUZZ_GATE_HONEST_H
#define VUNETD_FUZZ_GATE_HONEST_H

#include <stdbool.h>

#include "tests/unit/daemon/gate_fixture.h"

/* A bit for each page of guest memory */
#define LOG_BYTES ((GPA_1 + REGION_SIZE) / 4096 / 8)

/**
 * gate_honest() - The payload of a message
 * @request:	Request
 * @what:	A ring, or a variant
 * @viommu:	Whether the session's features have ACCESS_PLATFORM, as the last
 *		VU_SET_FEATURES had them: set here
 * @msg:	Its payload and size are filled in
 */
void gate_honest(uint32_t request, uint8_t what, bool *viommu, struct vu_msg *msg);

#endif /* VUNETD_FUZZ_GATE_HONEST_H */
