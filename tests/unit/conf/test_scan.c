/* SPDX-License-Identifier: BSD-3-Clause */
/* test_scan.c - The scan reads a file as iniparser does
 *
 * Random texts made of the characters that matter to either.  Where the scan
 * has no complaint, iniparser must load the file and find exactly the same keys:
 * nothing merged, cut, joined or lost.
 */
#include "tests/unit/conf/conf_test.h"

#include "conf/report.h"
#include "conf/scan.h"

#include <iniparser/iniparser.h>

#define TEXTS 3000

/* Pieces rather than characters, or hardly a line would be right */
static const char *const pieces[] = {
	"[a]\n",
	"[B]\n",
	"[port.x]\n",
	"[",
	"]",
	"k = 1\n",
	"K=2\n",
	"j = \"a b\"\n",
	"=",
	"\"",
	"'",
	"#",
	";",
	"\\",
	"\n",
	"\n",
	" ",
	"\t",
	"x",
	"y = ",
	"z=''\n",
	"q = a;b\n",
	"q = a ;b\n",
	"\r\n",
	"r = \"#;\" # c\n",
	"# c\n",
	" [c] \n",
	"s = '\"'\n",
	"[d]#\n",
};

static int quiet(const char *fmt, ...)
{
	(void)fmt;
	return 0;
}

/* Both looked at the file and the scan is content */
static void compare(const struct scan *scan, const dictionary *dict, const char *text)
{
	int keys = 0;

	for (size_t i = 0; i < scan->n; i++) {
		const struct scan_entry *e = &scan->entries[i];
		char path[256];

		snprintf(path, sizeof(path), "%s%s%s", e->section, e->key ? ":" : "",
			 e->key ? e->key : "");
		keys++;
		if (!iniparser_find_entry(dict, path))
			fail_msg("iniparser does not know %s of:\n%s", path, text);
	}
	if (keys != dict->n)
		fail_msg("iniparser knows %d keys, not %d, of:\n%s", dict->n, keys, text);
}

static void test_scan_agrees_with_iniparser(void **state)
{
	char path[] = "/tmp/scan_test.XXXXXX";
	int fd = mkstemp(path);
	unsigned int compared = 0;
	FILE *sink = fopen("/dev/null", "w");

	(void)state;
	assert_true(fd >= 0);
	assert_non_null(sink);
	iniparser_set_error_callback(quiet);
	srand(1);
	for (int i = 0; i < TEXTS; i++) {
		char text[512] = "";
		struct conf_report report = {.out = sink, .file = path};
		struct scan scan = {0};
		int n = 1 + rand() % 12;

		while (n--)
			strcat(text, pieces[(size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]))]);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
		assert_int_equal(scan_file(path, &report, &scan), 0);
		if (report.n == 0) {
			dictionary *dict = iniparser_load(path);

			if (!dict)
				fail_msg("iniparser refuses:\n%s", text);
			compare(&scan, dict, text);
			iniparser_freedict(dict);
			compared++;
		}
		scan_fini(&scan);
	}
	iniparser_set_error_callback(NULL);
	fclose(sink);
	close(fd);
	unlink(path);
	assert_true(compared > TEXTS / 20); /* or the test compares nothing */
}

static void test_scan_find_lines(void **state)
{
	char path[] = "/tmp/scan_test.XXXXXX";
	static const char text[] = "# 1\n[A]\n\nK = 1\n[b]\nk = 2\n";
	struct conf_report report = {.out = stderr, .file = path};
	struct scan scan;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(scan_file(path, &report, &scan), 0);
	unlink(path);
	assert_int_equal(report.n, 0);
	assert_int_equal(scan.n, 4);
	assert_int_equal(scan_find(&scan, "a", NULL)->line, 2);
	assert_int_equal(scan_find(&scan, "a", "k")->line, 4);
	assert_int_equal(scan_find(&scan, "b", "k")->line, 6);
	assert_null(scan_find(&scan, "b", "j"));
	assert_null(scan_find(&scan, "c", NULL));
	scan_fini(&scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan_agrees_with_iniparser),
		cmocka_unit_test(test_scan_find_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
