/* SPDX-License-Identifier: BSD-3-Clause */
/* daemon.h - What the parts of the control side share
 *
 * Threads: control thread only; set up by main() in the order of the members
 * and taken down in the reverse.
 */
#ifndef VUNETD_DAEMON_H
#define VUNETD_DAEMON_H

#include <stdbool.h>

struct conf;
struct guest;
struct loop;
struct miss_queue;
struct passed;
struct pmd_set;
struct port;
struct topology;

/**
 * struct daemon - The running daemon
 * @conf:	Configuration
 * @loop:	Event loop
 * @passed:	Sockets that were opened before us, one for each guest
 * @lib_dir:	Directory of the library's private sockets
 * @ports:	conf->n_ports opened ports
 * @misses:	From PMD threads to the control thread
 * @pmds:	PMD threads
 * @topo:	Wires
 * @guests:	conf->n_guests guests
 * @over:	It is time to end: a signal, or the only front-end there can be has left
 */
struct daemon {
	const struct conf *conf;
	struct loop *loop;
	struct passed *passed;
	char *lib_dir;
	struct port *ports;
	struct miss_queue *misses;
	struct pmd_set *pmds;
	struct topology *topo;
	struct guest *guests;
	bool over;
};

#endif /* VUNETD_DAEMON_H */
