/* SPDX-License-Identifier: BSD-3-Clause */
/* backing.c - Guest memory whose file no longer backs it */
#include "daemon/backing.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include <rte_vhost.h>

#include "conf/conf.h"

/**
 * struct backing - One guest's memory
 * @mem:	Written by the control thread (publish), read by the handler (observe)
 * @log:	Likewise
 * @lost:	Written by the handler; withdrawn by the control thread with @mem
 */
struct backing {
	const struct rte_vhost_memory *mem;
	const struct backing_area *log;
	bool lost;
};

static struct backing backings[CONF_GUESTS_MAX];

/**
 * replace() - Put anonymous memory where a mapping holds an address
 * @map:	First byte of the mapping
 * @size:	Its bytes
 * @addr:	Address that has no memory
 * Return: Whether it is in the mapping, and has memory now
 *
 * The whole mapping, because part of one of hugepages need not be replaceable.
 */
static bool replace(void *map, size_t size, uintptr_t addr)
{
	return addr - (uintptr_t)map < size &&
	       mmap(map, size, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

/**
 * mend_memory() - Replace the region of a table that holds an address
 * @mem:	Memory table, or NULL
 * @addr:	Address that has no memory
 * Return: Whether it is in the table, and has memory now
 */
static bool mend_memory(const struct rte_vhost_memory *mem, uintptr_t addr)
{
	for (uint32_t i = 0; mem && i < mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];

		if (replace(r->mmap_addr, r->mmap_size, addr))
			return true;
	}
	return false;
}

/**
 * mend() - Let the access that faulted succeed
 * @addr:	Its address
 * Return: Whether it was to guest memory, or a log
 */
static bool mend(uintptr_t addr)
{
	for (unsigned int i = 0; i < CONF_GUESTS_MAX; i++) {
		/* Pair with the releases in backing_watch() and backing_watch_log() */
		const struct rte_vhost_memory *mem =
			__atomic_load_n(&backings[i].mem, __ATOMIC_ACQUIRE);
		const struct backing_area *log =
			__atomic_load_n(&backings[i].log, __ATOMIC_ACQUIRE);

		if (!mend_memory(mem, addr) && !(log && replace(log->addr, log->size, addr)))
			continue;
		__atomic_store_n(&backings[i].lost, true, __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

/**
 * on_sigbus() - The handler
 * @sig:	SIGBUS
 * @info:	Says where
 * @context:	Unused
 */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	/* Not above 0 means that somebody sent the signal */
	if (info->si_code <= 0 || !mend((uintptr_t)info->si_addr)) {
		/* A fault of our own ends us when the access is repeated */
		(void)signal(sig, SIG_DFL);
		if (info->si_code <= 0)
			(void)raise(sig);
	}
	errno = saved;
}

int backing_start(void)
{
	struct sigaction act = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&act.sa_mask);
	return sigaction(SIGBUS, &act, NULL) ? -errno : 0;
}

void backing_watch(unsigned int guest, const struct rte_vhost_memory *mem)
{
	/* Pairs with the acquire in mend() */
	__atomic_store_n(&backings[guest].mem, mem, __ATOMIC_RELEASE);
	if (!mem)
		__atomic_store_n(&backings[guest].lost, false, __ATOMIC_RELAXED);
}

void backing_watch_log(unsigned int guest, const struct backing_area *area)
{
	/* Pairs with the acquire in mend() */
	__atomic_store_n(&backings[guest].log, area, __ATOMIC_RELEASE);
}

bool backing_lost(unsigned int guest)
{
	return __atomic_load_n(&backings[guest].lost, __ATOMIC_RELAXED);
}
