/* SPDX-License-Identifier: BSD-3-Clause */
/* test_placement.c - The least loaded thread that may take it, and no other */
#include "tests/unit/daemon/daemon_test.h"

#include "daemon/placement.h"

static const struct conf_cores cores = {.cores = {2, 5, 7}, .n_cores = 3};

static void test_least_loaded(void **state)
{
	struct placement p;

	(void)state;
	thread_role_assume(&ctl_role);
	placement_clear(&p, &cores);
	assert_int_equal(placement_choose(&p, NULL, 1), 1);
	p.load[1] = 1;
	assert_int_equal(placement_choose(&p, NULL, 1), 0);
	p.load[0] = 2;
	p.load[2] = 1;
	assert_int_equal(placement_choose(&p, NULL, 0), 1);
	/* Not worth moving for nothing */
	assert_int_equal(placement_choose(&p, NULL, 2), 2);
}

static void test_pin(void **state)
{
	const struct conf_cores one = {.cores = {7}, .n_cores = 1};
	const struct conf_cores two = {.cores = {5, 7}, .n_cores = 2};
	struct placement p;

	(void)state;
	thread_role_assume(&ctl_role);
	placement_clear(&p, &cores);
	p.load[2] = PLACEMENT_FULL;
	assert_int_equal(placement_choose(&p, &one, 0), 2);
	assert_int_equal(placement_choose(&p, &two, 0), 1);
	p.load[1] = PLACEMENT_FULL + 1;
	assert_int_equal(placement_choose(&p, &two, 0), 2);
}

static void test_share(void **state)
{
	struct share s = {0};

	(void)state;
	thread_role_assume(&ctl_role);
	/* Nothing to compare with yet */
	share_look(&s, 123, 1000);
	assert_int_equal(s.load, 0);
	share_look(&s, 123 + 250, 2000);
	assert_int_equal(s.load, PLACEMENT_FULL / 4);
	share_look(&s, 123 + 250, 3000);
	assert_int_equal(s.load, 0);
	/* No time has passed: what was measured stays */
	share_look(&s, 123 + 1250, 4000);
	share_look(&s, 123 + 1250, 4000);
	assert_int_equal(s.load, PLACEMENT_FULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least_loaded),
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
