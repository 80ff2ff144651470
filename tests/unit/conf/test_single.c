/* SPDX-License-Identifier: BSD-3-Clause */
/* test_single.c - A configuration for one guest whose socket is on the command line */
#include "tests/unit/conf/conf_test.h"

#include <errno.h>

#include "conf/single.h"

#define SOCKET "/run/other.sock"

/* conf_single() of a text, or of the built-in one for NULL */
static struct loaded single(const char *text, const char *socket)
{
	char path[] = "/tmp/conf_test.XXXXXX";
	struct loaded l = {0};
	size_t size;
	FILE *errors = open_memstream(&l.errors, &size);

	assert_non_null(errors);
	if (text) {
		int fd = mkstemp(path);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, text, strlen(text)), strlen(text));
		close(fd);
	}
	l.ret = conf_single(text ? path : NULL, socket, errors, &l.conf);
	fclose(errors);
	if (text)
		unlink(path);
	return l;
}

static void test_builtin_serves_a_guest(void **state)
{
	struct loaded l = single(NULL, SOCKET);

	(void)state;
	assert_int_equal(l.ret, 0);
	assert_string_equal(l.errors, "");
	assert_string_equal(l.conf->file, "built-in configuration");
	assert_int_equal(l.conf->n_guests, 1);
	assert_int_equal(l.conf->n_ports, 1);
	assert_string_equal(l.conf->guests[0].socket, SOCKET);
	assert_int_equal(l.conf->guests[0].mode, CONF_SOCKET_SERVER);
	assert_true(l.conf->guests[0].viommu);
	/* Several poll on one CPU */
	assert_int_not_equal(l.conf->pmd_idle_sleep_us, 0);
	loaded_fini(&l);
}

static void test_file_keeps_all_but_the_socket(void **state)
{
	struct loaded l = single(PORT GUEST "mode = client\nqueues = 1\ngro = no\n", SOCKET);

	(void)state;
	assert_int_equal(l.ret, 0);
	assert_string_equal(l.conf->guests[0].name, "vm1");
	assert_string_equal(l.conf->guests[0].socket, SOCKET);
	assert_int_equal(l.conf->guests[0].mode, CONF_SOCKET_SERVER);
	assert_false(l.conf->guests[0].gro);
	loaded_fini(&l);
}

/* Refused, in these words */
static void refused(const char *text, const char *socket, const char *word)
{
	struct loaded l = single(text, socket);

	assert_int_equal(l.ret, -EINVAL);
	assert_null(l.conf);
	if (!strstr(l.errors, word))
		fail_msg("no \"%s\" in:\n%s", word, l.errors);
	loaded_fini(&l);
}

static void test_more_guests_are_refused(void **state)
{
	(void)state;
	refused(PORT "[port.second]\ndevargs = \"net_tap1\"\n" GUEST
		     "[guest.vm2]\nsocket = /run/vm2\nwire = second\n",
		SOCKET, "2 [guest.NAME] sections; allowed with a socket on the command line: 1");
}

static void test_paths_have_bounds(void **state)
{
	char path[CONF_SOCKET_MAX + 2] = "/";
	struct loaded l;

	(void)state;
	memset(path + 1, 'x', CONF_SOCKET_MAX - 1);
	l = single(NULL, path);
	assert_int_equal(l.ret, 0);
	loaded_fini(&l);
	path[CONF_SOCKET_MAX] = 'x';
	refused(NULL, path, "--socket-path=/x");
	refused(NULL, "", "allowed: a path of 1 to 100 bytes");
}

static void test_errors_of_a_file_are_its_own(void **state)
{
	(void)state;
	refused(PORT GUEST "queues = 0\n", SOCKET, "queues");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builtin_serves_a_guest),
		cmocka_unit_test(test_file_keeps_all_but_the_socket),
		cmocka_unit_test(test_more_guests_are_refused),
		cmocka_unit_test(test_paths_have_bounds),
		cmocka_unit_test(test_errors_of_a_file_are_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
