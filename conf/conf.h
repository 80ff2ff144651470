/* SPDX-License-Identifier: BSD-3-Clause */
/* conf.h - The ini file as one validated, immutable struct
 *
 * Theory of operation
 * ===================
 * iniparser reads the file; one table (conf/keys.c) names every section, key,
 * type, range and default with a sentence of meaning.  The parser, the checks,
 * `vunetd --help-conf` and vunetd.conf(5) are projections of that table.
 * Everything wrong with a file is reported, not only the first thing.
 *
 * Threads: loaded by the control thread at start-up, read-only afterwards, so
 * any thread may read it.
 */
#ifndef VUNETD_CONF_H
#define VUNETD_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define CONF_NAME_MAX	32
#define CONF_GUESTS_MAX 256
#define CONF_PORTS_MAX	256
#define CONF_CORES_MAX	128
#define CONF_QUEUES_MAX 128 /* queue pairs: ring numbers are 8 bits */
#define CONF_SOCKET_MAX 100 /* sun_path holds 108: room for names derived from it */

enum conf_hugepages { CONF_HUGEPAGES_AUTO, CONF_HUGEPAGES_REQUIRE, CONF_HUGEPAGES_NONE };
enum conf_socket_mode { CONF_SOCKET_SERVER, CONF_SOCKET_CLIENT };
enum conf_log_level {
	CONF_LOG_ERR,
	CONF_LOG_WARNING,
	CONF_LOG_NOTICE,
	CONF_LOG_INFO,
	CONF_LOG_DEBUG
};

/**
 * struct conf_port - [port.NAME]
 * @name:		NAME
 * @devargs:		DPDK device string, verbatim
 * @queues:		Receive and transmit queues
 * @descriptors:	Per queue
 * @mtu:		Bytes of payload in a frame
 * @promiscuous:	Receive every address
 */
struct conf_port {
	char name[CONF_NAME_MAX];
	char *devargs;
	uint16_t queues;
	uint16_t descriptors;
	uint16_t mtu;
	bool promiscuous;
};

/**
 * struct conf_cores - CPUs to poll on
 * @cores:	CPU numbers, ascending, no doubles
 * @n_cores:	How many
 */
struct conf_cores {
	unsigned int cores[CONF_CORES_MAX];
	unsigned int n_cores;
};

/**
 * struct conf_guest - [guest.NAME]
 * @name:	NAME
 * @socket:	Path of the unix socket, fits sun_path
 * @mode:	Who listens
 * @owner:	User id of the socket, or -1 to leave it
 * @group:	Group id of the socket, or -1 to leave it
 * @perm:	File mode of the socket, such as 0660
 * @queues:	Queue pairs offered
 * @viommu:	Whether VIRTIO_F_ACCESS_PLATFORM is offered
 * @offloads:	Whether checksums and segmentation are offered
 * @gro:	and whether merged frames are
 * @call_interval_us:	Least time between two interrupts of a ring, 0 for none
 * @wire:	Index into ports[]
 * @pin:	The only CPUs to poll its rings; among pmd.cores; none for any of them
 */
struct conf_guest {
	char name[CONF_NAME_MAX];
	char *socket;
	enum conf_socket_mode mode;
	uid_t owner;
	gid_t group;
	mode_t perm;
	uint16_t queues;
	bool viommu;
	bool offloads;
	bool gro;
	uint32_t call_interval_us;
	unsigned int wire;
	struct conf_cores pin;
};

/**
 * struct conf - The whole file
 * @file:		Path it came from
 * @dpdk.args:		Further EAL arguments, split at white space, or ""
 * @dpdk.hugepages:	Use them if there, insist on them, or do without
 * @dpdk.memory_mb:	Memory for EAL in MiB
 * @pmd:		CPUs that poll, all of them online
 * @pmd_idle_sleep_us:	How long they find nothing before they sleep, 0 for ever
 * @pmd_nap_us:	How long they sleep before they look at the ports
 * @iotlb.max_entries:	Bound per guest
 * @iotlb.miss_timeout_ms:	Before a miss is asked again
 * @iotlb.miss_retries:	Times it is asked again before it is a fault
 * @iotlb.spin_us:	How long the control thread looks on before it sleeps
 * @log.level:		Least severe level written
 * @log.stats_s:	Seconds between lines of statistics, 0 for none
 */
struct conf {
	char *file;
	struct {
		char *args;
		enum conf_hugepages hugepages;
		uint32_t memory_mb;
	} dpdk;
	struct conf_cores pmd;
	uint32_t pmd_idle_sleep_us;
	uint32_t pmd_nap_us;
	struct {
		uint32_t max_entries;
		uint32_t miss_timeout_ms;
		uint32_t miss_retries;
		uint32_t spin_us;
	} iotlb;
	struct {
		enum conf_log_level level;
		uint32_t stats_s;
	} log;
	struct conf_port *ports;
	unsigned int n_ports;
	struct conf_guest *guests;
	unsigned int n_guests;
};

/**
 * conf_load() - Read and check an ini file
 * @path:	File
 * @errors:	Each problem is written here as one line that names file,
 *		section, key, value and what is allowed
 * @ret_conf:	Owned by the caller, conf_free()
 *
 * Context: any thread, but iniparser's error callback is process-wide.
 * Return: 0; -EINVAL when the content is refused; -errno when it cannot be read
 */
int conf_load(const char *path, FILE *errors, struct conf **ret_conf);

/**
 * conf_free() - Free what conf_load() made
 * @conf:	Configuration or NULL
 */
void conf_free(struct conf *conf);

/**
 * conf_help() - Describe every section and key, as `vunetd --help-conf` prints
 * @out:	Where to
 */
void conf_help(FILE *out);

/**
 * conf_man() - The same as the body of vunetd.conf(5), in mdoc
 * @out:	Where to
 */
void conf_man(FILE *out);

#endif /* VUNETD_CONF_H */
