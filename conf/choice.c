/* SPDX-License-Identifier: BSD-3-Clause */
/* choice.c - Values that are one of a few words */
#include "conf/table.h"
#include "conf/similar.h"

#include <errno.h>
#include <strings.h>

/**
 * find_word() - Look a word up, case aside
 * @words:	Ends with NULL
 * @text:	Word
 *
 * Return: Its place, or -1
 */
static int find_word(const char *const *words, const char *text)
{
	for (int i = 0; words[i]; i++)
		if (!strcasecmp(words[i], text))
			return i;
	return -1;
}

/**
 * refuse_word() - Refuse a word, naming the one that was meant
 * @value:	Value
 * @words:	Ends with NULL
 */
static int refuse_word(struct conf_value *value, const char *const *words)
{
	struct similar meant = similar_to(value->text);

	for (int i = 0; words[i]; i++)
		similar_try(&meant, words[i]);
	if (meant.best)
		return conf_why(value, "no such choice, did you mean \"%s\"?", meant.best);
	return conf_why(value, "no such choice");
}

/**
 * choice_parse() - conf_type_choice: one of the key's words
 * @value:	Value
 * @dest:	An enum whose values are the places of the words
 */
static int choice_parse(struct conf_value *value, void *dest)
{
	int place = find_word(value->key->choices, value->text);

	if (place < 0)
		return refuse_word(value, value->key->choices);
	*(unsigned int *)dest = (unsigned int)place;
	return 0;
}

/**
 * choice_allowed() - What choice_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void choice_allowed(const struct conf_key *key, FILE *out)
{
	for (int i = 0; key->choices[i]; i++)
		fprintf(out, "%s%s", i ? ", " : "", key->choices[i]);
}

const struct conf_type conf_type_choice = {choice_parse, choice_allowed};

/* Even places mean yes.  iniparser_getboolean() does not know on and off. */
static const char *const flag_words[] = {"yes", "no", "true", "false", "on", "off", NULL};

/**
 * flag_parse() - conf_type_flag: yes or no
 * @value:	Value
 * @dest:	bool
 */
static int flag_parse(struct conf_value *value, void *dest)
{
	int place = find_word(flag_words, value->text);

	if (place < 0)
		return refuse_word(value, flag_words);
	*(bool *)dest = place % 2 == 0;
	return 0;
}

/**
 * flag_allowed() - What flag_parse() accepts, for errors, help and man page
 * @key:	Key
 * @out:	Where to
 */
static void flag_allowed(const struct conf_key *key, FILE *out)
{
	(void)key;
	for (int i = 0; flag_words[i]; i++)
		fprintf(out, "%s%s", i ? ", " : "", flag_words[i]);
}

const struct conf_type conf_type_flag = {flag_parse, flag_allowed};
