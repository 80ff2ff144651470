/* SPDX-License-Identifier: BSD-3-Clause */
/* single.c - A configuration for one guest whose socket is on the command line */
#include "conf/single.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * For any host: a TAP device named by the kernel, which an administrator adds to
 * a bridge; and a thread that sleeps when there is nothing to do, as several
 * daemons started like this poll on the same CPU.
 */
static const char builtin[] = "[pmd]\n"
			      "idle_sleep_us = 50\n"
			      "[port.tap]\n"
			      "devargs = \"net_tap0,iface=vunet%d\"\n"
			      "[guest.guest]\n"
			      "socket = /dev/null\n"
			      "viommu = yes\n"
			      "wire = tap\n";

/**
 * load_builtin() - Load the text above as if it were a file
 * @errors:	Used when there is no room for it
 * @ret_conf:	Owned by the caller
 *
 * Return: 0 or -errno
 */
static int load_builtin(FILE *errors, struct conf **ret_conf)
{
	int fd = memfd_create("vunetd.conf", MFD_CLOEXEC), err = -EIO;
	char path[64];

	if (fd < 0) {
		fprintf(errors, "built-in configuration: %s\n", strerror(errno));
		return -EMFILE;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, builtin, strlen(builtin)) == (ssize_t)strlen(builtin))
		err = conf_load(path, errors, ret_conf);
	close(fd);
	if (err)
		return err;
	free((*ret_conf)->file);
	(*ret_conf)->file = strdup("built-in configuration");
	if ((*ret_conf)->file)
		return 0;
	conf_free(*ret_conf);
	return -ENOMEM;
}

/**
 * put_socket() - Set the only guest's socket
 * @conf:	Configuration
 * @socket:	Path
 * @errors:	For what is wrong
 *
 * Return: 0, -EINVAL or -ENOMEM
 */
static int put_socket(struct conf *conf, const char *socket, FILE *errors)
{
	struct conf_guest *guest = conf->guests;

	if (conf->n_guests != 1) {
		fprintf(errors,
			"%s: %u [guest.NAME] sections; allowed with a socket on the command line: "
			"1\n",
			conf->file, conf->n_guests);
		return -EINVAL;
	}
	if (!*socket || strlen(socket) > CONF_SOCKET_MAX) {
		fprintf(errors, "vunetd: --socket-path=%s: allowed: a path of 1 to %d bytes\n",
			socket, CONF_SOCKET_MAX);
		return -EINVAL;
	}
	free(guest->socket);
	guest->socket = strdup(socket);
	guest->mode = CONF_SOCKET_SERVER;
	return guest->socket ? 0 : -ENOMEM;
}

int conf_single(const char *path, const char *socket, FILE *errors, struct conf **ret_conf)
{
	struct conf *conf;
	int err = path ? conf_load(path, errors, &conf) : load_builtin(errors, &conf);

	if (err)
		return err;
	err = put_socket(conf, socket, errors);
	if (err)
		conf_free(conf);
	else
		*ret_conf = conf;
	return err;
}
