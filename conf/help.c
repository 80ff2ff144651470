/* SPDX-License-Identifier: BSD-3-Clause */
/* help.c - The table of keys as plain text, for --help-conf */
#include "conf/table.h"

#include <string.h>

#define INDENT	8
#define COLUMNS 79

/**
 * wrap() - Print a sentence, indented and broken at spaces
 * @out:	Where to
 * @text:	Sentence
 */
static void wrap(FILE *out, const char *text)
{
	while (*text) {
		size_t take = strlen(text);

		if (take > COLUMNS - INDENT) {
			take = COLUMNS - INDENT;
			while (take > 1 && text[take] != ' ')
				take--;
		}
		fprintf(out, "%*s%.*s\n", INDENT, "", (int)take, text);
		text += take;
		text += strspn(text, " ");
	}
}

/**
 * print_key() - One key: what is allowed, its default, its sentence
 * @out:	Where to
 * @key:	Key
 */
static void print_key(FILE *out, const struct conf_key *key)
{
	fprintf(out, "    %s = ", key->name);
	key->type->allowed(key, out);
	if (!key->def)
		fprintf(out, "; must be given\n");
	else
		fprintf(out, "; default %s\n", *key->def ? key->def : "empty");
	wrap(out, key->help);
}

void conf_help(FILE *out)
{
	for (const struct conf_section *kind = conf_sections; kind->name; kind++) {
		fprintf(out, "%s[%s%s]  %s\n", kind == conf_sections ? "" : "\n", kind->name,
			kind->named ? ".NAME" : "", kind->help);
		for (const struct conf_key *key = kind->keys; key->name; key++)
			print_key(out, key);
	}
}
