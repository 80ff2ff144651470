/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_log.c - Where to log the pages that are written to (device_log.h)
 *
 * The library is told nothing of it: it would map the log itself, with an offset
 * that it does not check (22.11), and it writes nothing that it could log.
 */
#include <errno.h>
#include <unistd.h>

#include "daemon/gate.h"
#include "daemon/guest.h"
#include "daemon/shared_file.h"

/*
 * The front-end waits for the answer, and then takes the last marks out of the
 * former log.  QEMU does not look at what the answer says, so there is none when
 * the log is refused (gate.h).
 */
GATE_HANDLER(gate_set_log_base)
{
	struct vu_log log = msg->payload.log;
	int err;

	if (!guest_negotiated(guest, VU_PROTOCOL_F_LOG_SHMFD))
		return -EPROTO;
	if (n_fds != 1 || !log.size || log.offset + log.size < log.offset)
		return -EINVAL;
	err = shared_file_check(fds[0], log.offset + log.size);
	if (!err)
		err = device_log_set(&guest->dev, fds[0], log.offset, log.size);
	if (!err)
		gate_u64_reply(msg, 0);
	return err;
}

/*
 * An eventfd to be written to when pages are marked.  The protocol does not say
 * which front-end would wait for that: one that migrates looks at the log when it
 * is about to copy.  It is accepted, as a descriptor of errors is, and not used.
 */
GATE_HANDLER(gate_set_log_fd)
{
	(void)guest, (void)msg, (void)fds;
	return n_fds == 1 ? 0 : -EINVAL;
}
