/* SPDX-License-Identifier: BSD-3-Clause */
/* text.c - Values that stay text: arguments and paths */
#include "conf/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/**
 * keep() - Put a copy into struct conf
 * @value:	Value, checked
 * @dest:	char *, replaced; freed by conf_free()
 */
static int keep(struct conf_value *value, void *dest)
{
	char *copy = strdup(value->text);

	if (!copy)
		return conf_why(value, "out of memory");
	free(*(char **)dest);
	*(char **)dest = copy;
	return 0;
}

/**
 * text_parse() - conf_type_text: any text of the key's range of lengths
 * @value:	Value
 * @dest:	char *
 */
static int text_parse(struct conf_value *value, void *dest)
{
	size_t length = strlen(value->text);

	if (length < value->key->min)
		return conf_why(value, "empty");
	if (length > value->key->max)
		return conf_why(value, "too long");
	return keep(value, dest);
}

/**
 * text_allowed() - What text_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void text_allowed(const struct conf_key *key, FILE *out)
{
	fprintf(out, "%s text of up to %" PRIu64 " characters", key->min ? "a" : "any", key->max);
}

const struct conf_type conf_type_text = {text_parse, text_allowed};

/**
 * path_parse() - conf_type_path: an absolute path of a file in a folder
 * @value:	Value
 * @dest:	char *
 */
static int path_parse(struct conf_value *value, void *dest)
{
	const char *path = value->text;
	size_t length = strlen(path);

	if (path[0] != '/')
		return conf_why(value, "not an absolute path");
	if (length < value->key->min || path[length - 1] == '/')
		return conf_why(value, "names no file");
	if (length > value->key->max)
		return conf_why(value, "longer than a socket address holds");
	return keep(value, dest);
}

/**
 * path_allowed() - What path_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void path_allowed(const struct conf_key *key, FILE *out)
{
	fprintf(out, "an absolute path of up to %" PRIu64 " bytes", key->max);
}

const struct conf_type conf_type_path = {path_parse, path_allowed};
