/* SPDX-License-Identifier: BSD-3-Clause */
/* report.c - What is wrong with a file, a line each */
#include "conf/report.h"
#include "conf/scan.h"

#include <stdarg.h>

/**
 * place() - Begin a line with FILE:LINE, and count it
 * @report:	Report
 * @line:	Line number or 0
 */
static void place(struct conf_report *report, unsigned int line)
{
	report->n++;
	fprintf(report->out, "%s:", report->file);
	if (line)
		fprintf(report->out, "%u:", line);
	fputc(' ', report->out);
}

void report_line(struct conf_report *report, unsigned int line, const char *fmt, ...)
{
	va_list args;

	place(report, line);
	va_start(args, fmt);
	vfprintf(report->out, fmt, args);
	va_end(args);
	fputc('\n', report->out);
}

void report_value(struct conf_report *report, const char *section, const char *key,
		  const char *value, const char *fmt, ...)
{
	const struct scan_entry *at = report->scan ? scan_find(report->scan, section, key) : NULL;
	va_list args;

	place(report, at ? at->line : 0);
	fprintf(report->out, "[%s] %s = \"%s\": ", section, key, value);
	va_start(args, fmt);
	vfprintf(report->out, fmt, args);
	va_end(args);
	fputc('\n', report->out);
}
