/* SPDX-License-Identifier: BSD-3-Clause */
/* report.h - What is wrong with a file, a line each
 *
 * The lines name everything an operator needs:
 *
 *   FILE:LINE: [section] key = "value": what is wrong; allowed: ...
 */
#ifndef VUNETD_CONF_REPORT_H
#define VUNETD_CONF_REPORT_H

#include <stdio.h>

struct scan;

/**
 * struct conf_report - Where errors go
 * @out:	Each is a line here
 * @file:	Path of the ini file
 * @scan:	Knows the line of each key; NULL while there is none yet
 * @n:		Errors so far
 */
struct conf_report {
	FILE *out;
	const char *file;
	const struct scan *scan;
	unsigned int n;
};

/**
 * report_line() - Report something about a line or the whole file
 * @report:	Report
 * @line:	Line number; 0 for the whole file
 * @fmt:	What is wrong
 */
void report_line(struct conf_report *report, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * report_value() - Report something about a key's value
 * @report:	Report
 * @section:	Name
 * @key:	Name
 * @value:	As written, or the default
 * @fmt:	What is wrong and what is allowed
 */
void report_value(struct conf_report *report, const char *section, const char *key,
		  const char *value, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif /* VUNETD_CONF_REPORT_H */
