/* SPDX-License-Identifier: BSD-3-Clause */
/* passed.c - Sockets of guests that were opened before us */
#include "daemon/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <systemd/sd-daemon.h>

#include "daemon/channel.h"
#include "daemon/log.h"

#define N_CONNECTED 0
#define N_LISTENING 1

/**
 * is_stream() - Whether a descriptor is a unix stream socket
 * @fd:		Descriptor
 * @listening:	N_LISTENING or N_CONNECTED
 */
static bool is_stream(int fd, int listening)
{
	return sd_is_socket(fd, AF_UNIX, SOCK_STREAM, listening) > 0;
}

/**
 * unblock() - Make a socket as those we open ourselves
 * @fd:	Socket
 * Return: 0 or -errno
 */
static int unblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return -errno;
	return 0;
}

/**
 * guest_named() - The guest a descriptor's name stands for
 * @conf:	Configuration
 * @name:	FileDescriptorName=
 * Return: Its index, or n_guests
 */
static unsigned int guest_named(const struct conf *conf, const char *name)
{
	unsigned int i;

	for (i = 0; i < conf->n_guests && strcmp(conf->guests[i].name, name) != 0; i++)
		;
	return i;
}

/**
 * guest_bound() - The guest whose path a socket is bound to
 * @conf:	Configuration
 * @fd:		Socket
 * Return: Its index, or n_guests
 */
static unsigned int guest_bound(const struct conf *conf, int fd)
{
	unsigned int i;

	for (i = 0; i < conf->n_guests; i++)
		if (sd_is_socket_unix(fd, SOCK_STREAM, 1, conf->guests[i].socket, 0) > 0)
			break;
	return i;
}

/**
 * take() - Give one of the service manager's sockets to its guest
 * @conf:	Configuration
 * @passed:	By guest
 * @fd:		Descriptor; kept if it is taken
 * @name:	Its name
 * Return: 0, -EINVAL, logged, or -errno
 */
static int take(const struct conf *conf, struct passed *passed, int fd, const char *name) CTL_ONLY
{
	unsigned int i = guest_named(conf, name);
	int err;

	if (!is_stream(fd, N_LISTENING)) {
		log_err("passed socket \"%s\": not a listening unix stream socket", name);
		return -EINVAL;
	}
	if (i == conf->n_guests)
		i = guest_bound(conf, fd);
	if (i == conf->n_guests) {
		log_err("passed socket \"%s\": no guest has this name, or its socket at that path "
			"(FileDescriptorName= is to be NAME of a [guest.NAME])",
			name);
		return -EINVAL;
	}
	if (conf->guests[i].mode == CONF_SOCKET_CLIENT || passed[i].fd >= 0) {
		log_err("passed socket \"%s\": guest %s %s", name, conf->guests[i].name,
			passed[i].fd >= 0 ? "was passed another one" : "is in client mode");
		return -EINVAL;
	}
	err = unblock(fd);
	if (!err)
		passed[i].fd = fd;
	return err;
}

int passed_new(const struct conf *conf, struct passed **ret_passed)
{
	struct passed *passed = calloc(conf->n_guests, sizeof(*passed));
	char **names = NULL;
	int n, err = 0;

	if (!passed)
		return -ENOMEM;
	for (unsigned int i = 0; i < conf->n_guests; i++)
		passed[i].fd = -1;
	n = sd_listen_fds_with_names(true, &names);
	if (n < 0)
		err = n;
	for (int i = 0; i < n; i++) {
		int refused = take(conf, passed, SD_LISTEN_FDS_START + i, names[i]);

		if (refused)
			vu_close_fd(SD_LISTEN_FDS_START + i);
		err = err ? err : refused;
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (err)
		passed_free(passed, conf->n_guests);
	else
		*ret_passed = passed;
	return err;
}

int passed_add(struct passed *passed, int fd)
{
	bool listening = is_stream(fd, N_LISTENING);
	int err;

	if (!listening && !is_stream(fd, N_CONNECTED)) {
		log_err("--fd=%d: not a unix stream socket", fd);
		return -EINVAL;
	}
	err = unblock(fd);
	if (!err)
		*passed = (struct passed){.fd = fd, .connected = !listening};
	return err;
}

void passed_free(struct passed *passed, unsigned int n)
{
	for (unsigned int i = 0; passed && i < n; i++)
		if (passed[i].fd >= 0)
			vu_close_fd(passed[i].fd);
	free(passed);
}
