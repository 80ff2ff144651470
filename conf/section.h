/* SPDX-License-Identifier: BSD-3-Clause */
/* section.h - Headings: which section they are, and which NAME they carry */
#ifndef VUNETD_CONF_SECTION_H
#define VUNETD_CONF_SECTION_H

#include "conf/table.h"

struct conf_report;

/**
 * section_kind() - Find the kind of section a heading means
 * @heading:	Without brackets, in lower case: "pmd", "port.uplink"
 * @ret_name:	Set to the NAME inside @heading, "" for a section without
 *
 * Return: Kind, or NULL when there is no such section
 */
const struct conf_section *section_kind(const char *heading, const char **ret_name);

/**
 * section_refuse() - Report a heading that section_kind() did not know
 * @report:	Report
 * @line:	Line number
 * @heading:	As for section_kind()
 */
void section_refuse(struct conf_report *report, unsigned int line, const char *heading);

/**
 * section_name_valid() - Whether a NAME may be one
 * @name:	NAME of a port or a guest
 */
bool section_name_valid(const char *name);

#endif /* VUNETD_CONF_SECTION_H */
