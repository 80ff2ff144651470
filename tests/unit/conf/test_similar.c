/* SPDX-License-Identifier: BSD-3-Clause */
/* test_similar.c - "Did you mean" */
#include "tests/unit/conf/conf_test.h"

#include "conf/similar.h"

/* What is suggested for a word out of two candidates */
static const char *suggest(const char *word, const char *a, const char *b)
{
	struct similar search = similar_to(word);

	similar_try(&search, a);
	similar_try(&search, b);
	return search.best;
}

static void test_similar_try_slips(void **state)
{
	(void)state;
	assert_string_equal(suggest("croes", "devargs", "cores"), "cores"); /* swapped */
	assert_string_equal(suggest("core", "cores", "mode"), "cores");	    /* missing */
	assert_string_equal(suggest("mtuu", "mtu", "mode"), "mtu");	    /* one more */
	assert_string_equal(suggest("miss_retires", "miss_retries", "miss_timeout_ms"),
			    "miss_retries");
	assert_string_equal(suggest("QUEUE", "queues", "quotes"), "queues"); /* case aside */
}

static void test_similar_try_no_guess(void **state)
{
	(void)state;
	assert_null(suggest("speed", "devargs", "mtu"));
	assert_null(suggest("", "mode", "mtu"));
	assert_null(suggest("ab", "cd", "xy"));
}

static void test_similar_try_long_words(void **state)
{
	char word[200];

	(void)state;
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(suggest(word, word, "mtu")); /* too long to be looked at, and no overflow */
	word[48] = '\0';
	assert_string_equal(suggest(word, "mtu", word), word);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_similar_try_slips),
		cmocka_unit_test(test_similar_try_no_guess),
		cmocka_unit_test(test_similar_try_long_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
