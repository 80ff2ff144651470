/* SPDX-License-Identifier: BSD-3-Clause */
/* number.c - Values that are numbers
 *
 * iniparser's own iniparser_getint() reads "12abc" as 12, "64k" as 64 and
 * "010" as 8.  Here a number is its digits and nothing else.
 */
#include "conf/table.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int conf_digits(const char *text, uint64_t *ret_number)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || text[digits] != '\0')
		return -EINVAL;
	if (text[0] == '0' && digits > 1) /* octal to some, decimal to others */
		return -EINVAL;

	errno = 0;
	unsigned long long number = strtoull(text, NULL, 10);
	if (errno)
		return -ERANGE;
	*ret_number = number;
	return 0;
}

/**
 * store() - Put a checked number into a member of its size
 * @number:	Fits, because the key's range does
 * @dest:	Member
 * @size:	Its size, 2 or 4
 */
static void store(uint64_t number, void *dest, size_t size)
{
	assert(size == sizeof(uint16_t) || size == sizeof(uint32_t));
	if (size == sizeof(uint16_t))
		*(uint16_t *)dest = (uint16_t)number;
	else
		*(uint32_t *)dest = (uint32_t)number;
}

/**
 * ranged() - Read a number and hold it against the key's range
 * @value:	Value
 * @ret_number:	The number
 *
 * Return: 0 or -EINVAL
 */
static int ranged(struct conf_value *value, uint64_t *ret_number)
{
	uint64_t number = 0;

	switch (conf_digits(value->text, &number)) {
	case 0:
		break;
	case -ERANGE:
		return conf_why(value, "out of range");
	default:
		return conf_why(value, "not a plain decimal number");
	}
	if (number < value->key->min || number > value->key->max)
		return conf_why(value, "out of range");
	*ret_number = number;
	return 0;
}

/**
 * number_parse() - conf_type_number: a whole number in the key's range
 * @value:	Value
 * @dest:	uint16_t or uint32_t
 */
static int number_parse(struct conf_value *value, void *dest)
{
	uint64_t number = 0;

	if (ranged(value, &number))
		return -EINVAL;
	store(number, dest, value->key->size);
	return 0;
}

/**
 * number_allowed() - What number_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void number_allowed(const struct conf_key *key, FILE *out)
{
	fprintf(out, "a number from %" PRIu64 " to %" PRIu64, key->min, key->max);
}

const struct conf_type conf_type_number = {number_parse, number_allowed};

/**
 * power_of_2_parse() - conf_type_power_of_2: such a number in the key's range
 * @value:	Value
 * @dest:	uint16_t or uint32_t
 */
static int power_of_2_parse(struct conf_value *value, void *dest)
{
	uint64_t number = 0;

	if (ranged(value, &number))
		return -EINVAL;
	if (number & (number - 1))
		return conf_why(value, "not a power of 2");
	store(number, dest, value->key->size);
	return 0;
}

/**
 * power_of_2_allowed() - What power_of_2_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void power_of_2_allowed(const struct conf_key *key, FILE *out)
{
	fprintf(out, "a power of 2 from %" PRIu64 " to %" PRIu64, key->min, key->max);
}

const struct conf_type conf_type_power_of_2 = {power_of_2_parse, power_of_2_allowed};

/**
 * mode_parse() - conf_type_mode: a file mode in octal
 * @value:	Value
 * @dest:	mode_t
 */
static int mode_parse(struct conf_value *value, void *dest)
{
	size_t digits = strspn(value->text, "01234567");

	if (digits < 3 || digits > 4 || value->text[digits] != '\0')
		return conf_why(value, "not a file mode of three or four octal digits");

	unsigned long mode = strtoul(value->text, NULL, 8);
	if (mode > value->key->max)
		return conf_why(value, "a socket has no set-id or sticky bits");
	*(mode_t *)dest = (mode_t)mode;
	return 0;
}

/**
 * mode_allowed() - What mode_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void mode_allowed(const struct conf_key *key, FILE *out)
{
	fprintf(out, "an octal file mode from 0000 to %04" PRIo64, key->max);
}

const struct conf_type conf_type_mode = {mode_parse, mode_allowed};
