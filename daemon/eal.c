/* SPDX-License-Identifier: BSD-3-Clause */
/* eal.c - DPDK's environment, started from the configuration
 *
 * It is never stopped.  rte_eal_cleanup() unmaps DPDK's memory beside its own
 * interrupt thread, which it cannot end, and which may just then serve a port
 * that was closed: with both ends of a memif here that was a crash at most exits.
 * Nothing is lost by it: our memory has no files, the ports are closed by then,
 * and the rest ends with the process.
 */
#include "daemon/eal.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_pci.h>

#include "daemon/log.h"

#define EAL_ARGS_MAX 64

/* A tenth of a second, should a driver hold the thread */
#define SETTLE_WAITS   1000
#define SETTLE_WAIT_US 100

#define HUGEPAGES "/sys/kernel/mm/hugepages"

/**
 * control_cpus() - The CPUs we may run on that no PMD thread is pinned to
 * @conf:	Configuration
 * @ret_cpus:	Set of CPUs; all we may run on when that leaves none
 */
static void control_cpus(const struct conf *conf, cpu_set_t *ret_cpus)
{
	cpu_set_t all;

	CPU_ZERO(&all);
	(void)sched_getaffinity(0, sizeof(all), &all);
	*ret_cpus = all;
	for (unsigned int i = 0; i < conf->pmd.n_cores; i++)
		CPU_CLR(conf->pmd.cores[i], ret_cpus);
	if (!CPU_COUNT(ret_cpus)) {
		*ret_cpus = all;
		log_warning("[pmd] cores leaves no core for anything else: expect pauses");
	}
}

/**
 * lcores_arg() - "--lcores=0@(0,2)": one lcore, free to move among some CPUs
 * @cpus:	Set of CPUs, not empty
 * @buf:	Room for the text
 * @size:	Bytes of it
 */
static void lcores_arg(const cpu_set_t *cpus, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "--lcores=0@(");

	for (int cpu = 0; cpu < CPU_SETSIZE && len + 8 < size; cpu++)
		if (CPU_ISSET(cpu, cpus))
			len += (size_t)snprintf(buf + len, size - len, "%d,", cpu);
	snprintf(buf + len - 1, size - len + 1, ")");
}

/**
 * free_hugepages_mb() - Hugepages of any size that are free now
 *
 * Return: MiB
 */
static uint64_t free_hugepages_mb(void)
{
	DIR *dir = opendir(HUGEPAGES);
	struct dirent *e;
	uint64_t total_kb = 0;

	while (dir && (e = readdir(dir))) {
		unsigned long long size_kb, n;
		char path[PATH_MAX];
		FILE *f;

		if (sscanf(e->d_name, "hugepages-%llukB", &size_kb) != 1)
			continue;
		snprintf(path, sizeof(path), HUGEPAGES "/%s/free_hugepages", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &n) == 1)
			total_kb += n * size_kb;
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return total_kb / 1024;
}

/**
 * want_hugepages() - Whether EAL is to use hugepages
 * @conf:	Configuration
 */
static bool want_hugepages(const struct conf *conf)
{
	uint64_t mb;

	if (conf->dpdk.hugepages != CONF_HUGEPAGES_AUTO)
		return conf->dpdk.hugepages == CONF_HUGEPAGES_REQUIRE;
	mb = free_hugepages_mb();
	if (mb >= conf->dpdk.memory_mb)
		return true;
	log_notice("using ordinary pages: %llu MiB of hugepages are free, [dpdk] memory_mb is %u",
		   (unsigned long long)mb, conf->dpdk.memory_mb);
	return false;
}

/**
 * is_pci() - Whether a device string names a PCI device
 * @devargs:	Device string: "0000:01:00.0", "pci:0000:01:00.0", options may follow
 */
static bool is_pci(const char *devargs)
{
	const char *start = strncmp(devargs, "pci:", 4) ? devargs : devargs + 4;
	char *address = strndup(start, strcspn(start, ","));
	struct rte_pci_addr parsed;
	bool pci = address && !rte_pci_addr_parse(address, &parsed);

	free(address);
	return pci;
}

/**
 * pci_args() - Have EAL take the PCI devices that are ports, and no others
 * @conf:	Configuration
 * @argv:	Where to add arguments
 * @ret_argc:	Advanced
 *
 * By itself EAL takes every device it has a driver for, which on a virtual
 * machine can be the one its operator is logged in through.
 */
static void pci_args(const struct conf *conf, char **argv, int *ret_argc)
{
	static char allow[] = "-a", no_pci[] = "--no-pci";
	int argc = *ret_argc;

	for (unsigned int i = 0; i < conf->n_ports; i++) {
		if (!is_pci(conf->ports[i].devargs))
			continue;
		argv[argc++] = allow;
		argv[argc++] = conf->ports[i].devargs;
	}
	if (argc == *ret_argc)
		argv[argc++] = no_pci;
	*ret_argc = argc;
}

/**
 * eal_init() - Put the arguments together and call rte_eal_init()
 * @conf:	Configuration
 * @cpus:	For the main lcore
 * @user_args:	Writable copy of [dpdk] args, or ""
 * Return: 0 or -errno
 */
static int eal_init(const struct conf *conf, const cpu_set_t *cpus, char *user_args)
{
	static char name[] = "vunetd", m[] = "-m", in_memory[] = "--in-memory";
	/* It warns of a socket for tools that nobody has had for years */
	static char telemetry[] = "--log-level=lib.telemetry:error";
	static char no_huge[] = "--no-huge", no_shconf[] = "--no-shconf";
	char lcores[8 * CPU_SETSIZE], memory[16], *save = NULL;
	char *argv[EAL_ARGS_MAX + 2 * CONF_PORTS_MAX + 1];
	int argc = 0, last = (int)RTE_DIM(argv) - 1;

	lcores_arg(cpus, lcores, sizeof(lcores));
	snprintf(memory, sizeof(memory), "%u", conf->dpdk.memory_mb);
	argv[argc++] = name;
	argv[argc++] = lcores;
	argv[argc++] = m;
	argv[argc++] = memory;
	argv[argc++] = telemetry;
	/* EAL refuses --in-memory together with --no-huge */
	if (want_hugepages(conf)) {
		argv[argc++] = in_memory;
	} else {
		argv[argc++] = no_huge;
		argv[argc++] = no_shconf;
	}
	pci_args(conf, argv, &argc);
	for (char *word = strtok_r(user_args, " \t", &save); word && argc < last;
	     word = strtok_r(NULL, " \t", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return rte_eal_init(argc, argv) < 0 ? -rte_errno : 0;
}

int eal_start(const struct conf *conf)
{
	char *user_args = strdup(conf->dpdk.args ? conf->dpdk.args : "");
	cpu_set_t cpus;
	int err;

	if (!user_args)
		return -ENOMEM;
	/*
	 * EAL places its helper threads on the CPUs of this thread that are no
	 * lcore's, and beside the main lcore when there are none: so the PMD
	 * cores must not be among ours when it looks.
	 */
	control_cpus(conf, &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
	err = eal_init(conf, &cpus, user_args);
	if (err)
		log_err("[dpdk]: EAL does not start: %s%s", strerror(-err),
			conf->dpdk.hugepages == CONF_HUGEPAGES_REQUIRE
				? " (hugepages = require: are enough of them free?)"
				: "");
	free(user_args);
	return err;
}

/**
 * settled() - An alarm: what was ready before it has been handled
 * @arg:	bool to set
 */
static void settled(void *arg)
{
	__atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
}

void eal_settle(void)
{
	/* Static, because an alarm that comes too late still writes there */
	static bool done[CONF_PORTS_MAX];
	static unsigned int next;
	bool *mine = &done[next++ % CONF_PORTS_MAX];

	if (rte_eal_alarm_set(1, settled, mine))
		return;
	for (unsigned int i = 0; i < SETTLE_WAITS; i++) {
		if (__atomic_load_n(mine, __ATOMIC_ACQUIRE))
			return;
		(void)usleep(SETTLE_WAIT_US);
	}
}
