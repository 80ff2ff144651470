/* SPDX-License-Identifier: BSD-3-Clause */
/* test_examples.c - The shipped configuration files are accepted
 *
 * Run from the top of the tree.  The one thing this machine may lack is the CPUs
 * a file names, so those are only read, not looked for.
 */
#include "tests/unit/conf/conf_test.h"

#include "conf/cpulist.h"

#include <glob.h>

/* A file with its "cores = ..." checked and commented out */
static char *without_cores(const char *path)
{
	FILE *in = fopen(path, "re");
	char *text, *line = NULL;
	size_t size, room = 0;
	FILE *out = open_memstream(&text, &size);

	if (!in)
		fail_msg("cannot open %s", path);
	while (getline(&line, &room, in) >= 0) {
		if (!strncmp(line, "cores = ", 8)) {
			cpu_set_t set;

			line[strcspn(line, "\n")] = '\0';
			if (cpulist_parse(line + 8, &set))
				fail_msg("%s: %s", path, line);
			fprintf(out, "#%s\n", line);
		} else {
			fputs(line, out);
		}
	}
	free(line);
	fclose(in);
	fclose(out);
	return text;
}

static void accept_file(const char *path)
{
	char *text = without_cores(path);
	struct loaded l = load_text(text);

	if (l.ret)
		fail_msg("%s is refused:\n%s", path, l.errors);
	loaded_fini(&l);
	free(text);
}

/* Uncomment every "#key = value" of a text */
static char *uncommented(const char *text)
{
	char *out = strdup(text);

	for (char *c = out; c; c = strchr(c, '\n') ? strchr(c, '\n') + 1 : NULL)
		if (c[0] == '#' && c[1] >= 'a' && c[1] <= 'z')
			c[0] = ' ';
	return out;
}

static void test_conf_load_shipped_default(void **state)
{
	struct loaded l = load_path("conf/vunetd.conf");

	(void)state;
	if (l.ret)
		fail_msg("refused:\n%s", l.errors);
	assert_int_equal(l.conf->n_ports, 1);
	assert_int_equal(l.conf->n_guests, 1);
	assert_true(l.conf->guests[0].viommu);
	loaded_fini(&l);
}

/* What the default shows commented out is right and is the default */
static void test_conf_load_shipped_comments(void **state)
{
	char *text = without_cores("conf/vunetd.conf");
	char *all = uncommented(text);
	struct loaded as_is = load_text(text), shown = load_text(all);

	(void)state;
	if (shown.ret)
		fail_msg("refused:\n%s", shown.errors);
	assert_string_equal(shown.conf->dpdk.args, "-a 0000:01:00.0"); /* the one "for example" */
	assert_int_equal(shown.conf->dpdk.hugepages, as_is.conf->dpdk.hugepages);
	assert_int_equal(shown.conf->dpdk.memory_mb, as_is.conf->dpdk.memory_mb);
	assert_memory_equal(&shown.conf->pmd, &as_is.conf->pmd, sizeof(as_is.conf->pmd));
	assert_memory_equal(&shown.conf->iotlb, &as_is.conf->iotlb, sizeof(as_is.conf->iotlb));
	assert_memory_equal(&shown.conf->log, &as_is.conf->log, sizeof(as_is.conf->log));
	assert_int_equal(shown.conf->ports[0].queues, as_is.conf->ports[0].queues);
	assert_int_equal(shown.conf->ports[0].descriptors, as_is.conf->ports[0].descriptors);
	assert_int_equal(shown.conf->ports[0].mtu, as_is.conf->ports[0].mtu);
	assert_int_equal(shown.conf->ports[0].promiscuous, as_is.conf->ports[0].promiscuous);
	assert_int_equal(shown.conf->guests[0].mode, as_is.conf->guests[0].mode);
	assert_int_equal(shown.conf->guests[0].owner, as_is.conf->guests[0].owner);
	assert_int_equal(shown.conf->guests[0].group, as_is.conf->guests[0].group);
	assert_int_equal(shown.conf->guests[0].perm, as_is.conf->guests[0].perm);
	assert_int_equal(shown.conf->guests[0].queues, as_is.conf->guests[0].queues);
	loaded_fini(&as_is);
	loaded_fini(&shown);
	free(all);
	free(text);
}

static void test_conf_load_shipped_examples(void **state)
{
	glob_t found;

	(void)state;
	assert_int_equal(glob("conf/examples/*.conf", 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 3);
	for (size_t i = 0; i < found.gl_pathc; i++)
		accept_file(found.gl_pathv[i]);
	globfree(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_load_shipped_default),
		cmocka_unit_test(test_conf_load_shipped_comments),
		cmocka_unit_test(test_conf_load_shipped_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
