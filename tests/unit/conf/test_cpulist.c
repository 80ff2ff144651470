/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cpulist.c - CPU numbers as "1,3-5" */
#include "tests/unit/conf/conf_test.h"

#include "conf/cpulist.h"

#include <errno.h>

static void test_cpulist_parse_good(void **state)
{
	cpu_set_t set;

	(void)state;
	assert_int_equal(cpulist_parse("1,3-5", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 4);
	assert_true(CPU_ISSET(1, &set) && CPU_ISSET(3, &set) && CPU_ISSET(5, &set));
	assert_false(CPU_ISSET(2, &set));
	assert_int_equal(cpulist_parse(" 7 , 0 ", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 2);
	assert_int_equal(cpulist_parse("1023", &set), 0);
	assert_int_equal(cpulist_parse("4-4", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 1);
}

static void test_cpulist_parse_bad(void **state)
{
	static const char *const rubbish[] = {"",   " ",   ",",	    "1,",  ",1",  "1,,2",
					      "1-", "-1",  "1--2",  "2-1", "1 2", "a",
					      "1a", "0x1", "1-2-3", "1;2"};
	cpu_set_t set;

	(void)state;
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++)
		if (cpulist_parse(rubbish[i], &set) != -EINVAL)
			fail_msg("\"%s\"", rubbish[i]);
	assert_int_equal(cpulist_parse("1024", &set), -ERANGE);
	assert_int_equal(cpulist_parse("0-1024", &set), -ERANGE);
	assert_int_equal(cpulist_parse("18446744073709551617", &set), -ERANGE); /* 2^64 + 1 */
	assert_int_equal(cpulist_parse("1,1", &set), -EEXIST);
	assert_int_equal(cpulist_parse("1-3,2", &set), -EEXIST);
}

static void test_cpulist_format_reads_back(void **state)
{
	char text[8192];

	(void)state;
	srand(2);
	for (int i = 0; i < 500; i++) {
		cpu_set_t set, back;
		int density = 1 + rand() % 20;

		CPU_ZERO(&set);
		CPU_SET(rand() % CPU_SETSIZE, &set);
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (rand() % density == 0)
				CPU_SET(cpu, &set);
		cpulist_format(&set, text, sizeof(text));
		assert_int_equal(cpulist_parse(text, &back), 0);
		assert_true(CPU_EQUAL(&set, &back));
	}
}

static void test_cpulist_format_small_buffer(void **state)
{
	cpu_set_t set;
	char text[64];

	(void)state;
	CPU_ZERO(&set);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu += 2)
		CPU_SET(cpu, &set);
	for (size_t size = 8; size < sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		cpulist_format(&set, text, size);
		assert_true(strlen(text) < size);
		assert_string_equal(text + strlen(text) - 3, "...");
	}
}

static void test_cpulist_reach_is_pinnable(void **state)
{
	cpu_set_t before, reach, after;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(cpulist_reach(&reach), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
	assert_true(CPU_COUNT(&reach) >= CPU_COUNT(&before));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t one;

		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (CPU_ISSET(cpu, &reach))
			assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpulist_parse_good),
		cmocka_unit_test(test_cpulist_parse_bad),
		cmocka_unit_test(test_cpulist_format_reads_back),
		cmocka_unit_test(test_cpulist_format_small_buffer),
		cmocka_unit_test(test_cpulist_reach_is_pinnable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
