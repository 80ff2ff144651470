/* SPDX-License-Identifier: BSD-3-Clause */
/* listen.c - The unix socket a front-end connects to, or is connected at */
#include "daemon/listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/**
 * address() - A path as a socket address
 * @path:	Path
 * @ret_un:	Filled in
 * Return: 0 or -ENAMETOOLONG
 */
static int address(const char *path, struct sockaddr_un *ret_un)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, strlen(path) + 1);
	*ret_un = un;
	return 0;
}

int listen_connect(const struct conf_guest *conf, int *ret_fd)
{
	struct sockaddr_un un;
	int err = address(conf->socket, &un);
	int fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un))) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/**
 * remove_stale() - Remove a socket that nobody serves any more
 * @conf:	Guest's section
 * Return: 0, -EADDRINUSE, -EEXIST or -errno
 */
static int remove_stale(const struct conf_guest *conf) CTL_ONLY
{
	struct stat st;
	int fd = -1, err;

	if (lstat(conf->socket, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	err = listen_connect(conf, &fd);
	if (!err)
		close(fd);
	if (!err || err == -EAGAIN)
		return -EADDRINUSE;
	if (err == -EPROTOTYPE) /* of another type, /dev/log for example */
		return -EEXIST;
	if (err != -ECONNREFUSED)
		return err;
	return unlink(conf->socket) ? -errno : 0;
}

/**
 * bind_private() - Bind with no permission for anyone but us
 * @fd:		Socket
 * @conf:	Guest's section
 * Return: 0 or -errno
 */
static int bind_private(int fd, const struct conf_guest *conf)
{
	struct sockaddr_un un;
	int err = address(conf->socket, &un);
	mode_t old;

	if (err)
		return err;
	old = umask(0177);
	err = bind(fd, (const struct sockaddr *)&un, sizeof(un)) ? -errno : 0;
	umask(old);
	return err;
}

int listen_open(const struct conf_guest *conf, int *ret_fd)
{
	int err = remove_stale(conf);
	int fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = bind_private(fd, conf);
	if (err)
		goto close_fd;
	/* Permissions first: once it is another's, changing them takes a privilege more */
	if (chmod(conf->socket, conf->perm) ||
	    ((conf->owner != (uid_t)-1 || conf->group != (gid_t)-1) &&
	     lchown(conf->socket, conf->owner, conf->group)) ||
	    listen(fd, 1)) {
		err = -errno;
		goto remove;
	}
	*ret_fd = fd;
	return 0;

remove:
	(void)unlink(conf->socket);
close_fd:
	close(fd);
	return err;
}
