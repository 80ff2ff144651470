/* SPDX-License-Identifier: BSD-3-Clause */
/* conf_test.h - Loading text as if it were a file, for the tests of conf/ */
#ifndef VUNETD_CONF_TEST_H
#define VUNETD_CONF_TEST_H

/* cmocka.h wants these in front of it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"

/* The least file that is accepted, for tests to add to */
#define PORT  "[port.uplink]\ndevargs = \"net_tap0,iface=vunet0\"\n"
#define GUEST "[guest.vm1]\nsocket = /run/vunetd/vm1.sock\nwire = uplink\n"

/**
 * struct loaded - What came of a text
 * @ret:	conf_load()'s
 * @conf:	Configuration or NULL
 * @errors:	What was reported
 * @path:	Name the file had
 */
struct loaded {
	int ret;
	struct conf *conf;
	char *errors;
	char path[32];
};

/**
 * load_path() - Load a file
 * @path:	File
 */
static inline struct loaded load_path(const char *path)
{
	struct loaded l = {0};
	size_t size;
	FILE *errors = open_memstream(&l.errors, &size);

	assert_non_null(errors);
	l.ret = conf_load(path, errors, &l.conf);
	fclose(errors);
	return l;
}

/**
 * load_bytes() - Load bytes as a file
 * @bytes:	Content
 * @size:	Of it
 */
static inline struct loaded load_bytes(const void *bytes, size_t size)
{
	char path[] = "/tmp/conf_test.XXXXXX";
	struct loaded l;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
	l = load_path(path);
	strcpy(l.path, path);
	unlink(path);
	return l;
}

/**
 * load_text() - Load text as a file
 * @text:	Content
 */
static inline struct loaded load_text(const char *text)
{
	return load_bytes(text, strlen(text));
}

/**
 * loaded_fini() - Free it all
 * @l:	From a load_ function
 */
static inline void loaded_fini(struct loaded *l)
{
	conf_free(l->conf);
	free(l->errors);
}

#endif /* VUNETD_CONF_TEST_H */
