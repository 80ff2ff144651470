/* SPDX-License-Identifier: BSD-3-Clause */
/* table.h - The table of sections and keys, and the types its values have
 *
 * Theory of operation
 * ===================
 * conf_sections[] (keys.c) is the one place that knows what may stand in the
 * file.  A key names its type, and a type is two functions: one that turns
 * text into a member of struct conf, one that says what text it accepts.  So
 * every "allowed: ..." of an error is the same sentence as in the help and in
 * the man page, and a new kind of value is one new file.
 *
 * A default is text too and takes the same way in as a value from the file.
 *
 * Private to conf/.
 */
#ifndef VUNETD_CONF_TABLE_H
#define VUNETD_CONF_TABLE_H

#include "conf/conf.h"

#include <stddef.h>

struct conf_key;

/**
 * struct conf_value - A value on its way into struct conf
 * @key:	What it is the value of
 * @text:	As written, or the default
 * @conf:	All sections exist in it by name, so that values can refer to them
 * @why:	Set by conf_why() when the value is refused
 */
struct conf_value {
	const struct conf_key *key;
	const char *text;
	const struct conf *conf;
	char why[256];
};

/**
 * struct conf_type - A kind of value
 * @parse:	Fill in @dest, key->size bytes; 0 or what conf_why() returned
 * @allowed:	Print what @parse accepts, one phrase
 */
struct conf_type {
	int (*parse)(struct conf_value *value, void *dest);
	void (*allowed)(const struct conf_key *key, FILE *out);
};

/**
 * struct conf_key - One key of a section
 * @name:	As in the file
 * @type:	Kind of value
 * @offset:	Of the member, in struct conf, conf_port or conf_guest
 * @size:	Of the member
 * @min:	Least number or length accepted
 * @max:	Greatest number or length accepted
 * @choices:	For choices: words, in the order of the enum, then NULL
 * @def:	Default as text; NULL when the key must be given
 * @help:	One sentence
 */
struct conf_key {
	const char *name;
	const struct conf_type *type;
	size_t offset;
	size_t size;
	uint64_t min;
	uint64_t max;
	const char *const *choices;
	const char *def;
	const char *help;
};

/**
 * struct conf_section - One kind of section
 * @name:	As in the file, without .NAME
 * @named:	Given as [name.NAME], any number of times
 * @help:	One sentence
 * @keys:	Ends with a nameless one
 */
struct conf_section {
	const char *name;
	bool named;
	const char *help;
	const struct conf_key *keys;
};

/* Ends with a nameless one */
extern const struct conf_section conf_sections[];

extern const struct conf_type conf_type_text;
extern const struct conf_type conf_type_path;
extern const struct conf_type conf_type_number;
extern const struct conf_type conf_type_power_of_2;
extern const struct conf_type conf_type_mode;
extern const struct conf_type conf_type_choice;
extern const struct conf_type conf_type_flag;
extern const struct conf_type conf_type_cores;
extern const struct conf_type conf_type_pin;
extern const struct conf_type conf_type_owner;
extern const struct conf_type conf_type_group;
extern const struct conf_type conf_type_wire;

/**
 * conf_why() - Say why a value is refused
 * @value:	Value
 * @fmt:	Reason, completing "[section] key = value: "
 *
 * Return: -EINVAL, for the caller to return
 */
int conf_why(struct conf_value *value, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * conf_digits() - Read an unsigned number that is the whole text
 * @text:	Digits, nothing else: no sign, space, suffix or needless 0 in front
 * @ret_number:	The number
 *
 * Return: 0, -EINVAL for anything but such digits, -ERANGE beyond 64 bits
 */
int conf_digits(const char *text, uint64_t *ret_number);

#endif /* VUNETD_CONF_TABLE_H */
