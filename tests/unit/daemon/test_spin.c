/* SPDX-License-Identifier: BSD-3-Clause */
/* test_spin.c - When the control thread looks for more before it sleeps */
#include "tests/unit/daemon/daemon_test.h"

#include "daemon/spin.h"

#define LIMIT_NS 50000

/* Work @n times, @gap_ns apart; return the time of the last */
static uint64_t work(struct spin *spin, unsigned int n, uint64_t gap_ns)
{
	uint64_t now = spin->last_ns;

	while (n--) {
		now += gap_ns;
		spin_worked(spin, now);
	}
	return now;
}

static void test_spin_needs_quick_messages(void **state)
{
	struct spin spin = {.limit_ns = LIMIT_NS};
	uint64_t now;

	(void)state;
	assert_false(spin_on(&spin, 0));
	/* One now and then is nothing to wait for */
	now = work(&spin, 1000, LIMIT_NS);
	assert_false(spin_on(&spin, now));
	/* Neither are two in a row */
	now = work(&spin, 2, LIMIT_NS - 1);
	assert_false(spin_on(&spin, now));
	now = work(&spin, 100, LIMIT_NS - 1);
	assert_true(spin_on(&spin, now));
	/* It ends when nothing comes */
	assert_true(spin_on(&spin, now + LIMIT_NS - 1));
	assert_false(spin_on(&spin, now + LIMIT_NS));
	/* One long time is forgiven, many are not */
	now = work(&spin, 1, 10 * LIMIT_NS);
	assert_true(spin_on(&spin, now));
	now = work(&spin, 20, 10 * LIMIT_NS);
	assert_false(spin_on(&spin, now));
}

static void test_spin_never(void **state)
{
	struct spin spin = {.limit_ns = 0};

	(void)state;
	assert_false(spin_on(&spin, work(&spin, 1000, 1)));
	assert_false(spin_on(&spin, work(&spin, 1000, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spin_needs_quick_messages),
		cmocka_unit_test(test_spin_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
