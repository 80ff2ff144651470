/* SPDX-License-Identifier: BSD-3-Clause */
/* similar.h - The known word that a misspelt one was probably meant to be */
#ifndef VUNETD_CONF_SIMILAR_H
#define VUNETD_CONF_SIMILAR_H

/**
 * struct similar - A search in progress
 * @word:	As written
 * @best:	Nearest candidate so far; NULL when none is near enough
 * @distance:	Edits between the two
 */
struct similar {
	const char *word;
	const char *best;
	unsigned int distance;
};

/**
 * similar_to() - Begin a search
 * @word:	As written; borrowed until the search ends
 */
struct similar similar_to(const char *word);

/**
 * similar_try() - Offer a candidate
 * @search:	From similar_to()
 * @candidate:	Known word; kept by pointer when it is the best so far
 */
void similar_try(struct similar *search, const char *candidate);

#endif /* VUNETD_CONF_SIMILAR_H */
