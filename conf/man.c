/* SPDX-License-Identifier: BSD-3-Clause */
/* man.c - The table of keys as mdoc, for vunetd.conf(5) */
#include "conf/table.h"

#include <string.h>

#define COLUMNS 78 /* longer source lines are bad style to mandoc -T lint */

/**
 * print_text() - Print a sentence on lines of their own, no character a request
 * @out:	Where to
 * @text:	Sentence; does not begin with a dot or a quote
 */
static void print_text(FILE *out, const char *text)
{
	size_t column = 0;

	for (; *text; text++, column++) {
		if (*text == ' ' && column + strcspn(text + 1, " ") >= COLUMNS) {
			fputc('\n', out);
			column = 0;
		} else if (*text == '\\') {
			fputs("\\e", out);
		} else {
			fputc(*text, out);
		}
	}
	fputc('\n', out);
}

/**
 * print_key() - One item of a section's list
 * @out:	Where to
 * @key:	Key
 */
static void print_key(FILE *out, const struct conf_key *key)
{
	fprintf(out, ".It Ic %s\n", key->name);
	print_text(out, key->help);
	fprintf(out, "Allowed:\n");
	key->type->allowed(key, out);
	if (!key->def)
		fprintf(out, ".\nMust be given.\n");
	else if (!*key->def)
		fprintf(out, ".\nEmpty by default.\n");
	else
		fprintf(out, ".\nThe default is\n.Cm %s .\n", key->def);
}

void conf_man(FILE *out)
{
	for (const struct conf_section *kind = conf_sections; kind->name; kind++) {
		fprintf(out, ".Ss The [%s%s] section\n", kind->name, kind->named ? ".NAME" : "");
		print_text(out, kind->help);
		fprintf(out, ".Bl -tag -width Ds\n");
		for (const struct conf_key *key = kind->keys; key->name; key++)
			print_key(out, key);
		fprintf(out, ".El\n");
	}
}
