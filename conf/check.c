/* SPDX-License-Identifier: BSD-3-Clause */
/* check.c - What must hold between keys, each of which is right by itself */
#include "conf/check.h"
#include "conf/cpulist.h"
#include "conf/report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/**
 * guest_section() - "guest.NAME", to report with
 * @guest:	Guest
 * @buf:	Filled in
 * @size:	Of @buf
 */
static const char *guest_section(const struct conf_guest *guest, char *buf, size_t size)
{
	snprintf(buf, size, "guest.%s", guest->name);
	return buf;
}

/**
 * something_to_do() - At least one port and one guest
 * @report:	Report
 * @conf:	Configuration
 */
static void something_to_do(struct conf_report *report, const struct conf *conf)
{
	if (conf->n_ports == 0)
		report_line(report, 0, "there is no [port.NAME] section; allowed: 1 to %d of them",
			    CONF_PORTS_MAX);
	if (conf->n_guests == 0)
		report_line(report, 0, "there is no [guest.NAME] section; allowed: 1 to %d of them",
			    CONF_GUESTS_MAX);
}

/**
 * same_folder() - Whether two paths lie in one folder
 * @a:	Absolute path
 * @b:	Absolute path
 *
 * /var/run is /run on most systems, so ask the file system; where it does not
 * have the folder yet the names decide.
 */
static bool same_folder(const char *a, const char *b)
{
	size_t n = (size_t)(strrchr(a, '/') - a), m = (size_t)(strrchr(b, '/') - b);
	char folder[CONF_SOCKET_MAX + 2];
	struct stat st_a, st_b;

	if (n == m && !memcmp(a, b, n))
		return true;
	snprintf(folder, sizeof(folder), "%.*s/", (int)n, a);
	if (stat(folder, &st_a))
		return false;
	snprintf(folder, sizeof(folder), "%.*s/", (int)m, b);
	if (stat(folder, &st_b))
		return false;
	return st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

/**
 * same_socket() - Whether two guests are on one socket
 * @a:	Guest
 * @b:	Guest
 */
static bool same_socket(const struct conf_guest *a, const struct conf_guest *b)
{
	return a->socket && b->socket &&
	       !strcmp(strrchr(a->socket, '/'), strrchr(b->socket, '/')) &&
	       same_folder(a->socket, b->socket);
}

/**
 * own_sockets() - No two guests on one socket
 * @report:	Report
 * @conf:	Configuration
 */
static void own_sockets(struct conf_report *report, const struct conf *conf)
{
	char section[64];

	for (unsigned int i = 1; i < conf->n_guests; i++) {
		const struct conf_guest *guest = &conf->guests[i];

		for (unsigned int k = 0; k < i; k++) {
			if (!same_socket(guest, &conf->guests[k]))
				continue;
			report_value(
				report, guest_section(guest, section, sizeof(section)), "socket",
				guest->socket,
				"is the socket of [guest.%s] already; allowed: a socket per guest",
				conf->guests[k].name);
			break;
		}
	}
}

/**
 * own_ports() - No two guests wired to one port
 * @report:	Report
 * @conf:	Configuration
 */
static void own_ports(struct conf_report *report, const struct conf *conf)
{
	char section[64];

	for (unsigned int i = 1; i < conf->n_guests; i++) {
		const struct conf_guest *guest = &conf->guests[i];

		for (unsigned int k = 0; k < i; k++) {
			if (guest->wire == WIRE_REFUSED || guest->wire != conf->guests[k].wire)
				continue;
			report_value(report, guest_section(guest, section, sizeof(section)), "wire",
				     conf->ports[guest->wire].name,
				     "[guest.%s] is wired to that port already; allowed: a port "
				     "per guest",
				     conf->guests[k].name);
			break;
		}
	}
}

/**
 * enough_queues() - A port queue for each queue pair of the guest
 * @report:	Report
 * @conf:	Configuration
 */
static void enough_queues(struct conf_report *report, const struct conf *conf)
{
	char section[64], text[16];

	for (unsigned int i = 0; i < conf->n_guests; i++) {
		const struct conf_guest *guest = &conf->guests[i];
		const struct conf_port *port;

		if (guest->wire == WIRE_REFUSED)
			continue;
		port = &conf->ports[guest->wire];
		if (port->queues == 0 || guest->queues <= port->queues)
			continue;
		snprintf(text, sizeof(text), "%u", guest->queues);
		report_value(report, guest_section(guest, section, sizeof(section)), "queues", text,
			     "more queue pairs than [port.%s] has queues; allowed: a number from 1 "
			     "to %u",
			     port->name, port->queues);
	}
}

/**
 * same_device() - Whether two ports name one DPDK device
 * @a:	Port
 * @b:	Port
 */
static bool same_device(const struct conf_port *a, const struct conf_port *b)
{
	size_t length;

	if (!a->devargs || !b->devargs)
		return false;
	length = strcspn(a->devargs, ",");
	return length == strcspn(b->devargs, ",") && !memcmp(a->devargs, b->devargs, length);
}

/**
 * own_devices() - No two ports on one device
 * @report:	Report
 * @conf:	Configuration
 */
static void own_devices(struct conf_report *report, const struct conf *conf)
{
	char section[64];

	for (unsigned int i = 1; i < conf->n_ports; i++) {
		const struct conf_port *port = &conf->ports[i];

		for (unsigned int k = 0; k < i; k++) {
			if (!same_device(port, &conf->ports[k]))
				continue;
			snprintf(section, sizeof(section), "port.%s", port->name);
			report_value(
				report, section, "devargs", port->devargs,
				"is the device of [port.%s] already; allowed: a device per port, "
				"such as net_tap0 and net_tap1",
				conf->ports[k].name);
			break;
		}
	}
}

/**
 * cpus_of() - CPUs as a set
 * @cores:	CPUs
 * @ret_set:	Filled in
 */
static void cpus_of(const struct conf_cores *cores, cpu_set_t *ret_set)
{
	CPU_ZERO(ret_set);
	for (unsigned int i = 0; i < cores->n_cores; i++)
		CPU_SET(cores->cores[i], ret_set);
}

/**
 * polling_cores() - Guests pinned to CPUs that poll
 * @report:	Report
 * @conf:	Configuration
 */
static void polling_cores(struct conf_report *report, const struct conf *conf)
{
	char section[64], text[64], allowed[64];
	cpu_set_t polling, pinned, both;

	if (conf->pmd.n_cores == 0)
		return;
	cpus_of(&conf->pmd, &polling);
	for (unsigned int i = 0; i < conf->n_guests; i++) {
		const struct conf_guest *guest = &conf->guests[i];

		cpus_of(&guest->pin, &pinned);
		CPU_AND(&both, &polling, &pinned);
		if (CPU_EQUAL(&both, &pinned))
			continue;
		cpulist_format(&pinned, text, sizeof(text));
		cpulist_format(&polling, allowed, sizeof(allowed));
		report_value(report, guest_section(guest, section, sizeof(section)), "cores", text,
			     "not all of them are in [pmd] cores; allowed: any, or CPUs among %s",
			     allowed);
	}
}

static void (*const checks[])(struct conf_report *report, const struct conf *conf) = {
	something_to_do, own_sockets, own_ports, enough_queues, own_devices, polling_cores,
};

void check_all(struct conf_report *report, const struct conf *conf)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](report, conf);
}
