/* SPDX-License-Identifier: BSD-3-Clause */
/* keys.c - Every section and key of the ini file
 *
 * The parser, the checks, --help-conf and vunetd.conf(5) are projections of
 * these tables.  A new key is a line here and a member in struct conf.
 */
#include "conf/table.h"

#define MEMBER(holder, member) \
	.offset = offsetof(struct holder, member), .size = sizeof(((struct holder *)0)->member)
#define RANGE(least, most) .min = (least), .max = (most)

static const char *const hugepages_words[] = {"auto", "require", "none", NULL};
static const char *const level_words[] = {"err", "warning", "notice", "info", "debug", NULL};
static const char *const mode_words[] = {"server", "client", NULL};

/* What the words mean must stay in step with where they stand */
_Static_assert(CONF_HUGEPAGES_AUTO == 0 && CONF_HUGEPAGES_NONE == 2, "hugepages_words");
_Static_assert(CONF_LOG_ERR == 0 && CONF_LOG_DEBUG == 4, "level_words");
_Static_assert(CONF_SOCKET_SERVER == 0 && CONF_SOCKET_CLIENT == 1, "mode_words");

static const struct conf_key dpdk_keys[] = {
	{"args", &conf_type_text, MEMBER(conf, dpdk.args), RANGE(0, 1000), .def = "",
	 .help = "Further arguments for DPDK's EAL, split at white space; "
		 "cores, memory and logging are set from the other keys."},
	{"hugepages", &conf_type_choice, MEMBER(conf, dpdk.hugepages), .choices = hugepages_words,
	 .def = "auto",
	 .help = "Whether packet buffers live in hugepages: used if there are any, "
		 "insisted on, or done without."},
	{"memory_mb", &conf_type_number, MEMBER(conf, dpdk.memory_mb), RANGE(64, 65536),
	 .def = "256",
	 .help = "Memory for packet buffers and tables, in MiB; a port of the usual MTU takes 5 "
		 "for "
		 "each queue of 1024 descriptors, and without hugepages 9."},
	{0},
};

static const struct conf_key pmd_keys[] = {
	{"cores", &conf_type_cores, MEMBER(conf, pmd), RANGE(1, CONF_CORES_MAX), .def = "last",
	 .help = "CPUs that poll, one thread pinned to each; give them nothing else to do."},
	{"idle_sleep_us", &conf_type_number, MEMBER(conf, pmd_idle_sleep_us), RANGE(0, 1000000),
	 .def = "0",
	 .help = "Microseconds a thread polls without finding anything before it sleeps until a "
		 "guest kicks or nap_us are over; 0: it never sleeps."},
	{"nap_us", &conf_type_number, MEMBER(conf, pmd_nap_us), RANGE(10, 50000), .def = "200",
	 .help = "Microseconds a thread sleeps at most before it looks at its ports, which raise "
		 "no interrupts: the first frame for a guest after a quiet time may be that much "
		 "later, and a longer sleep costs less."},
	{0},
};

static const struct conf_key iotlb_keys[] = {
	{"max_entries", &conf_type_number, MEMBER(conf, iotlb.max_entries),
	 RANGE(64, UINT64_C(1) << 26), .def = "1048576",
	 .help = "Translations kept per guest; past that the oldest ones are evicted "
		 "and asked for again when used."},
	{"miss_timeout_ms", &conf_type_number, MEMBER(conf, iotlb.miss_timeout_ms), RANGE(1, 60000),
	 .def = "100",
	 .help = "Milliseconds without an answer before a translation is asked for again."},
	{"miss_retries", &conf_type_number, MEMBER(conf, iotlb.miss_retries), RANGE(0, 1000),
	 .def = "10", .help = "Times it is asked for again before it counts as a fault."},
	{"spin_us", &conf_type_number, MEMBER(conf, iotlb.spin_us), RANGE(0, 1000), .def = "50",
	 .help = "How long the control thread looks for the next message before it sleeps, while "
		 "messages come that quickly one after the other, as they do with a map and an "
		 "unmap per packet; 0: it sleeps at once."},
	{0},
};

static const struct conf_key log_keys[] = {
	{"level", &conf_type_choice, MEMBER(conf, log.level), .choices = level_words, .def = "info",
	 .help = "Least severe messages that are written."},
	{"stats_s", &conf_type_number, MEMBER(conf, log.stats_s), RANGE(0, 3600), .def = "0",
	 .help = "Seconds between lines of statistics; 0 writes none."},
	{0},
};

static const struct conf_key port_keys[] = {
	{"devargs", &conf_type_text, MEMBER(conf_port, devargs), RANGE(1, 1000),
	 .help = "DPDK device and its arguments, passed on verbatim; in double quotes, "
		 "because an unquoted # or ; begins a comment."},
	{"queues", &conf_type_number, MEMBER(conf_port, queues), RANGE(1, CONF_QUEUES_MAX),
	 .def = "1",
	 .help = "Receive queues, and as many transmit queues; the NIC spreads flows over "
		 "them by RSS."},
	{"descriptors", &conf_type_power_of_2, MEMBER(conf_port, descriptors), RANGE(64, 32768),
	 .def = "1024", .help = "Descriptors of each queue."},
	{"mtu", &conf_type_number, MEMBER(conf_port, mtu), RANGE(68, 9702), .def = "1500",
	 .help = "Largest frame in bytes, without its Ethernet header."},
	{"promiscuous", &conf_type_flag, MEMBER(conf_port, promiscuous), .def = "yes",
	 .help = "Whether frames for any address are received; guests have addresses the "
		 "NIC does not know."},
	{0},
};

static const struct conf_key guest_keys[] = {
	{"socket", &conf_type_path, MEMBER(conf_guest, socket), RANGE(2, CONF_SOCKET_MAX),
	 .help = "Unix socket that the vhost-user front-end, such as QEMU, is at the other "
		 "end of."},
	{"mode", &conf_type_choice, MEMBER(conf_guest, mode), .choices = mode_words,
	 .def = "server",
	 .help = "Whether vunetd listens on the socket (server) or connects to it, again and "
		 "again while nobody answers (client)."},
	{"owner", &conf_type_owner, MEMBER(conf_guest, owner), .def = "",
	 .help = "User who owns the socket vunetd makes; empty leaves vunetd's own."},
	{"group", &conf_type_group, MEMBER(conf_guest, group), .def = "",
	 .help = "Group of the socket vunetd makes; empty leaves vunetd's own."},
	{"permissions", &conf_type_mode, MEMBER(conf_guest, perm), RANGE(0, 0777), .def = "0660",
	 .help = "File mode of the socket vunetd makes."},
	{"queues", &conf_type_number, MEMBER(conf_guest, queues), RANGE(1, CONF_QUEUES_MAX),
	 .def = "1",
	 .help = "Queue pairs offered; pair i is wired to queue i of the port, so there can "
		 "be no more than the port has."},
	{"viommu", &conf_type_flag, MEMBER(conf_guest, viommu), .def = "no",
	 .help = "Whether VIRTIO_F_ACCESS_PLATFORM is offered, so that the guest's driver "
		 "may put a vIOMMU between its memory and vunetd."},
	{"offloads", &conf_type_flag, MEMBER(conf_guest, offloads), .def = "yes",
	 .help = "Whether the guest may leave checksums and TCP segmentation to vunetd, which "
		 "leaves them to the NIC or does them itself, and is told which checksums of "
		 "what it receives were found right."},
	{"gro", &conf_type_flag, MEMBER(conf_guest, gro), .def = "yes",
	 .help = "Whether TCP segments that arrive together are merged for a guest that takes "
		 "large frames; needs offloads."},
	{"call_interval_us", &conf_type_number, MEMBER(conf_guest, call_interval_us),
	 RANGE(0, 10000), .def = "0",
	 .help = "Microseconds between two interrupts of one ring at least: the first after a "
		 "quiet time is raised at once, those that follow it too closely are raised "
		 "together when the time is over; 0: each burst may raise one."},
	{"wire", &conf_type_wire, MEMBER(conf_guest, wire),
	 .help = "NAME of the [port.NAME] that this guest, and no other, is wired to."},
	{"cores", &conf_type_pin, MEMBER(conf_guest, pin), RANGE(1, CONF_CORES_MAX), .def = "any",
	 .help = "CPUs among [pmd] cores that poll this guest's queue pairs; any has each pair go "
		 "to the CPU with the least to do when it starts."},
	{0},
};

const struct conf_section conf_sections[] = {
	{"dpdk", false, "The Data Plane Development Kit underneath.", dpdk_keys},
	{"pmd", false, "The poll-mode threads that carry packets.", pmd_keys},
	{"iotlb", false, "Translation of the addresses of guests behind a vIOMMU.", iotlb_keys},
	{"log", false, "What is written to standard error or the journal.", log_keys},
	{"port", true, "A NIC, or anything else DPDK has a driver for.", port_keys},
	{"guest", true, "A guest: a vhost-user front-end at the end of a socket.", guest_keys},
	{0},
};
