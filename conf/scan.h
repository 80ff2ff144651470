/* SPDX-License-Identifier: BSD-3-Clause */
/* scan.h - Where in the file everything stands
 *
 * Theory of operation
 * ===================
 * iniparser turns the file into a dictionary, and on the way loses what an
 * operator should be told: it merges two sections of one name, lets the last
 * of two equal keys win, cuts a value at an unquoted # or ;, drops what follows
 * a closing quote, joins a line that ends in \ with the next, and knows no line
 * numbers.  This scan reads the same lines by the same rules beforehand, refuses
 * all of that, and remembers the line of every section and key.  The values
 * themselves come from iniparser.
 */
#ifndef VUNETD_CONF_SCAN_H
#define VUNETD_CONF_SCAN_H

#include <stddef.h>

struct conf_report;

/**
 * struct scan_entry - A section's heading, or a key
 * @section:	Name in lower case; "" for a key in front of all sections
 * @key:	Name in lower case, or NULL for the heading
 * @line:	Line number, from 1
 * @again:	The section or key stood in the file before, and was reported
 */
struct scan_entry {
	char *section;
	char *key;
	unsigned int line;
	unsigned int again;
};

/**
 * struct scan - All of a file, in its order
 * @entries:	Headings and keys
 * @n:		How many
 */
struct scan {
	struct scan_entry *entries;
	size_t n;
};

/**
 * scan_file() - Read a file
 * @path:	File
 * @report:	Where what is wrong goes
 * @ret_scan:	Filled in, for scan_fini(); also when something was wrong
 *
 * Return: 0, even when the report now has errors; -errno when the file cannot be read,
 *	which was reported as well, and then @ret_scan is untouched
 */
int scan_file(const char *path, struct conf_report *report, struct scan *ret_scan);

/**
 * scan_fini() - Free what scan_file() filled in
 * @scan:	Scan
 */
void scan_fini(struct scan *scan);

/**
 * scan_find() - Find the first entry of that name
 * @scan:	Scan
 * @section:	Name, in lower case
 * @key:	Name, in lower case, or NULL for the section's heading
 *
 * Return: The entry or NULL
 */
const struct scan_entry *scan_find(const struct scan *scan, const char *section, const char *key);

#endif /* VUNETD_CONF_SCAN_H */
