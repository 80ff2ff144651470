/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_conf.c - Any text as a configuration
 *
 * The input is the file.  Covers conf/ from scan_file() to check_all(), and
 * iniparser underneath it: nothing may be read or written out of bounds, leaked,
 * or accepted and refused at once.
 */
#include "tests/fuzz/input.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"

static char path[32];
static FILE *errors;
static int file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	file = memfd_create("conf", MFD_CLOEXEC);
	FUZZ_CHECK(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	errors = fopen("/dev/null", "we");
	FUZZ_CHECK(errors);
	return 0;
}

/**
 * look() - See that what was accepted is within what conf.h promises
 * @conf:	Configuration
 */
static void look(const struct conf *conf)
{
	FUZZ_CHECK(conf->pmd.n_cores >= 1 && conf->pmd.n_cores <= CONF_CORES_MAX);
	FUZZ_CHECK(conf->n_ports >= 1 && conf->n_ports <= CONF_PORTS_MAX);
	FUZZ_CHECK(conf->n_guests <= CONF_GUESTS_MAX);
	for (unsigned int i = 0; i < conf->n_ports; i++)
		FUZZ_CHECK(conf->ports[i].devargs && conf->ports[i].queues >= 1 &&
			   conf->ports[i].queues <= CONF_QUEUES_MAX);
	for (unsigned int i = 0; i < conf->n_guests; i++) {
		const struct conf_guest *guest = &conf->guests[i];

		FUZZ_CHECK(guest->wire < conf->n_ports);
		FUZZ_CHECK(guest->queues >= 1 && guest->queues <= conf->ports[guest->wire].queues);
		FUZZ_CHECK(strlen(guest->socket) <= CONF_SOCKET_MAX);
		FUZZ_CHECK(guest->pin.n_cores <= conf->pmd.n_cores);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *conf = NULL;
	int err;

	FUZZ_CHECK(!ftruncate(file, 0));
	FUZZ_CHECK(pwrite(file, data, size, 0) == (ssize_t)size);
	err = conf_load(path, errors, &conf);
	FUZZ_CHECK(err == 0 || err == -EINVAL);
	FUZZ_CHECK(!err == !!conf);
	if (conf)
		look(conf);
	conf_free(conf);
	return 0;
}
