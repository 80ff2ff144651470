/* SPDX-License-Identifier: BSD-3-Clause */
/* similar.c - "Did you mean", by edit distance
 *
 * Theory of operation
 * ===================
 * The distance is Levenshtein's, case aside, with two neighbours swapped
 * counted as one edit, since that is how fingers slip.  Up to a third of the
 * word's characters may be wrong, and always one: more than that and the
 * suggestion would be a guess that misleads.
 */
#include "conf/similar.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#define WORD_MAX 48 /* longer words are not suggested for */

/** least() - The smaller of two numbers */
static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/** same() - Whether two characters are equal, case aside */
static int same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/**
 * edit_distance() - Edits that turn one word into the other
 * @a:	Word
 * @b:	Word
 *
 * Fills the usual table: d[i][j] is the distance between the first i
 * characters of @a and the first j of @b.
 *
 * Return: Edits, or UINT_MAX for words longer than WORD_MAX
 */
static unsigned int edit_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned int d[WORD_MAX + 1][WORD_MAX + 1];

	if (n > WORD_MAX || m > WORD_MAX)
		return UINT_MAX;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned int)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned int)j;

	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			unsigned int replace = d[i - 1][j - 1] + !same(a[i - 1], b[j - 1]);

			d[i][j] = least(replace, 1 + least(d[i - 1][j], d[i][j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

struct similar similar_to(const char *word)
{
	size_t tolerated = strlen(word) / 3;

	return (struct similar){
		.word = word,
		.distance = (unsigned int)(tolerated ? tolerated : 1) + 1,
	};
}

void similar_try(struct similar *search, const char *candidate)
{
	unsigned int distance = edit_distance(search->word, candidate);

	if (distance >= search->distance)
		return;
	search->distance = distance;
	search->best = candidate;
}
