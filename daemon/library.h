/* SPDX-License-Identifier: BSD-3-Clause */
/* library.h - librte_vhost as something to call
 *
 * Theory of operation
 * ===================
 * librte_vhost serves a private socket per guest and is never put in front of
 * a front-end.  The gate sends it a message that is complete and checked, and
 * waits for the answer: its event thread runs only inside such a call, so the
 * control plane is in effect one thread and its state needs no locks.
 *
 * Of the protocol it keeps negotiation, the mapping of guest memory and the
 * bookkeeping of queues and their indexes.  It is given no ring address, no
 * kick or call descriptor, no IOTLB message and not the IOMMU feature bit, so
 * it never touches guest memory and never waits for anyone but us.
 *
 * Threads: control thread; the callbacks run on the library's thread while the
 * control thread waits for them, and only note what happened.
 */
#ifndef VUNETD_LIBRARY_H
#define VUNETD_LIBRARY_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/vhost_user.h"
#include "iotlb/thread_role.h"

struct rte_vhost_memory;

/**
 * struct library - One guest's side of librte_vhost
 * @path:	Private socket, owned
 * @fd:		Our end of the connection, -1 when there is none
 * @vid:	The library's device number, valid while connected; written by the
 *		library's thread before it answers the first message
 * @gone:	Posted by the library's thread when the device has been destroyed
 * @registered:	Whether the library serves @path
 */
struct library {
	char *path;
	int fd;
	int vid;
	sem_t gone;
	bool registered;
};

/**
 * library_base() - The directory that the private one is made in
 *
 * $RUNTIME_DIRECTORY, else /run/vunetd.  What is there may outlive us.
 */
const char *library_base(void);

/**
 * library_dir_make() - Make the private directory for the library's sockets
 * @ret_dir:	Path, owned by the caller
 *
 * Inside library_base().
 *
 * Return: 0 or -errno
 */
int library_dir_make(char **ret_dir) CTL_ONLY;

/**
 * library_dir_remove() - Remove it again
 * @dir:	From library_dir_make(), or NULL; freed
 */
void library_dir_remove(char *dir) CTL_ONLY;

/**
 * library_init() - Have the library serve a private socket
 * @lib:	Zeroed
 * @dir:	From library_dir_make()
 * @name:	Guest's name
 * @features:	Virtio feature bits the library may offer
 * @protocol_features:	Protocol feature bits it may offer
 *
 * Return: 0 or -errno
 */
int library_init(struct library *lib, const char *dir, const char *name, uint64_t features,
		 uint64_t protocol_features) CTL_ONLY;

/**
 * library_fini() - Have it stop, disconnected
 * @lib:	From library_init(), or zeroed
 */
void library_fini(struct library *lib) CTL_ONLY;

/**
 * library_connect() - Begin a device's life in the library
 * @lib:	Disconnected
 * Return: 0 or -errno
 */
int library_connect(struct library *lib) CTL_ONLY;

/**
 * library_disconnect() - End it, and wait until guest memory is unmapped
 * @lib:	Connected or not
 */
void library_disconnect(struct library *lib) CTL_ONLY;

/**
 * library_call() - Have the library act on a message
 * @lib:	Connected
 * @msg:	Complete and checked; for a request that replies by itself the
 *		reply replaces it
 * @fds:	Descriptors to pass; stay the caller's
 * @n_fds:	How many
 * @replies:	Whether the request has a reply of its own
 *
 * Return: 0; -EREMOTEIO when the library refused; -ETIMEDOUT or -EPIPE when it
 *	did not answer, and the connection is of no further use
 */
int library_call(struct library *lib, struct vu_msg *msg, const int *fds, unsigned int n_fds,
		 bool replies) CTL_ONLY;

/**
 * library_memory() - The memory table as the library mapped it
 * @lib:	Connected
 * @ret_mem:	Owned by the caller, free()
 * Return: 0, or -ENOMEM when there is none
 */
int library_memory(const struct library *lib, struct rte_vhost_memory **ret_mem) CTL_ONLY;

/**
 * library_set_base() - Tell the library where a ring stopped
 * @lib:	Connected
 * @ring:	Virtqueue index, known to the library
 * @base:	Next available index
 * Return: 0 or -EINVAL
 */
int library_set_base(const struct library *lib, uint16_t ring, uint16_t base) CTL_ONLY;

#endif /* VUNETD_LIBRARY_H */
