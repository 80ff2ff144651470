/* SPDX-License-Identifier: BSD-3-Clause */
/* test_keys.c - The table of keys and its projections */
#include "tests/unit/conf/conf_test.h"

#include "conf/table.h"

/* What a function prints, to be freed */
static char *printed(void (*print)(FILE *out))
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(out);
	fclose(out);
	return text;
}

/* Call with every key of the table */
#define for_each_key(kind, key)                                                   \
	for (const struct conf_section *kind = conf_sections; kind->name; kind++) \
		for (const struct conf_key *key = kind->keys; key->name; key++)

static void test_conf_sections_complete(void **state)
{
	(void)state;
	for_each_key(kind, key)
	{
		const char *end = key->help + strlen(key->help) - 1;

		assert_non_null(key->type->parse);
		assert_non_null(key->type->allowed);
		assert_true(key->size > 0);
		assert_true(key->help[0] >= 'A' && key->help[0] <= 'Z');
		assert_int_equal(*end, '.'); /* one sentence */
		assert_true(key->type != &conf_type_choice || key->choices);
	}
}

static void test_conf_sections_defaults_parse(void **state)
{
	struct conf conf = {0};

	(void)state;
	for_each_key(kind, key)
	{
		struct conf_value value = {.key = key, .text = key->def, .conf = &conf};
		union {
			char *text;
			char bytes[sizeof(struct conf)];
		} dest = {0};

		if (!key->def)
			continue;
		assert_true(key->size <= sizeof(dest));
		if (key->type->parse(&value, &dest))
			fail_msg("[%s] %s: default \"%s\": %s", kind->name, key->name, key->def,
				 value.why);
		if (key->type == &conf_type_text || key->type == &conf_type_path)
			free(dest.text);
	}
}

/* A type's range ends where it says: one less and one more are refused */
static void test_conf_sections_ranges(void **state)
{
	struct conf conf = {0};

	(void)state;
	for_each_key(kind, key)
	{
		const uint64_t edges[] = {key->min, key->max, key->min - 1, key->max + 1};

		if (key->type != &conf_type_number && key->type != &conf_type_power_of_2)
			continue;
		assert_true(key->min < key->max);
		assert_true(key->size >= 8 || key->max < UINT64_C(1) << (8 * key->size));
		for (int i = 0; i < 4; i++) {
			char text[32];
			uint32_t dest[2] = {0, 0};
			struct conf_value value = {.key = key, .text = text, .conf = &conf};

			snprintf(text, sizeof(text), "%llu", (unsigned long long)edges[i]);
			assert_int_equal(key->type->parse(&value, dest) == 0, i < 2);
			if (i < 2)
				assert_int_equal(dest[0], edges[i]);
		}
	}
}

static void test_conf_help_names_all(void **state)
{
	char *text = printed(conf_help);

	(void)state;
	for_each_key(kind, key)
	{
		char line[128];

		snprintf(line, sizeof(line), kind->named ? "[%s.NAME]" : "[%s]", kind->name);
		if (!strstr(text, line))
			fail_msg("--help-conf does not name %s", line);
		snprintf(line, sizeof(line), "\n    %s = ", key->name);
		if (!strstr(text, line))
			fail_msg("--help-conf does not name %s", key->name);
	}
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") < 80);
	free(text);
}

static void test_conf_man_names_all(void **state)
{
	char *text = printed(conf_man);

	(void)state;
	for_each_key(kind, key)
	{
		char line[128];

		snprintf(line, sizeof(line),
			 kind->named ? "\n.Ss The [%s.NAME] section\n" : ".Ss The [%s] section\n",
			 kind->name);
		if (!strstr(text, line))
			fail_msg("the man page does not name %s", kind->name);
		snprintf(line, sizeof(line), "\n.It Ic %s\n", key->name);
		if (!strstr(text, line))
			fail_msg("the man page does not name %s", key->name);
	}
	free(text);
}

static void test_conf_digits_random(void **state)
{
	(void)state;
	srand(3);
	for (int i = 0; i < 2000; i++) {
		uint64_t number =
			(((uint64_t)rand() << 33) ^ ((uint64_t)rand() << 11) ^ (uint64_t)rand()) >>
			(rand() % 64);
		uint64_t back = 0;
		char text[64];
		size_t at;

		snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
		assert_int_equal(conf_digits(text, &back), 0);
		assert_true(back == number);

		at = (size_t)rand() % strlen(text);
		text[at] = "abc .-+kx"[rand() % 9];
		assert_int_not_equal(conf_digits(text, &back), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_sections_complete),
		cmocka_unit_test(test_conf_sections_defaults_parse),
		cmocka_unit_test(test_conf_sections_ranges),
		cmocka_unit_test(test_conf_help_names_all),
		cmocka_unit_test(test_conf_man_names_all),
		cmocka_unit_test(test_conf_digits_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
